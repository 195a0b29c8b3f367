"""How the revisions are, and every rule of `check`: a world where it bites and one where it does not."""

from typing import Any

import pytest
from msgspec.structs import replace

from pilotage.decide.health import check
from pilotage.decide.revision_health import RevisionHealth, health, stuck
from pilotage.domain.cluster import Container, Pod
from pilotage.domain.istio import ControlPlane, Proxy
from pilotage.domain.mesh import ProfileName
from pilotage.domain.profile import PROFILES
from worlds import deployment, injector, pod, report, resource, revision, service, tag, validator, world

REV = "asm-1-30"
AKS = PROFILES[ProfileName.AKS]


def istiod(available: int = 1, desired: int = 1, reason: str = "") -> list[Any]:
    """A revision without the answer of its istiod."""
    plane = ControlPlane(REV, "istio-system", f"istiod-{REV}", desired=desired, available=available, reason=reason)
    return [plane, service(f"istiod-{REV}"), injector(REV), validator(REV)]


def sick(name: str, **more: Any) -> Pod:
    return pod("shop", name, on=REV, ready=False, **more)


@pytest.mark.parametrize(
    ("code", "bites", "does_not"),
    [
        ("IstiodNotAvailable", world(istiod(1, 2), report(REV)), world(istiod(2, 2), report(REV), report(REV))),
        ("IstiodNotAvailable", world(istiod(0, 0)), world(revision(REV))),
        (
            "MeshConfigInvalid",
            world(revision(REV), configs={f"istio-shared-configmap-{REV}": "accessLogFiel: /dev/stdout"}),
            world(revision(REV), configs={"istio-shared-configmap-gone": "accessLogFiel: /dev/stdout"}),
        ),
        (
            "RetiredRegistry",
            world(revision(REV), profile=replace(AKS, hub="gcr.io/istio-release")),
            world(revision(REV), profile=AKS),
        ),
        ("WebhookDangling", world(revision(REV), tag("prod", "gone")), world(revision(REV), tag("prod", REV))),
        ("CABundleEmpty", world(revision(REV, ca_bundle="")), world(revision(REV))),
        ("WebhookOverlap", world(revision("a"), revision("b"), tag("a", "b")), world(revision("a"), tag("c", "a"))),
        (
            "ValidatorNotFailClosed",
            world(istiod()[:-1], validator(REV, failure_policy="Ignore"), report(REV)),
            world(revision(REV)),
        ),
        ("ValidatorNotFailClosed", world(istiod()[:-1], report(REV)), world(revision(REV))),
        (
            "ValidatorNotFailClosed",
            world(istiod()[:-1], report(REV)),
            world(istiod()[:-1], report(REV), unknown={"validators": "forbidden"}),
        ),
        (
            "WebhookDangling",
            world(injector(REV)),
            world(injector(REV), unknown={"services": "not looked at"}),
        ),
        ("RootsDiffer", world(roots={"a": "x", "b": "y"}), world(roots={"a": "x", "b": "x"})),
        ("HealthUnknown", world(istiod(), report(REV, error="timed out")), world(revision(REV))),
        ("HealthUnknown", world(istiod()), world(istiod(0), report(REV, error="refused"))),
        ("HealthUnknown", world(istiod(), unknown={"istiods": "forbidden"}), world(istiod(), report(REV))),
        ("ProxyNotReady", world(revision(REV), sick("a")), world(revision(REV), pod("shop", "a", on=REV))),
        ("ProxyNotReady", world(revision(REV), sick("a")), world(revision(REV), sick("a", deleting=True))),
        ("ProxyNotReady", world(revision(REV), sick("a")), world(revision(REV), sick("a", phase="Succeeded"))),
        (
            "ProxyNotConnected",
            world(istiod(), report(REV, only=True), pod("shop", "a", on=REV)),
            world(revision(REV), pod("shop", "a", on=REV)),
        ),
        (
            "ProxyNotConnected",
            world(istiod(), report(REV, only=True), pod("shop", "a", on=REV)),
            world(istiod(), report(REV, error="timed out"), pod("shop", "a", on=REV)),
        ),
        (
            "ProxyNotConnected",
            world(revision("1-31"), pod("shop", "a", on=REV)),  # its revision was removed
            world(pod("shop", "a", on=REV)),  # no control plane is here: theirs is in another cluster
        ),
        (
            "ProxyNotSynced",
            world(istiod(), report(REV, Proxy("a.shop", synced=False, pending=("LDS",)))),
            world(istiod(), report(REV, Proxy("a.shop"))),
        ),
        (
            "ConfigRejected",
            world(istiod(), report(REV, Proxy("a.shop", synced=False, rejected=("LDS: no such filter",)))),
            world(istiod(), report(REV, Proxy("a.shop"), rejects=3)),
        ),
        ("InjectionFailures", world(istiod(), report(REV, injection_failures=2)), world(revision(REV))),
        (
            "ResourceLabelledForTag",
            world(revision(REV), tag("prod", REV), resource("VirtualService", "shop", "r", "prod")),
            world(revision(REV), tag("prod", REV), resource("VirtualService", "shop", "r", REV)),
        ),
        (
            "ResourceLabelledForTag",
            world(revision(REV), tag("prod", REV), resource("VirtualService", "shop", "r", "prod")),
            world(
                revision(REV), tag("prod", REV), resource("Gateway", "s", "g", "prod", "gateway.networking.k8s.io/v1")
            ),
        ),
        (
            "DefaultTagName",
            world(revision(REV, mesh=AKS.namespace), tag("default", REV, mesh=AKS.namespace), profile=AKS),
            world(revision(REV), tag("default", REV)),
        ),
    ],
)
def test_a_rule_bites_in_one_world_and_not_in_the_other(code: str, bites: Any, does_not: Any) -> None:
    assert code in {finding.code for finding in check(bites)}
    assert code not in {finding.code for finding in check(does_not)}


