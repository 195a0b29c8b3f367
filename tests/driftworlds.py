"""Worlds for `drift`: control planes with their ConfigMaps, and pods as the API server lists them, injected or not."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from pilotage.decide.drift import Drift, compare, groups
from pilotage.decide.injection import injection_of
from pilotage.decide.reading import interest_of
from pilotage.domain.drift import Expected, Injection, Running
from pilotage.domain.istio import WebhookConfig
from pilotage.domain.names import suffixed
from pilotage.domain.objects import Obj
from pilotage.edge.running import begin, running
from worlds import MESH, injector

OWN_LINES = """
{{- if contains "/" (annotation .ObjectMeta `sidecar.istio.io/proxyImage` .Values.global.proxy.image) }}
    image: "{{ annotation .ObjectMeta `sidecar.istio.io/proxyImage` .Values.global.proxy.image }}"
{{- else }}
    image: "{{ .ProxyImage }}"
{{- end }}
"""
TEMPLATES = {"sidecar": OWN_LINES, "gateway": OWN_LINES, "quiet": "metadata: {}", "strange": "image: example/own:1"}


def configs(
    rev: str,
    tag: str = "",
    *,
    image: str = "proxyv2",
    variant: str = "",
    mesh: Mapping[str, Any] | None = None,
    **config: Any,
) -> dict[str, dict[str, str]]:
    """The ConfigMaps of a revision whose proxies are `example/<image>:<tag>`."""
    values = {"global": {"hub": "example", "tag": tag or rev, "variant": variant, "proxy": {"image": image}}}
    given = {"policy": "enabled", "defaultTemplates": ["sidecar"], "templates": TEMPLATES} | config
    return {
        suffixed("istio-sidecar-injector", rev): {"values": json.dumps(values), "config": json.dumps(given)},
        suffixed("istio", rev): {"mesh": json.dumps(mesh or {})},
    }


def injection(
    *things: Any, spaces: Mapping[str, Mapping[str, str]], resources: Iterable[Obj] = (), **more: Any
) -> Injection:
    """Revisions by name, or injectors and dicts of ConfigMaps as they are."""
    hooks: list[WebhookConfig] = []
    maps: dict[str, dict[str, str]] = {}
    for thing in things:
        if isinstance(thing, WebhookConfig):
            hooks.append(thing)
        elif isinstance(thing, dict):
            maps |= thing
        else:
            hooks.append(injector(thing))
            maps |= configs(thing)
    named = {name: dict(labels) for name, labels in spaces.items()}
    return injection_of(tuple(hooks), named, {MESH: maps}, resources, more.get("unknown", {}))


def proxy_config(space: str, image_type: str | None, age: int = 0, **labels: str) -> Obj:
    meta = {"name": f"own-{age}", "namespace": space, "creationTimestamp": f"2026-11-22T10:00:{age:02}Z"}
    spec: Obj = {"image": {"imageType": image_type}} if image_type else {}
    return {"metadata": meta, "spec": spec | ({"selector": {"matchLabels": labels}} if labels else {})}


def pod(space: str, name: str, **more: Any) -> Obj:
    """One that nobody injected: `labels`, `annotations`, `of` (a Deployment), `own` (image of its istio-proxy)."""
    containers = [{"name": "app", "image": "example/app"}]
    if more.get("own"):
        containers.append({"name": "istio-proxy", "image": more["own"]})
    meta: Obj = {"name": name, "namespace": space, "labels": dict(more.get("labels", {}))}
    if "of" in more:
        owner = {"kind": "ReplicaSet", "name": f"{more['of']}-5d4f", "apiVersion": "apps/v1", "controller": True}
        meta |= {"ownerReferences": [owner], "labels": meta["labels"] | {"pod-template-hash": "5d4f"}}
    meta["annotations"] = dict(more.get("annotations", {}))
    spec = {"containers": containers, "hostNetwork": more.get("host_network", False)}
    return {"metadata": meta, "spec": spec, "status": {"phase": more.get("phase", "Running")}}


def injected(made: Obj, rev: str, image: str, *, native: bool = False) -> Obj:
    """The pod as injection by `rev` leaves it, with that proxy image."""
    pod: Obj = json.loads(json.dumps(made))
    own = [each for each in pod["spec"]["containers"] if each["name"] == "istio-proxy"]
    pod["spec"]["containers"] = [each for each in pod["spec"]["containers"] if each not in own]
    where = pod["spec"].setdefault("initContainers", []) if native else pod["spec"]["containers"]
    where.append({"name": "istio-proxy", "image": image})
    marks = {"istio.io/rev": rev, "sidecar.istio.io/status": "{}"}
    if own:
        kept = {key: value for key, value in own[0].items() if value != "auto"}
        marks["proxy.istio.io/overrides"] = json.dumps({"containers": [kept]})
    pod["metadata"]["annotations"] |= marks
    pod["metadata"]["labels"]["service.istio.io/canonical-name"] = pod["metadata"]["name"]
    return pod


class Listed:
    """A cluster that lists these pods, a few in a page."""

    def __init__(self, pods: Iterable[Obj]) -> None:
        self._pods = list(pods)

    def list_pages(self, _api: str, _kind: str, namespace: str = "", *, labels: str = "") -> Iterator[bytes]:  # noqa: ARG002
        mine = [each for each in self._pods if namespace in ("", each["metadata"]["namespace"])]
        for start in range(0, len(mine), 3):
            yield msgspec.json.encode({"metadata": {}, "items": mine[start : start + 3]})

    def decode(self, page: bytes, shape: type[Any]) -> Any:
        return msgspec.json.decode(page, type=shape)


def rows_of(pods: Iterable[Obj], by: Injection, *namespaces: str) -> list[Running]:
    return running(begin(Listed(pods), namespaces), interest_of(by))  # type: ignore[arg-type]


def drift_of(pods: Iterable[Obj], by: Injection, tried: Expected | None = None) -> Drift:
    """`tried`: what every dry run gives; None where none is made."""
    rows = rows_of(pods, by)
    grouped = groups(rows, by)
    return compare(rows, by, grouped, {} if tried is None else dict.fromkeys(grouped.tries, tried))
