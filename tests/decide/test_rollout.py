"""A patch on its way, told from what is seen, and the budget that it must not go below."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from pilotage.decide.budget import below_budget
from pilotage.decide.rollout import hindered, rolled
from pilotage.domain.actions import Apply, Plan, Wait
from pilotage.domain.catalog import BadPair, Catalog, Range, Release
from pilotage.domain.cluster import Container
from pilotage.domain.istio import ControlPlane
from pilotage.domain.mesh import Gateway, GatewayType, PatchState
from pilotage.domain.names import PROXY_CONTAINER, gateway_part
from pilotage.domain.objects import ref_of
from pilotage.domain.patching import Course
from pilotage.domain.state import Desired, Revision, Snapshot
from pilotage.domain.version import Version
from worlds import NOW, pod, world

PROFILE = world().profile
BEFORE, TO = Version(1, 30, 4), Version(1, 30, 5)
STATE = PatchState("1-30", str(BEFORE), str(TO), NOW)
REST = Plan("Settled")


def desired(course: Course, *objects: Any) -> Desired:
    return Desired(PROFILE, (Revision("1-30", TO),), {"1-30": objects}, course=course)


def seen(runs: Version = TO, **facts: Any) -> Snapshot:
    """All replicas are there; `crashes`: why one more of the patch is not available."""
    replicas, crashes = facts.pop("replicas", 2), facts.pop("crashes", "")
    counts = {"desired": replicas, "updated": replicas, "available": replicas - bool(crashes), "reason": crashes}
    plane = ControlPlane("1-30", PROFILE.namespace, "istiod-1-30", runs, **counts)
    return replace(world(), control_planes=(plane,), **facts)


def catalog_avoiding(version: str, why: str) -> Catalog:
    known = world().catalog
    bad = Release(Version.parse(version), avoid=why)
    minors = tuple(
        replace(each, patches=(bad,)) if each.minor == bad.version.in_minor else each for each in known.minors
    )
    return replace(known, minors=minors)


def test_a_patch_is_done_when_nothing_is_left_to_do_or_to_wait_for() -> None:
    made = rolled(REST, desired(Course(patch=STATE)), seen())
    assert (made.phase, made.patch) == ("Settled", None)


def test_a_patch_whose_pods_are_not_injected_is_not_done() -> None:
    made = rolled(REST, desired(Course(patch=STATE)), seen(unproven="no proxy"))
    assert (made.phase, made.patch) == ("Patching", STATE)
    assert made.waits == (Wait("injection by 1-30", "no proxy"),)


def test_a_patch_that_still_waits_when_its_time_is_up_has_failed() -> None:
    late = STATE.since + timedelta(minutes=10)
    made = rolled(Plan("Installing"), desired(Course(patch=STATE)), seen(now=late, crashes="it crashes"))
    assert made.phase == "PatchReturning"
    assert made.patch is not None
    assert made.patch.failed.endswith("Deployment istio-system/istiod-1-30: it crashes")


def test_a_patch_is_done_though_a_canary_beside_it_is_not_ready() -> None:
    late = STATE.since + timedelta(minutes=10)
    waiting = Plan("CanaryStarting", waits=(Wait("Deployment mesh/istiod-canary", "crashes"),))
    made = rolled(waiting, desired(Course(patch=STATE)), seen(now=late))
    assert (made.phase, made.waits, made.patch) == ("CanaryStarting", waiting.waits, None)


def test_a_patch_that_the_catalog_comes_to_say_is_harmful_goes_back_at_once() -> None:
    known = catalog_avoiding("1.30.5", "it crashes")
    made = rolled(
        Plan("Installing", now=(Apply({}, "of the patch"),)), desired(Course(patch=STATE)), seen(catalog=known)
    )
    assert (made.phase, made.now) == ("PatchReturning", ())
    assert made.patch is not None
    assert made.patch.failed == "the catalog says to avoid it: it crashes"


def test_a_patch_that_the_api_server_refuses_has_failed_when_its_time_is_up() -> None:
    refused, asked = "image is not allowed", desired(Course(patch=STATE))
    assert hindered(asked, seen(), refused) == STATE
    late = hindered(asked, seen(now=STATE.since + timedelta(minutes=10)), refused)
    assert late == replace(STATE, failed="not ready within 10m: image is not allowed")
    assert hindered(desired(Course()), seen(), refused) is None


def test_a_patch_that_nobody_was_there_to_make_has_all_its_time_yet() -> None:
    late = STATE.since + timedelta(hours=3)
    made = rolled(Plan("Installing"), desired(Course(patch=STATE)), seen(BEFORE, now=late))
    assert made.patch == replace(STATE, since=late)


def deployment(**strategy: Any) -> Any:
    return {"kind": "Deployment", "spec": {"strategy": {"rollingUpdate": strategy}}}


def budget(**spec: Any) -> Any:
    return {"kind": "PodDisruptionBudget", "spec": spec}


@pytest.mark.parametrize(
    ("replicas", "rollout", "kept", "below"),
    [
        (2, deployment(maxUnavailable="25%"), budget(minAvailable=1), False),
        (1, deployment(maxUnavailable="25%"), budget(minAvailable=1), False),
        (1, deployment(maxUnavailable=1), budget(minAvailable=1), True),
        (2, deployment(maxUnavailable="100%"), budget(minAvailable=1), True),
        (5, deployment(maxUnavailable="50%"), budget(minAvailable="60%"), False),
        (5, deployment(maxUnavailable="60%"), budget(minAvailable="60%"), True),
        (4, deployment(maxUnavailable="50%"), budget(maxUnavailable=1), True),
        (3, {"kind": "Deployment", "spec": {"strategy": {"type": "Recreate"}}}, budget(minAvailable=1), True),
        (3, {"kind": "Deployment", "spec": {}}, budget(minAvailable=3), False),
        (3, deployment(maxUnavailable="25%", maxSurge=0), budget(minAvailable=3), True),
        (0, deployment(maxUnavailable="25%"), budget(minAvailable=1), False),
    ],
)
def test_a_rollout_below_its_budget_is_told(replicas: int, rollout: Any, kept: Any, below: bool) -> None:
    asked = desired(Course(), rollout, kept)
    assert bool(below_budget(asked, seen(replicas=replicas), "1-30")) is below


@pytest.mark.parametrize(("unavailable", "below"), [(0, False), (1, False), (2, True)])
def test_a_gateway_has_its_budget_too_and_is_counted_as_it_is_scaled(unavailable: int, below: bool) -> None:
    meta = {"name": "door-1-30", "namespace": "edge"}
    rendered = {"apiVersion": "apps/v1", **deployment(maxUnavailable=unavailable), "metadata": meta}
    asked = replace(
        desired(Course()),
        gateways=(Gateway("door", GatewayType.EXTERNAL, "edge"),),
        gateway_objects={gateway_part("1-30", "door"): (rendered, budget(minAvailable=2))},
    )
    live = {ref_of(rendered): {"spec": {"replicas": 3}}}
    words = below_budget(asked, seen(live=live), "1-30")
    assert ("1 of 3 pods of gateway door" in words) is below


def test_a_patch_that_would_go_below_the_budget_does_not_begin() -> None:
    objects = (deployment(maxUnavailable=1), budget(minAvailable=2))
    made = rolled(REST, desired(Course(begins=STATE), *objects), seen(BEFORE))
    assert (made.phase, made.patch) == ("Settled", None)
    assert [finding.code for finding in made.findings] == ["PatchHeld"]


CLASH = BadPair(Range(None, BEFORE), Range(TO), "they clash")


@pytest.mark.parametrize(
    ("proxy", "pairs", "held"),
    [("1.30.4", (CLASH,), False), ("1.30.3", (CLASH,), True), ("1.30.3", (), False)],
)
def test_a_patch_waits_for_proxies_that_did_not_follow_the_last_one(
    proxy: str, pairs: tuple[BadPair, ...], held: bool
) -> None:
    old = pod("shop", "web", on="1-30", containers=(Container(PROXY_CONTAINER, f"docker.io/istio/proxyv2:{proxy}"),))
    snapshot = seen(BEFORE, pods=(old,), catalog=replace(world().catalog, bad_pairs=pairs))
    made = rolled(REST, desired(Course(begins=STATE)), snapshot)
    assert [finding.code for finding in made.findings] == (["PatchHeld"] if held else [])
    assert (made.patch is None) is held


def test_a_patch_waits_where_proxies_that_matter_cannot_be_seen() -> None:
    known = replace(world().catalog, bad_pairs=(CLASH,))
    made = rolled(REST, desired(Course(begins=STATE)), seen(BEFORE, catalog=known, unknown={"pods": "forbidden"}))
    assert made.patch is None
    assert made.findings[0].message.endswith("which proxies run cannot be seen: forbidden")


def test_a_patch_begins_only_where_nothing_else_is_to_be_done() -> None:
    made = rolled(REST, desired(Course(begins=STATE)), seen(BEFORE))
    assert made.patch == STATE
    assert made.left(seen().now) < 1  # an operator at rest would sleep for minutes
    busy = Plan("Settled", waits=(Wait("Deployment mesh/istiod", "crashes"),))
    assert rolled(busy, desired(Course(begins=STATE)), seen(BEFORE)).patch is None
