"""`releases`, as typed: what is new for this mesh and why it matters."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace
from stage import SetStage
from tools.rbac.verbs import ROLE_OF, Role

from pilotage.decide.announcements import announcements
from pilotage.domain.istio import ControlPlane
from pilotage.domain.version import Version
from pilotage.edge.catalog import packaged_catalog
from pilotage.faces.cli.announce import lines
from pilotage.faces.cli.lazy import _load
from pilotage.faces.cli.main import SECTIONS
from worlds import world

NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)


def istiods(*versions: str) -> Any:
    planes = (
        ControlPlane(f"r{at}", "istio-system", f"istiod-r{at}", Version.parse(version))
        for at, version in enumerate(versions)
    )
    return world(*planes, catalog=packaged_catalog(), now=NOW)


def document(stage: SetStage, snapshot: Any, *words: str) -> Any:
    return json.loads(stage(snapshot).pilotage("releases", "-o", "json", *words).out)


def test_a_mesh_of_anyone_is_told_what_each_patch_fixes(stage: SetStage) -> None:
    (found,) = document(stage, istiods("1.30.3"))["revisions"]
    assert [patch["version"] for patch in found["patches"]] == ["1.30.5", "1.30.4"]
    assert found["patches"][1]["security"] == ["ISTIO-SECURITY-2026-006"]
    assert found["cvss"] == found["patches"][1]["cvss"] == 7.5
    assert len(found["cves"]) == 14
    assert found["why"].startswith("severe: 1.30.5 fixes ISTIO-SECURITY-2026-006, 14 CVEs")
    assert [(minor["minor"], minor["revision"], minor["fits"]) for minor in found["minors"]] == [("1.31", "1-31", True)]
    assert (found["supportedUntil"], found["supportStatus"]) == ("2026-11-30", "expected")


def test_the_table_says_why_it_matters_and_until_when_the_catalog_is_complete(stage: SetStage) -> None:
    answer = stage(istiods("1.30.4", "1.31.1")).pilotage("releases")
    lines = answer.out.splitlines()
    assert lines[0].split() == ["Revision", "Version", "NewestPatch", "Fixes", "NewerMinors", "SupportedUntil"]
    assert "r0: support ends on 2026-11-30: plan the move to 1.31" in lines
    assert "r1: the newest there is" in lines
    assert any(line.startswith("1.30.5  ") and "Bug fixes" in line for line in lines)
    assert lines[-1].endswith("complete until 2026-10-01; what came later may be missing.")
    assert "SupportEnding" in answer.err
    assert answer.code == 0


@pytest.mark.parametrize(
    ("since", "patches", "minors"),
    [
        ("2026-09-21", ["1.30.5"], []),
        ("2026-08-31", ["1.30.5"], ["1.31"]),
        ("2026-08-27", ["1.30.5", "1.30.4"], ["1.31"]),
        ("1.30.4", ["1.30.5"], ["1.31"]),
        ("1.31.0", [], []),
        ("1.22", ["1.30.5", "1.30.4"], ["1.31"]),  # not what the mesh has already
    ],
)
def test_since_leaves_out_what_came_before(stage: SetStage, since: str, patches: list[str], minors: list[str]) -> None:
    (found,) = document(stage, istiods("1.30.3"), "--since", since)["revisions"]
    assert [patch["version"] for patch in found["patches"]] == patches
    assert [minor["minor"] for minor in found["minors"]] == minors


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("1.29.8", "no security fix since 2026-10-12: move to a supported minor"),
        ("1.40.0", "the catalog does not know Istio 1.40"),
        ("1.31.0", "security: 1.31.1 fixes 1 CVE, highest CVSS 6.8"),
    ],
)
def test_the_most_pressing_reason_is_the_one_line(stage: SetStage, version: str, why: str) -> None:
    (found,) = document(stage, istiods(version))["revisions"]
    assert found["why"] == why


def test_without_istio_there_is_nothing_to_tell_and_no_failure(stage: SetStage) -> None:
    answer = stage(istiods()).pilotage("releases")
    assert answer.code == 0
    assert "No Istio control plane" in answer.err


def test_a_since_that_is_neither_day_nor_version_is_a_usage_error(stage: SetStage) -> None:
    answer = stage(istiods("1.30.3")).pilotage("releases", "--since", "lately")
    assert answer.code == 2
    assert "neither a day such as 2026-09-01 nor a version" in answer.err


def test_every_verb_that_writes_has_a_dry_run_and_no_other_has() -> None:
    """By which the command line knows when to tell what is new."""
    verbs = {verb.path: verb for section in SECTIONS for verb in section.verbs}
    dry = {path for path, verb in verbs.items() if "dry_run" in {each.name for each in _load(verb).params}}
    assert dry == {path for path, role in ROLE_OF.items() if role is not Role.VIEWER and path in verbs} - {"operator"}


def told(*versions: str, on: datetime = NOW) -> list[str]:
    return lines(announcements(replace(istiods(*versions), now=on)))


def test_what_is_pressing_comes_first_in_two_lines() -> None:
    assert told("1.31.1") == []
    (patch,) = told("1.31.0")
    assert patch.startswith("NewPatch: r0 runs 1.31.0; 1.31.1 is out") and patch.endswith(". Next: pilotage releases")
    first, second = told("1.29.0", "1.30.2")
    assert first.startswith("Unsupported: support of r0 (Istio 1.29) ended on 2026-10-12")
    assert second.startswith("SupportEnding") and second.endswith("(and 3 more: pilotage releases)")
