"""What holds a revision, what does not, and what frees it."""

from typing import Any

import pytest
from msgspec.structs import replace

from pilotage.decide.usage import idle_tags, in_use_findings, proxies_exist, usage
from pilotage.domain.cluster import Pod
from pilotage.domain.istio import ControlPlane, WebhookConfig
from pilotage.domain.objects import ObjectRef
from pilotage.domain.state import Snapshot
from worlds import deployment, namespace, pod, report, resource, revision, tag, workload, world

OLD, NEW = "asm-1-30", "asm-1-31"
TWO = (revision(OLD), revision(NEW))
DEPLOYMENT = ("Deployment", "web")


def held(*things: Any, **facts: Any) -> list[tuple[str, str]]:
    """(kind, name) of what holds the old revision in such a world."""
    return [(holder.kind, holder.name) for holder in usage(world(*TWO, *things, **facts), OLD).holders]


@pytest.mark.parametrize(
    ("sentence", "thing", "holds"),
    [
        ("a running pod with its proxy", pod("shop", "a", on=OLD), True),
        ("a pod of the other revision", pod("shop", "a", on=NEW), False),
        ("a pod without a proxy", pod("shop", "a"), False),
        ("a pending pod was injected too", pod("shop", "a", on=OLD, phase="Pending", ready=False), True),
        ("a finished Job's pod", pod("shop", "a", on=OLD, phase="Succeeded"), False),
        ("a failed or evicted pod", pod("shop", "a", on=OLD, phase="Failed", reason="Evicted"), False),
        (
            "the label is only what was asked for: the annotation says which proxy it has",
            pod("shop", "a", on=NEW, labels={"istio.io/rev": OLD}),
            False,
        ),
        (
            "a pod that Pilotage installed goes with it",
            pod("x", "gw", on=OLD, labels={"pilotage.dev/managed": "true"}),
            False,
        ),
    ],
)
def test_live_pods_hold_the_revision_whose_proxy_they_have(sentence: str, thing: Pod, holds: bool) -> None:
    assert held(thing) == ([("Pod", "a")] if holds else []), sentence


def test_a_pod_that_is_being_deleted_holds_while_its_proxy_is_connected() -> None:
    leaving = pod("shop", "a", on=OLD, deleting=True)
    assert held(leaving) == [("Pod", "a")]
    here = world(*TWO, leaving, namespace("shop", rev=NEW))
    assert [(finding.code, finding.fix) for finding in in_use_findings(here, OLD, NEW)] == [
        ("ProxyLeaving", "wait: kubectl get pods -n shop")
    ]
    silent = world(revision(NEW), _istiod(OLD), report(OLD, only=True), leaving)
    assert not list(in_use_findings(silent, OLD, NEW))


@pytest.mark.parametrize(
    ("sentence", "space", "expected"),
    [
        ("labelled for the revision, without one pod", namespace("shop", rev=OLD), [("Namespace", "shop")]),
        ("labelled for a tag of it", namespace("shop", rev="prod-stable"), [("Namespace", "shop")]),
        ("labelled for the other one", namespace("shop", rev=NEW), []),
        ("labelled for nothing that is there", namespace("shop", rev="asm-1-9"), []),
        ("istio-injection=disabled hides the label", namespace("shop", rev=OLD, injection="disabled"), []),
        ("being deleted", namespace("shop", rev=OLD, terminating=True), []),
    ],
)
def test_a_namespace_holds_what_its_label_selects(sentence: str, space: Any, expected: list[tuple[str, str]]) -> None:
    assert held(tag("prod-stable", OLD), space) == expected, sentence


def test_istio_injection_holds_the_revision_of_the_default_tag() -> None:
    assert held(tag("default", OLD), namespace("shop", injection="enabled")) == [("Namespace", "shop")]
    assert held(tag("default", NEW), namespace("shop", injection="enabled")) == []


