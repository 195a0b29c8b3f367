"""The guide's two rules, as rows that read: from this revision, on this Kubernetes, on this day, these are offered."""

from datetime import UTC, date, datetime
from itertools import product

import pytest

from pilotage.decide.catalog import parse_catalog
from pilotage.decide.eligibility import UpgradeProfile, check_target, get_revisions, get_upgrades
from pilotage.decide.support import Support, installed_revisions, support_findings
from pilotage.domain.catalog import Catalog
from pilotage.domain.istio import ControlPlane
from pilotage.domain.mesh import Owner, ProfileName, ServiceMesh, ServiceMeshSpec
from pilotage.domain.mesh import Revision as Entry
from pilotage.domain.profile import PROFILES
from pilotage.domain.state import Revision
from pilotage.domain.version import Version
from pilotage.edge.catalog import packaged_catalog
from worlds import world

REAL = packaged_catalog()
AKS = PROFILES[ProfileName.AKS]
EARLY, LATE = "2026-09-01", "2026-11-22"  # 1.29 to 1.31 in support; 1.30 and 1.31 only


def support(kubernetes: str, today: str, step: int = 1, catalog: Catalog = REAL) -> Support:
    return Support(catalog, AKS, Version.parse(kubernetes), date.fromisoformat(today), step)


def on(version: str, name: str = "") -> Revision:
    parsed = Version.parse(version)
    return Revision(name or AKS.revision_of(parsed.in_minor), parsed)


def row(version: str, kubernetes: str, today: str, step: int = 1) -> UpgradeProfile:
    (found,) = get_upgrades([on(version)], support(kubernetes, today, step))
    return found


def messages(profile: UpgradeProfile) -> str:
    return "\n".join(reason.message for reason in profile.reasons)


@pytest.mark.parametrize(
    ("version", "kubernetes", "today", "step", "offered"),
    [
        # a supported revision moves one minor at a time
        ("1.30.5", "1.36", LATE, 1, ["asm-1-31"]),
        ("1.29.8", "1.33", EARLY, 1, ["asm-1-30"]),
        ("1.31.1", "1.36", LATE, 1, []),  # the newest there is
        ("1.30.0", "1.31", EARLY, 1, []),  # Kubernetes too old for the next
        ("1.29.8", "1.37", EARLY, 1, []),  # Kubernetes too new for the next; the one after would be two minors
        # the policy allows two
        ("1.29.8", "1.33", EARLY, 2, ["asm-1-30", "asm-1-31"]),
        ("1.29.8", "1.37", EARLY, 2, ["asm-1-31"]),
        ("1.29.8", "1.31", EARLY, 2, []),
        # an unsupported one goes to the lowest supported that fits this Kubernetes
        ("1.28.4", "1.33", EARLY, 1, ["asm-1-29"]),
        ("1.25.5", "1.33", EARLY, 1, ["asm-1-29"]),  # four minors at once
        ("1.25.5", "1.36", EARLY, 1, ["asm-1-30"]),  # 1.29 does not run on 1.36
        ("1.25.5", "1.37", EARLY, 1, ["asm-1-31"]),
        ("1.25.5", "1.33", EARLY, 2, ["asm-1-29"]),  # whatever the policy
        ("1.21.0", "1.33", EARLY, 1, ["asm-1-29"]),  # older than the catalog
        ("1.25.5", "1.33", LATE, 1, ["asm-1-30"]),
        # both unsupported: the cluster goes first
        ("1.25.5", "1.29", EARLY, 1, []),
        ("1.27.9", "1.31", LATE, 1, []),
        # no revision runs on this Kubernetes yet
        ("1.25.5", "1.40", EARLY, 1, []),
        # the last day of support, and the day after
        ("1.29.8", "1.31", "2026-10-12", 1, []),
        ("1.28.4", "1.31", "2026-10-12", 1, ["asm-1-29"]),
        ("1.28.4", "1.31", "2026-10-13", 1, []),
        ("1.28.4", "1.33", "2026-10-13", 1, ["asm-1-30"]),
        # a month alone ends on its last day
        ("1.30.5", "1.36", "2026-11-30", 2, ["asm-1-31"]),
        ("1.30.5", "1.36", "2026-12-01", 1, ["asm-1-31"]),
        ("1.31.1", "1.36", "2027-03-01", 1, []),
        # a minor is offered from the day of its release
        ("1.30.5", "1.36", "2026-08-30", 1, []),
        ("1.30.5", "1.36", "2026-08-31", 1, ["asm-1-31"]),
        # newer than the catalog
        ("1.40.0", "1.36", LATE, 1, []),
    ],
)
def test_these_revisions_are_offered(version: str, kubernetes: str, today: str, step: int, offered: list[str]) -> None:
    assert list(row(version, kubernetes, today, step).upgrades) == offered


