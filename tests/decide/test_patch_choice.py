"""Which patch is due, why one is held, and which version a revision keeps."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from pilotage.decide.patches import Facts, course, due, newest
from pilotage.decide.versions import versions_of
from pilotage.domain.catalog import BadPair, Range, Release
from pilotage.domain.maintenance import Daily, MaintenanceWindow, Patches, Schedule
from pilotage.domain.mesh import Mode, Owner, PatchState, Revision, ServiceMesh, ServiceMeshSpec
from pilotage.domain.version import Minor, Version
from pilotage.edge.catalog import packaged_catalog

NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)
RUNS = Version(1, 30, 3)


def released(patch: int, days: int | None = 30, **more: Any) -> Release:
    """`days` ago; None where nobody knows."""
    day = None if days is None else NOW.date() - timedelta(days=days)
    return Release(Version(1, 30, patch), day, **more)


def facts(*patches: Release, bad: tuple[BadPair, ...] = (), entry: Revision | None = None, **more: Any) -> Facts:
    known = packaged_catalog()
    ordered = tuple(sorted(patches, key=lambda each: each.version, reverse=True))
    minors = tuple(replace(each, patches=ordered) if each.minor == Minor(1, 30) else each for each in known.minors)
    status = {name: more.pop(name) for name in ("patch", "annotations", "versions") if name in more}
    spec = ServiceMeshSpec([entry or Revision("1-30")], **more)
    mesh = ServiceMesh(spec, **{"versions": {"1-30": str(RUNS)}, **status})
    return Facts(mesh, {}, replace(known, minors=minors, bad_pairs=bad), NOW)


CLASH = BadPair(Range(None, Version(1, 30, 4)), Range(Version(1, 30, 5)), "they clash")


@pytest.mark.parametrize(
    ("world", "target"),
    [
        (facts(released(3)), None),
        (facts(released(3), released(4)), "1.30.4"),
        (facts(released(3), released(4), released(5)), "1.30.5"),
        (facts(released(4, days=7)), "1.30.4"),
        (facts(released(4, days=6)), None),
        (facts(released(4, days=6), patches=Patches(min_age="3d")), "1.30.4"),
        (facts(released(4, days=20), released(5, days=1)), "1.30.4"),
        (facts(released(4, days=None)), None),
        (facts(released(4, days=-1, cvss=9.8)), None),
        (facts(released(4, days=0, cvss=8.0)), "1.30.4"),
        (facts(released(4, days=None, cvss=8.0)), "1.30.4"),
        (facts(released(4, days=0, cvss=7.9)), None),
        (facts(released(4), released(5, avoid="it crashes")), "1.30.4"),
        (facts(released(4), released(5), bad=(CLASH,)), "1.30.4"),
        (
            facts(released(4, days=5, cvss=9.0, avoid="it crashes"), released(5, days=1)),
            "1.30.5",
        ),  # it mends what 4 did
        (facts(released(4, days=5, cvss=9.0), released(5, days=1)), "1.30.4"),
        (facts(released(4, days=5, cvss=7.0, avoid="it crashes"), released(5, days=1)), None),
        (facts(released(1), released(2)), None),
    ],
)
def test_the_newest_patch_that_is_safe_and_old_enough_is_due(world: Facts, target: str | None) -> None:
    found = newest(world, RUNS)
    assert (str(found) if found else None) == target


@pytest.mark.parametrize(
    "entry",
    [
        Revision("1-30", version="1.30.3"),
        Revision("1-30-3"),
        Revision("1-30", owner=Owner.EXTERNAL),
        Revision("1-30", values={"global": {"tag": "1.30.3-fips"}}),
        Revision("1-30", values={"pilot": {"image": "example/pilot:1"}}),
    ],
)
def test_a_revision_whose_version_somebody_else_says_takes_no_patches(entry: Revision) -> None:
    world = facts(released(3), released(4), entry=entry, versions={entry.name: str(RUNS)})
    assert list(due(world)) == []


def test_a_patch_that_works_with_no_proxy_of_today_is_held_with_the_way_to_it() -> None:
    world = facts(released(3), released(5), released(6, avoid="it crashes"), bad=(CLASH,))
    made = course(world)
    (finding,) = made.findings
    assert (finding.code, made.begins) == ("PatchHeld", None)
    assert finding.message.endswith("1.30.5 is due, and held: it does not work with proxies of 1.30.3: they clash")
    assert finding.fix == "pilotage enable --revision 1-30 --version 1.30.5, and pilotage restart at once"


def window(start: str) -> MaintenanceWindow:
    return MaintenanceWindow("default", Schedule(daily=Daily()), 4, start)


def test_a_window_with_a_zone_that_does_not_exist_holds_patches_and_nothing_else() -> None:
    broken = replace(window("12:00"), time_zone="Europe/Atlantis")
    made = course(facts(released(4), maintenance_windows=[broken]))
    (finding,) = made.findings
    assert (finding.code, made.begins) == ("PatchHeld", None)
    assert "Europe/Atlantis is not a time zone" in finding.message


def test_a_newer_catalog_moves_no_version_and_a_patch_under_way_does() -> None:
    world = facts(released(3), released(4))
    assert versions_of(world.mesh, {}, world.catalog) == {"1-30": RUNS}
    rolling = facts(released(3), released(4), patch=PatchState("1-30", "1.30.3", "1.30.4", NOW))
    assert versions_of(rolling.mesh, {}, rolling.catalog) == {"1-30": Version(1, 30, 4)}


def test_a_patch_that_failed_leads_back_and_no_further() -> None:
    failed = PatchState("1-30", "1.30.3", "1.30.4", NOW, "not ready")
    world = facts(released(3), released(4), patch=failed, versions={"1-30": "1.30.4"})
    assert versions_of(world.mesh, {}, world.catalog) == {"1-30": RUNS}
    made = course(facts(released(3), released(4), patch=failed))
    assert made.begins is None
    assert [finding.code for finding in made.findings] == ["PatchFailed", "PatchHeld"]


def test_without_a_status_what_runs_is_kept_and_without_both_the_newest_is_installed() -> None:
    world = facts(released(3), released(4), versions={})
    assert versions_of(world.mesh, {"1-30": RUNS}, world.catalog) == {"1-30": RUNS}
    assert versions_of(world.mesh, {}, world.catalog) == {"1-30": Version(1, 30, 4)}


def test_a_version_of_another_minor_than_the_name_says_is_nobodys_past() -> None:
    world = facts(released(3), versions={"1-30": "1.29.8"})
    assert versions_of(world.mesh, {}, world.catalog) == {"1-30": RUNS}


def test_a_disabled_mesh_has_no_patch_to_wait_for() -> None:
    assert course(facts(released(4), mode=Mode.DISABLED)).findings == ()