@pytest.mark.parametrize(
    ("sentence", "things", "holds"),
    [
        ("a Deployment at 0 comes back", (workload("Deployment", "shop", "x", rev=OLD, desired=0),), True),
        ("so does a suspended CronJob", (workload("CronJob", "shop", "x", rev=OLD, desired=0),), True),
        ("through a tag too", (tag("prod", OLD), workload("Deployment", "shop", "x", rev="prod")), True),
        ("a finished Job does not", (workload("Job", "shop", "x", rev=OLD, finished=True),), False),
        ("a template of the other revision does not", (workload("Deployment", "shop", "x", rev=NEW),), False),
        (
            "its namespace's label beats it",
            (namespace("shop", rev=NEW), workload("Deployment", "shop", "x", rev=OLD)),
            False,
        ),
        (
            "one that declines does not",
            (workload("Deployment", "shop", "x", rev=OLD, labels={"sidecar.istio.io/inject": "false"}),),
            False,
        ),
    ],
)
def test_a_pod_template_holds_what_it_asks_for(sentence: str, things: tuple[Any, ...], holds: bool) -> None:
    assert bool(held(*things)) is holds, sentence


def test_what_pilotage_installed_with_the_revision_does_not_hold_it() -> None:
    gateway = workload("Deployment", "ingress", "gw", rev=OLD)
    ours = {
        ObjectRef("apps/v1", "Deployment", "ingress", "gw"): {"metadata": {"labels": {"pilotage.dev/managed": "true"}}}
    }
    running = pod("ingress", "gw-1", on=OLD, of=("Deployment", "gw"))
    assert held(gateway, running, live=ours) == []
    assert held(gateway, running) == [("Deployment", "gw"), ("Pod", "gw-1")]


def test_proxies_that_are_no_pods_here_hold_the_istiod_they_are_connected_to() -> None:
    here = world(_istiod(OLD), revision(NEW), report(OLD, "vm-1.shop"), pod("shop", "a", on=OLD))
    assert [(each.kind, each.namespace, each.name) for each in usage(here, OLD).holders] == [
        ("Pod", "shop", "a"),
        ("Proxy", "shop", "vm-1"),
    ]
    assert not list(in_use_findings(here, NEW, OLD))


def test_istio_resources_hold_the_revision_they_are_labelled_for_and_gateways_also_by_tag() -> None:
    route, other = resource("VirtualService", "shop", "r", OLD), resource("VirtualService", "shop", "s", NEW)
    by_tag = resource("VirtualService", "shop", "t", "prod")
    gateway = resource("Gateway", "shop", "g", "prod", "gateway.networking.k8s.io/v1")
    found = usage(world(*TWO, tag("prod", OLD), route, other, by_tag, gateway), OLD).holders
    assert [(each.name, each.fix) for each in found] == [
        ("r", f"kubectl label virtualservice.networking.istio.io r -n shop istio.io/rev={NEW} --overwrite"),
        ("g", f"pilotage tag set prod --revision {NEW} --overwrite"),
    ]


def test_a_tag_with_nobody_behind_it_does_not_hold_and_is_named_as_idle() -> None:
    here = world(*TWO, tag("prod-stable", OLD), tag("prod-canary", OLD), namespace("shop", rev="prod-stable"))
    assert idle_tags(here, OLD) == ("prod-canary",)
    assert idle_tags(here, NEW) == ()
    assert [each.name for each in usage(here, OLD).holders] == ["shop"]


def test_a_tag_of_a_template_or_a_gateway_is_not_idle() -> None:
    gateway = resource("Gateway", "shop", "g", "b", "gateway.networking.k8s.io/v1")
    here = world(*TWO, tag("a", OLD), tag("b", OLD), workload("CronJob", "shop", "x", rev="a"), gateway)
    assert idle_tags(here, OLD) == ()


def test_an_idle_tag_that_git_keeps_holds_since_removal_could_not_move_it() -> None:
    config, svc = tag("prod", OLD)
    metadata = config.raw["metadata"] | {"annotations": {"argocd.argoproj.io/tracking-id": "mesh:x"}}
    kept: WebhookConfig = replace(config, raw=config.raw | {"metadata": metadata})
    assert held(kept, svc) == [("Tag", "prod")]


