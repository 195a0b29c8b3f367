"""A group's answer is every member's: against a plain model that looks at each pod by itself, as istiod does."""

from typing import Any

import msgspec
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from driftworlds import configs, injected, injection, pod, proxy_config, rows_of
from pilotage.decide.reading import expected, interest_of, reading
from pilotage.domain.objects import Obj
from pilotage.edge.pods import PodPage, PodWire, pods_of
from pilotage.edge.running import of_store
from worlds import MESH, injector, tag

REVISIONS, SPACES = ("1-30", "1-31"), ("shop", "pay", "kube-system", MESH)
_names = st.sampled_from(["1-30", "1-31", "prod", "nobody"])
_images = st.sampled_from(["proxyv2", "example/whole:9", "mine"])
_types = st.sampled_from(["", "distroless", "debug", "default"])
_maybe = st.sampled_from


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    """Two revisions and a tag; namespaces; ProxyConfigs; pods."""
    spaces = {name: draw(_space()) for name in SPACES}
    planes = {
        rev: {
            "image": draw(_images),
            "tag": draw(_maybe(["1.31.0", "1.31.0-distroless"])),
            "variant": draw(_types),
            "mesh": {"defaultConfig": {"image": {"imageType": kind}}} if (kind := draw(_types)) else {},
            "policy": draw(_maybe(["enabled", "enabled", "disabled"])),
            "neverInjectSelector": draw(_maybe([[], [{"matchLabels": {"app": "b"}}], [{}]])),
            "alwaysInjectSelector": draw(_maybe([[], [{"matchExpressions": [{"key": "app", "operator": "Exists"}]}]])),
        }
        for rev in REVISIONS
    }
    selectors = st.sampled_from([{}, {"app": "a"}])
    resources = [
        proxy_config(draw(_maybe(SPACES)), draw(_types) or None, age, **draw(selectors))
        for age in range(draw(st.integers(0, 4)))
    ]
    pods = [draw(_pod(index)) for index in range(draw(st.integers(1, 8)))]
    return {"spaces": spaces, "planes": planes, "resources": resources, "pods": pods, "tag": draw(_maybe(REVISIONS))}


@st.composite
def _space(draw: st.DrawFn) -> dict[str, str]:
    label = draw(_names)
    return draw(_maybe([{}, {"istio.io/rev": label}, {"istio-injection": "disabled", "istio.io/rev": label}]))


@st.composite
def _pod(draw: st.DrawFn, index: int) -> Obj:
    labels = {
        "app": draw(_maybe(["", "a", "b"])),
        "istio.io/rev": draw(st.one_of(st.just(""), _names)),
        "sidecar.istio.io/inject": draw(_maybe(["", "", "true", "false", "perhaps"])),
        "unread": str(index),
    }
    annotations = {
        "sidecar.istio.io/inject": draw(_maybe(["", "", "", "true", "false"])),
        "sidecar.istio.io/proxyImage": draw(_maybe(["", "", "", "example/other:1", "bare"])),
        "sidecar.istio.io/proxyImageType": draw(_types),
        "proxy.istio.io/config": draw(_maybe(["", "image: {imageType: debug}", "concurrency: 2", "]["])),
        "inject.istio.io/templates": draw(_maybe(["", "", "gateway", "sidecar, quiet", "quiet"])),
    }
    return pod(
        draw(_maybe(SPACES)),
        f"p{index}",
        of=draw(_maybe(["web", "cart"])),
        labels={key: value for key, value in labels.items() if value},
        annotations={key: value for key, value in annotations.items() if value},
        own=draw(_maybe(["", "", "auto", "example/kept:2"])),
        host_network=draw(_maybe([False, False, False, True])),
    )


@settings(max_examples=60, deadline=None)
@given(worlds(), st.data())
def test_what_is_computed_for_a_group_is_what_each_pod_of_it_gets(world: dict[str, Any], data: st.DataObject) -> None:
    hooks = [*map(injector, REVISIONS), tag("prod", world["tag"])[0]]
    maps = [configs(rev, **plane) for rev, plane in world["planes"].items()]
    by = injection(*hooks, *maps, spaces=world["spaces"], resources=world["resources"])
    shown = [injected(each, "1-30", "example/old:1") if data.draw(st.booleans()) else each for each in world["pods"]]
    alone = {each["metadata"]["name"]: gives(each, world) for each in world["pods"]}
    for row in rows_of(shown, by):
        answer = expected(reading(row.asked, by), by)
        if answer.why:
            continue
        for name in row.pods:
            assert (answer.revision, answer.image) == alone[name], name