def test_a_healthy_mesh_has_no_findings_but_what_is_new() -> None:
    healthy = world(revision(REV), revision("asm-1-31"), tag("prod", REV), deployment("shop", "web", on=REV, pods=2))
    assert [finding.code for finding in check(healthy)] == ["NewPatch"]


def test_health_counts_what_all_replicas_of_a_revision_say() -> None:
    here = world(
        istiod(2, 2),
        report(REV, Proxy("a.shop"), Proxy("vm.shop"), only=True, rejects=1),
        report(REV, Proxy("b.shop", synced=False, rejected=("LDS: bad",)), only=True, rejects=2, injection_failures=1),
        [pod("shop", name, on=REV) for name in "abc"],
        sick("d"),
    )
    assert health(here) == (RevisionHealth(REV, 2, 2, 4, 3, 2, 1, 1, 3, 1),)


def test_a_proxy_that_two_replicas_answer_for_is_counted_once_and_by_the_answer_that_is_not_synced() -> None:
    late = Proxy("a.shop", synced=False, pending=("EDS",))
    here = world(
        istiod(2, 2), report(REV, late, only=True), report(REV, Proxy("a.shop"), only=True), pod("shop", "a", on=REV)
    )
    assert [(each.connected, each.synced) for each in health(here)] == [(1, 0)]


def test_what_is_not_known_is_none_with_the_reason_and_never_zero() -> None:
    (asked,) = health(world(istiod(), report(REV, error="timed out"), pod("shop", "a", on=REV)))
    assert (asked.proxies, asked.ready, asked.connected, asked.rejects) == (1, 1, None, None)
    assert "timed out" in asked.unknown[0]
    (listed,) = health(world(revision(REV), unknown={"pods": "forbidden"}))
    assert (listed.proxies, listed.connected) == (None, None)
    assert "forbidden" in listed.unknown[0]


def test_names_are_capped_and_the_cause_of_the_first_is_said() -> None:
    pods = [sick(f"web-{at}", reason="0/3 nodes are available") for at in range(7)]
    (finding,) = [each for each in check(world(revision(REV), pods)) if each.code == "ProxyNotReady"]
    assert finding.message == (
        f"not Ready with a proxy of {REV}: shop/web-0, shop/web-1, shop/web-2, shop/web-3, shop/web-4 and 2 more "
        "(0/3 nodes are available)"
    )


@pytest.mark.parametrize(
    ("sentence", "facts", "cause"),
    [
        ("the scheduler says why", {"reason": "0/3 nodes are available"}, "0/3 nodes are available"),
        (
            "a container waits for a reason",
            {"containers": (Container("app", ready=True), Container("istio-proxy", reason="ImagePullBackOff"))},
            "container istio-proxy: ImagePullBackOff",
        ),
        (
            "a native sidecar fails",
            {"init_containers": (Container("istio-proxy", reason="CrashLoopBackOff", message="no CA"),)},
            "container istio-proxy: CrashLoopBackOff: no CA",
        ),
        ("a container is just not ready", {"containers": (Container("app"),)}, "container app is not ready"),
        ("nothing is known but the phase", {"containers": (), "phase": "Pending"}, "phase Pending"),
    ],
)
def test_a_stuck_pod_says_its_cause(sentence: str, facts: dict[str, Any], cause: str) -> None:
    assert stuck(replace(sick("a"), **facts)) == cause, sentence