@pytest.mark.parametrize(
    ("version", "kubernetes", "today", "step", "words"),
    [
        ("1.30.0", "1.31", EARLY, 1, "asm-1-31 needs Kubernetes 1.32 to 1.37; this cluster runs 1.31"),
        ("1.29.8", "1.33", EARLY, 1, "asm-1-31 comes after asm-1-30: a supported revision moves one minor at a time"),
        ("1.28.4", "1.33", "2026-06-01", 2, "asm-1-31 is not released before 2026-08-31"),
        ("1.28.4", "1.33", "2026-06-01", 2, "asm-1-31 comes after asm-1-29: a supported revision moves at most two"),
        ("1.25.5", "1.33", EARLY, 1, "it goes to asm-1-29, the lowest supported revision for Kubernetes 1.33"),
        ("1.25.5", "1.33", EARLY, 1, "passing over 1.26, 1.27, 1.28; then one minor at a time"),
        ("1.25.5", "1.33", EARLY, 1, "asm-1-28 is out of support since the end of 2026-07-01"),
        ("1.25.5", "1.33", EARLY, 1, "asm-1-30 comes after asm-1-29, the lowest supported revision for this cluster"),
        ("1.25.5", "1.29", EARLY, 1, "upgrade the cluster to Kubernetes 1.31 first"),
        ("1.25.5", "1.29", EARLY, 1, "Kubernetes 1.29 is older than any supported revision runs on"),
        ("1.25.5", "1.40", EARLY, 1, "No supported revision runs on Kubernetes 1.40 yet"),
        ("1.31.1", "1.36", "2027-03-01", 1, "The catalog holds no newer supported revision"),
        ("1.40.0", "1.36", LATE, 1, "asm-1-40 runs Istio 1.40, newer than all that the catalog knows"),
    ],
)
def test_it_says_why(version: str, kubernetes: str, today: str, step: int, words: str) -> None:
    assert words in messages(row(version, kubernetes, today, step))


@pytest.mark.parametrize(
    ("version", "kubernetes", "fix"),
    [
        ("1.30.0", "1.31", "upgrade the cluster to Kubernetes 1.32 first"),
        ("1.29.8", "1.37", "take one that fits: asm-1-31"),
        ("1.29.8", "1.39", "no revision fits yet: wait for one"),
    ],
)
def test_an_incompatible_revision_names_the_way_out(version: str, kubernetes: str, fix: str) -> None:
    fixes = [
        reason.fix for reason in row(version, kubernetes, EARLY).reasons if reason.code == "KubernetesIncompatible"
    ]
    assert fixes[0] == fix