@pytest.mark.parametrize(
    ("sentence", "things", "fix"),
    [
        (
            "already relabelled: a restart is enough",
            (namespace("shop", rev=NEW), deployment("shop", "web", on=OLD)),
            "pilotage restart deployment/web -n shop",
        ),
        (
            "its tag still points there",
            (tag("prod", OLD), namespace("shop", rev="prod"), deployment("shop", "web", on=OLD)),
            f"pilotage tag set prod --revision {NEW} --overwrite && pilotage restart deployment/web -n shop",
        ),
        (
            "its namespace still says so",
            (namespace("shop", rev=OLD), deployment("shop", "web", on=OLD)),
            f"pilotage namespace move shop --to {NEW} && pilotage restart deployment/web -n shop",
        ),
        (
            "its template says so",
            (namespace("shop"), deployment("shop", "web", on=OLD, rev=OLD)),
            "kubectl patch deployment web -n shop --type merge -p "
            f'\'{{"spec": {{"template": {{"metadata": {{"labels": {{"istio.io/rev": "{NEW}"}}}}}}}}}}\'',
        ),
        ("nothing brings it back", (namespace("shop"), pod("shop", "a", on=OLD)), "kubectl delete pod a -n shop"),
        (
            "a Job ends by itself",
            (namespace("shop"), pod("shop", "a", on=OLD, of=("Job", "sum"))),
            "wait until its Job sum is done, or: kubectl delete pod a -n shop",
        ),
    ],
)
def test_each_pod_is_listed_with_the_command_that_frees_it(sentence: str, things: tuple[Any, ...], fix: str) -> None:
    pods = [each for each in usage(world(*TWO, *things), OLD, NEW).holders if each.kind == "Pod"]
    assert [each.fix for each in pods] == [fix], sentence


def test_a_namespace_with_istio_injection_must_lose_that_label_to_move() -> None:
    here = world(revision("default"), revision(NEW), namespace("shop", injection="enabled"))
    (holder,) = usage(here, "default").holders
    assert holder.fix == f"pilotage namespace move shop --to {NEW} --remove-injection-label"


def test_findings_group_pods_by_workload_and_cap_the_names_while_usage_has_them_all() -> None:
    here = world(*TWO, namespace("shop", rev=NEW), deployment("shop", "web", on=OLD, pods=12))
    (finding,) = in_use_findings(here, OLD, NEW)
    assert finding.code == "RevisionInUse"
    names = "web-1, web-2, web-3, web-4, web-5 and 7 more"
    assert finding.message == f"pods of Deployment web in namespace shop: {names}: its proxy is of {OLD}"
    assert finding.fix == "pilotage restart deployment/web -n shop"
    assert len(usage(here, OLD, NEW).holders) == 12


def _istiod(name: str, available: int = 1, desired: int = 1, served: bool = True) -> ControlPlane:
    desired = max(available, desired)
    return ControlPlane(name, "istio-system", f"istiod-{name}", desired=desired, available=available, served=served)


@pytest.mark.parametrize(
    ("sentence", "here", "unknown"),
    [
        ("all answered", world(*TWO), False),
        ("one could not be asked", world(_istiod(OLD), report(OLD, error="timed out")), True),
        ("nobody asked it", world(_istiod(OLD)), True),
        ("one of two replicas was asked", world(_istiod(OLD, 2), report(OLD)), True),
        (
            "one that never got ready serves nobody",
            world(_istiod(OLD, 0, served=False), report(OLD, error="refused")),
            False,
        ),
        ("one that served and is away", world(_istiod(OLD, 0), report(OLD, error="refused")), True),
        ("one that served and was scaled to none", world(_istiod(OLD, 0, desired=0)), False),
        ("pods may not be listed", world(*TWO, unknown={"pods": "forbidden"}), True),
        ("what the guard does not need was not read", world(*TWO, unknown={"nodes": "forbidden"}), False),
    ],
)
def test_unknown_is_never_read_as_not_in_use(sentence: str, here: Snapshot, unknown: bool) -> None:
    assert [finding.code for finding in in_use_findings(here, OLD, NEW)] == ["RevisionInUse"] * unknown, sentence


def test_disable_sees_proxies_but_not_labels() -> None:
    here = world(*TWO, namespace("shop", rev=OLD), deployment("shop", "web", on=OLD), namespace("bank", rev=NEW))
    (finding,) = proxies_exist(here, (OLD, NEW))
    assert finding.code == "ProxiesExist"
    unlabel = "kubectl label namespace shop istio.io/rev- istio-injection-"
    assert finding.fix == f"{unlabel} && pilotage restart deployment/web -n shop"
    assert not list(proxies_exist(world(*TWO, namespace("shop", rev=OLD)), (OLD, NEW)))