@given(worlds())
@settings(max_examples=30, deadline=None)
def test_no_pod_is_told_unknown_where_templates_are_istios_and_one_webhook_matches(world: dict[str, Any]) -> None:
    hooks = [*map(injector, REVISIONS), tag("prod", world["tag"])[0]]
    maps = [configs(rev, **plane) for rev, plane in world["planes"].items()]
    by = injection(*hooks, *maps, spaces=world["spaces"], resources=world["resources"])
    assert not [why for row in rows_of(world["pods"], by) if (why := reading(row.asked, by).why)]


@given(worlds(), st.data())
@settings(max_examples=30, deadline=None)
def test_pods_that_are_followed_are_read_as_those_of_a_list(world: dict[str, Any], data: st.DataObject) -> None:
    by = injection(*map(injector, REVISIONS), *map(configs, REVISIONS), spaces=world["spaces"])
    templates = data.draw(_maybe(["strange", "gateway"]))
    odd = injected(pod("pay", "odd", annotations={"inject.istio.io/templates": templates}), "1-30", "example/old:1")
    shown = [injected(each, "1-30", "example/old:1", native=data.draw(st.booleans())) for each in world["pods"]]
    kept = [pods_of(PodPage([msgspec.convert(each, PodWire)]), {})[0] for each in [*shown, odd]]
    rows, unread = of_store(kept, interest_of(by))
    assert unread == (("pay",) if templates == "strange" else ())
    listed = [row for row in rows_of([*shown, odd], by) if row.asked.namespace not in unread]
    assert sorted(rows, key=str) == sorted(listed, key=str)


def gives(pod: Obj, world: dict[str, Any]) -> tuple[str, str]:
    """(revision, image) of the proxy that the pod gets, ("", "") for none: one pod, everything read anew."""
    meta, spec = pod["metadata"], pod["spec"]
    labels, marks, space = meta["labels"], meta["annotations"], world["spaces"][meta["namespace"]]
    if spec["hostNetwork"] or meta["namespace"] == "kube-system":
        return "", ""
    if labels.get("sidecar.istio.io/inject") == "false" or "istio-injection" in space:
        return "", ""
    asked = space.get("istio.io/rev") or labels.get("istio.io/rev")
    revision = world["tag"] if asked == "prod" else asked
    if revision not in REVISIONS:
        return "", ""
    plane = world["planes"][revision]
    templates = [name.strip() for name in marks.get("inject.istio.io/templates", "sidecar").split(",")]
    if not _wanted(labels, marks, plane) or templates == ["quiet"]:
        return "", ""
    return revision, _image(pod, plane, world["resources"])


def _wanted(labels: dict[str, str], marks: dict[str, str], plane: dict[str, Any]) -> bool:
    said = labels.get("sidecar.istio.io/inject", marks.get("sidecar.istio.io/inject"))
    if said in ("true", "false"):
        return said == "true"
    if labels.get("app") == "b" and {"matchLabels": {"app": "b"}} in plane["neverInjectSelector"]:
        return False
    return bool("app" in labels and plane["alwaysInjectSelector"]) or plane["policy"] == "enabled"


def _image(pod: Obj, plane: dict[str, Any], resources: list[Obj]) -> str:
    marks = pod["metadata"]["annotations"]
    own = [each["image"] for each in pod["spec"]["containers"] if each["name"] == "istio-proxy"]
    if own and own[0] != "auto":
        return str(own[0])
    named = marks.get("sidecar.istio.io/proxyImage", plane["image"])
    if "/" in named:
        return str(named)
    kind = marks.get("sidecar.istio.io/proxyImageType", _kind(pod, plane, resources) or plane["variant"])
    version = "1.31.0" if kind else plane["tag"]
    return f"example/{plane['image']}:{version}" + (f"-{kind}" if kind and kind != "default" else "")


def _kind(pod: Obj, plane: dict[str, Any], resources: list[Obj]) -> str:
    space, labels = pod["metadata"]["namespace"], pod["metadata"]["labels"]
    kind = (plane["mesh"].get("defaultConfig") or {"image": {"imageType": ""}})["image"]["imageType"]
    for place in (MESH, space):
        every = [
            each for each in resources if each["metadata"]["namespace"] == place and "selector" not in each["spec"]
        ]
        kind = (_said(every[0]) if every else "") or kind
    try:
        annotated = yaml.safe_load(pod["metadata"]["annotations"].get("proxy.istio.io/config", "")) or {}
    except yaml.YAMLError:
        annotated = {}
    kind = annotated.get("image", {}).get("imageType") or kind
    mine = [
        each
        for each in resources
        if each["metadata"]["namespace"] == space and "selector" in each["spec"] and labels.get("app") == "a"
    ]
    return (_said(mine[0]) if mine else "") or kind


def _said(resource: Obj) -> str:
    return str(resource["spec"].get("image", {}).get("imageType") or "")
