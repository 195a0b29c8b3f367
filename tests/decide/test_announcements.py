"""What is announced of releases: a row is a mesh on a day, and what is said about it."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from pilotage.decide.announcements import ANNOUNCED, announcements
from pilotage.decide.badpairs import bad_pairs
from pilotage.decide.registries import retired_registries
from pilotage.decide.status import halted_status, status_of
from pilotage.decide.transitions import transitions
from pilotage.domain.actions import Plan
from pilotage.domain.cluster import Container
from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding, Severity
from pilotage.domain.istio import ControlPlane, Proxy
from pilotage.domain.mesh import Gateway, GatewayType, Revision, ServiceMesh, ServiceMeshSpec
from pilotage.domain.names import PROXY_CONTAINER
from pilotage.domain.objects import Obj
from pilotage.domain.profile import PROFILES
from pilotage.domain.state import Desired, Snapshot
from pilotage.domain.state import Revision as Installed
from pilotage.domain.version import Version
from pilotage.edge.catalog import packaged_catalog
from worlds import NOW, pod, report, world

REAL = packaged_catalog()


def istiod(version: str, name: str = "canary", image: str = "") -> ControlPlane:
    return ControlPlane(name, "istio-system", f"istiod-{name}", Version.parse(version), image=image)


def on(day: str, *planes: ControlPlane) -> Snapshot:
    """Which Kubernetes runs is not known, as where the loop makes conditions of it."""
    now = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC)
    return world(*planes, catalog=REAL, now=now, kubernetes=Version(0, 0))


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


@pytest.mark.parametrize(
    ("version", "day", "announced"),
    [
        ("1.31.1", "2026-10-20", []),
        ("1.31.0", "2026-10-20", ["NewPatch"]),
        ("1.31.0", "2026-09-20", []),  # its patch is of the next day
        ("1.30.5", "2026-08-30", []),  # the minor is of the next day
        ("1.30.5", "2026-09-21", ["NewMinor"]),
        ("1.30.2", "2026-10-20", ["NewPatch", "NewMinor", "SupportEnding"]),
        ("1.30.5", "2026-12-01", ["NewMinor", "Unsupported"]),
        ("1.29.0", "2026-03-10", []),  # the only newer patch is to be avoided
        ("1.29.0", "2026-04-13", ["NewPatch"]),
        ("1.27.9-6", "2026-04-07", ["NewMinor", "SupportEnding"]),  # a rebuild is not older than what it was made of
        ("1.31.1", "2026-12-30", ["SupportEnding"]),
        ("1.40.0", "2026-10-20", []),
    ],
)
def test_what_is_new_is_announced_on_its_day(version: str, day: str, announced: list[str]) -> None:
    assert codes(announcements(on(day, istiod(version)))) == announced


@pytest.mark.parametrize(
    ("day", "severity"),
    [("2026-09-30", None), ("2026-10-01", "Info"), ("2026-11-15", "Info"), ("2026-11-16", "Warning")],
)
def test_an_end_of_support_is_announced_60_days_ahead_and_warned_of_14_days_ahead(
    day: str, severity: str | None
) -> None:
    found = [each for each in announcements(on(day, istiod("1.30.5"))) if each.code == "SupportEnding"]
    assert [str(each.severity) for each in found] == ([severity] if severity else [])


def test_a_patch_says_what_all_that_is_skipped_would_have_fixed() -> None:
    (patch, *_) = announcements(on("2026-10-20", istiod("1.30.1")))
    assert patch.message == (
        "canary runs 1.30.1; 1.30.5 is out since 2026-09-21 and fixes "
        "ISTIO-SECURITY-2026-006 and 1 more, 29 CVEs, highest CVSS 7.5"
    )
    (bugs, *_) = announcements(on("2026-10-20", istiod("1.30.4")))
    assert bugs.message == "canary runs 1.30.4; 1.30.5 is out since 2026-09-21 and fixes bugs"


def test_a_minor_says_which_kubernetes_it_needs_and_is_announced_once_for_the_newest_revision() -> None:
    found = announcements(on("2026-09-21", istiod("1.29.8", "old"), istiod("1.30.5", "new")))
    minors = [each for each in found if each.code == "NewMinor"]
    assert [each.subject for each in minors] == ["new"]
    assert minors[0].message == "Istio 1.31 (1-31) is out since 2026-08-31, for Kubernetes 1.32 to 1.37"


def test_no_word_changes_with_the_day() -> None:
    one, other = (announcements(on(day, istiod("1.30.2"))) for day in ("2026-10-20", "2026-10-21"))
    assert one == other


def test_without_a_mesh_nothing_is_new() -> None:
    assert announcements(on("2026-10-20")) == ()


PROXY_129 = Container(PROXY_CONTAINER, "docker.io/istio/proxyv2:1.29.1-distroless")


@pytest.mark.parametrize(
    ("istiod_version", "proxies", "bad"),
    [
        ("1.29.3", 1, True),
        ("1.29.1", 1, False),
        ("1.29.3", 0, False),
    ],
)
def test_a_bad_pair_is_a_proxy_that_stayed_behind_its_istiod(istiod_version: str, proxies: int, bad: bool) -> None:
    old = [pod("shop", f"web-{at}", on="canary", containers=(PROXY_129,)) for at in range(proxies)]
    snapshot = world(istiod(istiod_version), old, catalog=REAL)
    assert codes(tuple(bad_pairs(snapshot))) == (["BadPair"] if bad else [])


def test_a_proxy_outside_this_cluster_counts_by_what_istiod_says() -> None:
    snapshot = world(istiod("1.29.3"), report("canary", Proxy("vm.shop", version="1.29.0"), only=True), catalog=REAL)
    (found,) = bad_pairs(snapshot)
    assert "vm.shop" in found.message
    assert "istio#60486" in found.message


def test_a_home_that_closes_is_found_in_values_too() -> None:
    values = {"global": {"hub": "gcr.io/istio-release"}}
    spec = ServiceMeshSpec([Revision("asm-1-30", values={"image": "registry.istio.io/release/pilot:1"})], values=values)
    found = list(retired_registries(world(catalog=REAL, mesh=ServiceMesh(spec))))
    assert [each.subject for each in found] == ["spec.values.global.hub", "spec.revisions[asm-1-30].values.image"]
    assert all("docker.io/istio" in each.fix for each in found)


def test_a_home_that_closes_is_found_in_gateways_and_in_whatever_pods_run() -> None:
    gateway = Gateway("door", GatewayType.EXTERNAL, values={"image": {"repository": "gcr.io/istio-release/proxyv2"}})
    spec = ServiceMeshSpec([Revision("asm-1-30")], gateways=[gateway])
    init = pod(
        "shop", "web", containers=(), init_containers=(Container("istio-init", "gcr.io/istio-release/proxyv2:1.30.5"),)
    )
    node = pod("kube-system", "cni", containers=(Container("install-cni", "registry.istio.io/release/install-cni:1"),))
    own = pod("istio-system", "istiod", containers=(Container("discovery", "gcr.io/istio-release/pilot:1.30.5"),))
    found = list(retired_registries(world(init, node, own, catalog=REAL, mesh=ServiceMesh(spec))))
    setting, *seen = found
    assert setting.subject == "spec.gateways[door].values.image.repository"
    assert [each.message.partition(":")[0] for each in seen] == [
        "1 pod (the first is shop/web) runs images of gcr.io/istio-release",
        "1 pod (the first is kube-system/cni) runs images of registry.istio.io",
    ]


def test_a_catalog_without_closing_homes_finds_none() -> None:
    plane = istiod("1.30.5", image="gcr.io/istio-release/pilot:1.30.5")
    assert codes(tuple(retired_registries(world(plane, catalog=REAL)))) == ["RetiredRegistry"]
    assert codes(tuple(retired_registries(world(plane, catalog=replace(REAL, closing=()))))) == []


def test_news_never_block_and_never_fail_a_check_on_errors() -> None:
    found = announcements(on("2026-12-01", istiod("1.30.2")))
    assert all(each.severity is not Severity.ERROR and not each.rule.blocks for each in found)


DESIRED = Desired(PROFILES["istio"], (Installed("canary", Version(1, 30, 2)),))  # type: ignore[index]


def days(*seen: tuple[str, str]) -> list[Obj]:
    """The status on one day after another, each with the version of istiod on it."""
    said: list[Obj] = [{}]
    for day, version in seen:
        said.append(status_of(Plan("Settled"), DESIRED, on(day, istiod(version)), said[-1]))
    return said


def holds(status: Obj) -> dict[str, str]:
    """Reason of each announcement that holds."""
    news = (each for each in status["conditions"] if each["type"] in ANNOUNCED)
    return {each["type"]: each["reason"] for each in news if each["status"] == "True"}


def test_an_announcement_is_a_condition_that_makes_the_mesh_no_less_ready() -> None:
    *_, status = days(("2026-10-20", "1.30.2"))
    assert holds(status) == {"NewPatch": "NewPatch", "NewMinor": "NewMinor", "SupportEnding": "SupportEnding"}
    assert [each["type"] for each in status["conditions"] if each["status"] == "True"][0] == "Ready"
    assert holds(days(("2026-11-20", "1.30.5"))[-1]) == {"NewMinor": "NewMinor", "SupportEnding": "SupportEndingSoon"}
    assert holds(days(("2026-12-20", "1.30.5"))[-1]) == {"NewMinor": "NewMinor", "Unsupported": "Unsupported"}
    assert holds(days(("2026-10-20", "1.31.1"))[-1]) == {}


@pytest.mark.parametrize(
    ("before", "after", "events"),
    [
        (None, ("2026-10-20", "1.31.0"), [("NewPatch", False)]),
        (("2026-10-20", "1.30.5"), ("2026-10-21", "1.30.5"), []),  # a day more is no news
        (("2026-08-26", "1.30.3"), ("2026-08-27", "1.30.3"), [("NewPatch", False)]),
        (("2026-08-27", "1.30.3"), ("2026-09-21", "1.30.3"), [("NewPatch", False), ("NewMinor", False)]),  # one more
        (("2026-10-20", "1.30.4"), ("2026-10-20", "1.30.5"), []),  # taken: nothing is new
        (("2026-09-30", "1.30.5"), ("2026-10-01", "1.30.5"), [("SupportEnding", False)]),
        (("2026-11-15", "1.30.5"), ("2026-11-16", "1.30.5"), [("SupportEnding", True)]),
        (("2026-11-30", "1.30.5"), ("2026-12-01", "1.30.5"), [("Unsupported", True)]),
    ],
)
def test_what_is_new_is_an_event_once(
    before: tuple[str, str] | None, after: tuple[str, str], events: list[tuple[str, bool]]
) -> None:
    *_, previous, status = days(*([before] if before else []), after)
    told = transitions(previous, status)
    assert [(event.reason, event.warning) for event in told if event.reason in ANNOUNCED] == events


def test_a_refusal_keeps_what_was_announced() -> None:
    *_, before = days(("2026-10-20", "1.30.2"))
    after = halted_status(Refused("no such revision"), 2, NOW, before)
    assert holds(after) == holds(before)
    assert not [event for event in transitions(before, after) if event.reason in ANNOUNCED]


def test_a_mesh_that_is_disabled_is_told_nothing() -> None:
    status = status_of(Plan("Disabled"), replace(DESIRED, disabled=True), on("2026-10-20", istiod("1.30.2")), {})
    assert holds(status) == {}
