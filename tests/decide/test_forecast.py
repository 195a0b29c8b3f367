"""What the next openings of a window would start: a row is what is known today, and what each opening is told to do."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from pilotage.decide.forecast import not_taken, starts
from pilotage.decide.patches import Facts
from pilotage.decide.windows import parse_window
from pilotage.domain.catalog import Release
from pilotage.domain.maintenance import Daily, MaintenanceWindow, Patches, Schedule, Weekday, Weekly
from pilotage.domain.mesh import Owner, ProxyRestarts, RestartMode, Revision, ServiceMesh, ServiceMeshSpec
from pilotage.domain.version import Minor, Version
from pilotage.edge.catalog import packaged_catalog

NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)  # a Tuesday
SATURDAY = MaintenanceWindow("default", Schedule(weekly=Weekly(Weekday.SATURDAY)), 8, "22:00")  # until Sunday, 06:00
DAILY = MaintenanceWindow("default", Schedule(daily=Daily()), 4, "10:00")  # it is open


def released(patch: int, day: str, **more: Any) -> Release:
    return Release(Version(1, 30, patch), date.fromisoformat(day), **more)


def facts(*patches: Release, entry: Revision | None = None, runs: str = "1.30.3", **spec: Any) -> Facts:
    known = packaged_catalog()
    ordered = tuple(sorted(patches, key=lambda each: each.version, reverse=True))
    minors = tuple(replace(each, patches=ordered) if each.minor == Minor(1, 30) else each for each in known.minors)
    entry = entry or Revision("1-30")
    mesh = ServiceMesh(ServiceMeshSpec([entry], **spec), versions={entry.name: runs})
    return Facts(mesh, {}, replace(known, minors=minors), NOW)


@pytest.mark.parametrize(
    ("window", "patches", "told"),
    [
        (SATURDAY, [released(4, "2026-10-01")], ["1-30: 1.30.3 to 1.30.4", "", ""]),
        # it is seven days old on Sunday, while the window of Saturday is open
        (SATURDAY, [released(4, "2026-10-18")], ["1-30: 1.30.3 to 1.30.4", "", ""]),
        (SATURDAY, [released(4, "2026-10-19")], ["", "1-30: 1.30.3 to 1.30.4", ""]),
        # two patches, released within the three
        (
            SATURDAY,
            [released(4, "2026-10-01"), released(5, "2026-10-20")],
            ["1-30: 1.30.3 to 1.30.4", "1-30: 1.30.4 to 1.30.5", ""],
        ),
        (
            SATURDAY,
            [released(4, "2026-10-01"), released(5, "2026-10-18")],
            ["1-30: 1.30.3 to 1.30.4; 1-30: 1.30.4 to 1.30.5", "", ""],
        ),
        (DAILY, [released(4, "2026-10-13")], ["1-30: 1.30.3 to 1.30.4", "", ""]),
        (DAILY, [released(4, "2026-10-14")], ["", "1-30: 1.30.3 to 1.30.4", ""]),
        (DAILY, [released(4, "2026-10-20", cvss=8.0)], ["1-30: 1.30.3 to 1.30.4", "", ""]),
    ],
)
def test_an_opening_is_told_all_that_it_would_start(
    window: MaintenanceWindow, patches: list[Release], told: list[str]
) -> None:
    assert [each.work for each in starts(facts(*patches), parse_window(window))] == told


def test_what_is_held_is_told_in_every_opening_once_each() -> None:
    world = facts(released(4, "2026-10-01"), released(5, "2026-10-18"), patches=Patches(hold=True))
    held = "1-30: 1.30.3 to 1.30.5, but held: patches are held"
    assert [each.work for each in starts(world, parse_window(SATURDAY))] == [held] * 3


def test_a_window_of_restarts_starts_restarts_and_no_patch() -> None:
    policy = ProxyRestarts(RestartMode.IN_WINDOW, "nightly", parallel=3, pause_seconds=60)
    world = facts(released(4, "2026-10-01"), proxy_restarts=policy)
    nightly = parse_window(replace(DAILY, name="nightly"))
    words = "restarts of workloads whose proxies are behind, 3 at a time, 60 s apart"
    assert [each.work for each in starts(world, nightly)] == [words] * 3
    assert [each.work for each in starts(world, parse_window(DAILY))] == ["1-30: 1.30.3 to 1.30.4", "", ""]


@pytest.mark.parametrize(
    ("world", "note"),
    [
        (facts(released(3, "2026-10-01")), None),
        (facts(released(4, "2026-10-01")), None),
        (facts(released(4, "2026-10-18")), "1.30.4 is out, and old enough on 2026-10-25 (minAge 7d)"),
        (facts(Release(Version(1, 30, 4))), "1.30.4 is out, and has no date: it is never old enough"),
        (
            facts(released(4, "2026-10-01"), entry=Revision("1-30", version="1.30.3")),
            "1-30 is kept at 1.30.3 by the version in its entry of spec.revisions, and does not take 1.30.4 by itself",
        ),
        (
            facts(released(4, "2026-10-01"), entry=Revision("1-30-3")),
            "1-30-3 is kept at 1.30.3 by its name or its values, and does not take 1.30.4 by itself",
        ),
        (facts(released(4, "2026-10-01"), entry=Revision("1-30", owner=Owner.EXTERNAL)), None),
    ],
)
def test_a_patch_that_no_opening_starts_is_said_with_its_reason(world: Facts, note: str | None) -> None:
    assert list(not_taken(world)) == ([note] if note else [])


def test_each_midnight_counts_also_in_an_opening_that_is_under_way() -> None:
    late = facts(released(4, "2026-10-18"))._replace(now=NOW + timedelta(days=4, hours=11))  # Saturday, 23:00
    assert [each.work for each in starts(late, parse_window(SATURDAY))] == ["1-30: 1.30.3 to 1.30.4", "", ""]