@pytest.mark.parametrize(
    ("version", "kubernetes", "today", "step"),
    list(
        product(
            ["1.21.0", "1.25.5", "1.28.0", "1.29.8", "1.30.5", "1.31.1"],
            ["1.29", "1.31", "1.33", "1.36", "1.37", "1.39"],
            ["2026-06-01", EARLY, LATE, "2027-06-01"],
            [1, 2],
        )
    ),
)
def test_every_newer_revision_is_offered_or_explained_and_start_agrees(
    version: str, kubernetes: str, today: str, step: int
) -> None:
    facts = support(kubernetes, today, step)
    installed = on(version)
    (profile,) = get_upgrades([installed], facts)
    explained = {reason.subject for reason in profile.reasons}
    for release in REAL.minors:
        name = AKS.revision_of(release.minor)
        blocking = [
            finding
            for finding in check_target([installed], Revision(name, release.newest), facts)
            if finding.rule.blocks
        ]
        assert (name in profile.upgrades) == (not blocking)
        if release.minor > installed.version.in_minor:
            assert (name in profile.upgrades) != (name in explained)


def test_an_end_of_life_that_is_today_still_counts_as_supported() -> None:
    assert row("1.29.8", "1.33", "2026-10-12").supported
    assert not row("1.29.8", "1.33", "2026-10-13").supported


def test_during_a_canary_both_rows_answer_and_say_that_it_is_there() -> None:
    stable, canary = get_upgrades([on("1.30.5"), on("1.29.8")], support("1.33", EARLY))
    assert (stable.revision, stable.upgrades) == ("asm-1-29", ("asm-1-30",))
    assert (canary.revision, canary.upgrades) == ("asm-1-30", ("asm-1-31",))
    for profile in (stable, canary):
        assert profile.reasons[0].code == "CanaryInProgress"


def test_without_a_mesh_there_is_nothing_to_upgrade() -> None:
    assert get_upgrades([], support("1.33", EARLY)) == ()


def test_the_json_is_that_of_az() -> None:
    assert row("1.30.5", "1.36", LATE).as_aks() == {
        "compatibleWith": [{"name": "kubernetes", "versions": ["1.32", "1.33", "1.34", "1.35", "1.36"]}],
        "revision": "asm-1-30",
        "upgrades": ["asm-1-31"],
    }
    assert row("1.31.1", "1.36", LATE).as_aks()["upgrades"] is None


def test_get_revisions_lists_what_is_in_support_whatever_the_cluster() -> None:
    rows = get_revisions(support("1.20", EARLY))
    assert [(found.revision, found.upgrades) for found in rows] == [
        ("asm-1-29", ("asm-1-30",)),
        ("asm-1-30", ("asm-1-31",)),
        ("asm-1-31", ()),
    ]
    assert get_revisions(support("1.20", EARLY, 2))[0].upgrades == ("asm-1-30", "asm-1-31")


def minors(*numbers: int) -> Catalog:
    entries = "".join(
        f"\n- {{minor: 1.{number}, released: 2026-01-01, endOfLife: 2026-12, kubernetes: [1.30],"
        f" patches: [{{version: 1.{number}.0}}]}}"
        for number in numbers
    )
    return parse_catalog(f"minors:{entries}\ncompleteUntil: 2026-06-01", "a test")


@pytest.mark.parametrize(
    ("installed", "known", "offered"),
    [
        ("1.9.0", (10, 100, 9, 99), ["asm-1-10"]),
        ("1.10.0", (10, 11, 9, 100), ["asm-1-11"]),
        ("1.99.0", (100, 99, 10), ["asm-1-100"]),
        ("1.100.0", (99, 9, 10, 100), []),
        ("1.9.0", (9, 11), []),  # the next minor is not in the catalog: nothing is skipped
        ("1.8.0", (10, 9, 100), ["asm-1-9"]),
    ],
)
def test_minors_are_numbers_not_text(installed: str, known: tuple[int, ...], offered: list[str]) -> None:
    (profile,) = get_upgrades([on(installed)], support("1.30", "2026-06-01", 1, minors(*known)))
    assert list(profile.upgrades) == offered


@pytest.mark.parametrize(
    ("installed", "target", "codes"),
    [
        (["1.29.8"], on("1.30.5"), []),
        (["1.29.8"], on("1.31.1"), ["TargetNotOffered"]),
        (["1.29.8"], on("1.28.4"), ["TargetNotOffered", "TargetNotOffered"]),  # older, and out of support
        (["1.29.8"], on("1.29.8"), ["TargetNotOffered"]),  # it is installed
        (["1.29.8"], on("1.29.9", "canary"), ["TargetNotOffered"]),  # the same minor
        (["1.29.8"], on("1.30.5", "canary"), []),  # any name will do
        (["1.29.8"], on("1.100.0"), ["UnknownRevision"]),
        (["1.29.8"], on("1.9.0"), ["UnknownRevision"]),
        (["1.29.8", "1.30.5"], on("1.30.5"), []),  # the canary there: resumed
        (["1.29.8", "1.30.5"], on("1.29.8"), ["TargetNotOffered"]),  # the stable one
        (["1.29.8", "1.30.5"], on("1.31.1"), ["CanaryInProgress"]),
        ([], on("1.30.5"), []),
        ([], on("1.28.4"), ["Unsupported"]),
        ([], on("1.25.5"), ["KubernetesIncompatible", "Unsupported"]),
        ([], on("1.29.1"), ["PatchToAvoid"]),
    ],
)
def test_a_target_is_held_against_every_rule(installed: list[str], target: Revision, codes: list[str]) -> None:
    found = check_target([on(version) for version in installed], target, support("1.33", EARLY))
    assert [finding.code for finding in found] == codes


def test_any_istio_counts_without_a_resource() -> None:
    snapshot = world(
        ControlPlane("canary", "istio-system", "istiod-canary", Version(1, 30, 5)),
        ControlPlane("default", "istio-system", "istiod", Version(1, 29, 8)),
        ControlPlane("1-28", "istio-system", "istiod-1-28"),
        ControlPlane("mystery", "istio-system", "istiod-mystery"),
        catalog=REAL,
    )
    named = [(revision.name, str(revision.version)) for revision in installed_revisions(snapshot)]
    assert named == [("1-28", "1.28.10"), ("default", "1.29.8"), ("canary", "1.30.5")]
    found = {finding.subject: finding.code for finding in support_findings(snapshot)}
    assert found["mystery"] == "UnknownRevision"
    assert found["default"] == "Unsupported"
    assert found["canary"] == "SupportEnding"


def test_with_a_resource_its_revisions_count_and_those_of_ours_still_there() -> None:
    spec = ServiceMeshSpec([Entry("asm-1-30"), Entry("ext", "1.31.0", Owner.EXTERNAL)])
    snapshot = world(
        ControlPlane("asm-1-30", "aks-istio-system", "istiod-asm-1-30", Version(1, 30, 2), managed=True),
        ControlPlane("asm-1-29", "aks-istio-system", "istiod-asm-1-29", Version(1, 29, 8), managed=True),
        ControlPlane("default", "istio-system", "istiod", Version(1, 20, 0)),
        catalog=REAL,
        mesh=ServiceMesh(spec),
    )
    assert installed_revisions(snapshot) == (
        Revision("asm-1-29", Version(1, 29, 8)),
        Revision("asm-1-30", Version(1, 30, 2)),
        Revision("ext", Version(1, 31, 0), managed=False),
    )


@pytest.mark.parametrize(
    ("version", "today", "codes"),
    [
        ("1.30.5", "2026-09-30", []),
        ("1.30.5", "2026-10-01", ["SupportEnding"]),  # sixty days before
        ("1.30.5", "2026-11-30", ["SupportEnding"]),
        ("1.30.5", "2026-12-01", ["Unsupported"]),
        ("1.29.1", "2026-04-01", ["PatchToAvoid"]),
    ],
)
def test_the_age_of_what_is_installed_is_said(version: str, today: str, codes: list[str]) -> None:
    plane = ControlPlane("istio", "istio-system", "istiod", Version.parse(version))
    now = datetime.fromisoformat(today).replace(tzinfo=UTC)
    found = support_findings(world(plane, catalog=REAL, now=now))
    assert [finding.code for finding in found] == codes
