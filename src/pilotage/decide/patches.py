"""Patches in place: which one is due, and whether it may start now.

Called by the loop before charts are rendered, and by `check` and `maintenance`.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from pilotage.decide.candidates import candidate, clashing
from pilotage.decide.force import Mark, patch_asked
from pilotage.decide.soak import next_second
from pilotage.decide.versions import known_version, takes_patches, under_way, versions_of
from pilotage.decide.windows import DEFAULT, Opening, coming, current, parse_window
from pilotage.domain.catalog import Catalog
from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding
from pilotage.domain.maintenance import Patches, PatchPolicy
from pilotage.domain.mesh import Mode, PatchState, ServiceMesh
from pilotage.domain.patching import Course
from pilotage.domain.state import Snapshot
from pilotage.domain.version import Version

ANY_TIME = Opening("", datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
CLASH = "it does not work with proxies of"
_START = "pilotage patch start"


class Facts(NamedTuple):
    """All that decides. `running`: revision -> version, of istiods that the status does not tell. `begin`: some may."""

    mesh: ServiceMesh
    running: Mapping[str, Version]
    catalog: Catalog
    now: datetime
    begin: bool = True


def facts_of(snapshot: Snapshot) -> Facts | None:
    """None where there is no resource, or control planes were not seen."""
    if snapshot.mesh is None or "control_planes" in snapshot.unknown:
        return None
    ours = (each for each in snapshot.control_planes if each.managed and each.namespace == snapshot.profile.namespace)
    running = {plane.revision: plane.version for plane in ours if plane.version}
    return Facts(snapshot.mesh, running, snapshot.catalog, snapshot.now)


class Due(NamedTuple):
    """A patch that a revision lacks. `held`: why it is not for now; "" where only time keeps it."""

    revision: str
    before: Version
    to: Version
    held: str = ""
    opening: Opening | None = None  # in which it may start; None where there will be none


def course(facts: Facts) -> Course:
    """Raises Refused for a revision without a version that anybody knows."""
    versions = versions_of(facts.mesh, facts.running, facts.catalog)
    if facts.mesh.spec.mode is Mode.DISABLED:
        return Course(versions)
    patch = under_way(facts.mesh)
    if patch and not patch.failed:
        return Course(versions, patch, findings=(_rolling(facts, patch),))
    every = tuple(due(facts))
    begins = next(filter(None, (_begins(facts, each) for each in every)), None)
    asked = tuple(each.revision for each in every if _asked(facts, each.revision))
    findings = (*_failed(patch), *(_finding(facts, each) for each in every))
    return Course(versions, patch, begins, _opens(facts, every), asked, findings)


def _opens(facts: Facts, every: tuple[Due, ...]) -> datetime | None:
    if not facts.begin:
        return None
    starts = (each.opening.start for each in every if each.opening and not each.held)
    return min((start for start in starts if start > facts.now), default=None)


def patch_findings(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Patches that are due, held, on their way, or went back. Raises Refused as `course` does."""
    facts = facts_of(snapshot)
    return course(facts).findings if facts else ()


def due(facts: Facts) -> Iterator[Due]:
    """Per revision the newest patch that it may take; what is too young is not due."""
    for entry in facts.mesh.spec.revisions:
        known = known_version(facts.mesh, entry, facts.running)
        if known is None or not takes_patches(facts.mesh, entry):
            continue
        target = newest(facts, known, any_age=_asked(facts, entry.name) is not None)
        clash = None if target else clashing(facts.catalog, known, facts.now.date())
        opening, problem = _opening(facts)
        if target is not None:
            yield Due(entry.name, known, target, _held(facts, entry.name, target) or problem, opening)
        elif clash is not None:
            yield Due(entry.name, known, clash[0], f"{CLASH} {known}: {clash[1]}", opening)


def _opening(facts: Facts) -> tuple[Opening | None, str]:
    """A window that means nothing keeps patches from starting, and nothing else."""
    try:
        return opening_of(facts.mesh, facts.now), ""
    except Refused as refused:
        return None, str(refused)


def newest(facts: Facts, running: Version, *, any_age: bool = False) -> Version | None:
    """The newest patch of the minor above `running` that is not to be avoided, and old enough but with `any_age`."""
    return candidate(facts.catalog, running, None if any_age else policy_of(facts.mesh), facts.now.date())


def opening_of(mesh: ServiceMesh, now: datetime) -> Opening | None:
    """Of the window `default`, the one that is open or the next; None if it never opens. Without it: any time."""
    window = next((each for each in mesh.spec.maintenance_windows or () if each.name == DEFAULT), None)
    if window is None:
        return ANY_TIME
    parsed = parse_window(window)
    return current(parsed, now) or next(iter(coming(parsed, now, 1)), None)


def policy_of(mesh: ServiceMesh) -> Patches:
    return mesh.spec.patches or Patches()


def _asked(facts: Facts, revision: str) -> Mark | None:
    """A person's `patch start` that no attempt has answered yet."""
    mark = patch_asked(facts.mesh, facts.now, revision)
    patch = facts.mesh.patch
    tried = patch is not None and patch.revision == revision and mark is not None and patch.since >= mark.at
    return None if tried else mark


def _canary(mesh: ServiceMesh) -> bool:
    return len(mesh.spec.revisions) > 1


def _held(facts: Facts, revision: str, target: Version) -> str:
    patch, policy = facts.mesh.patch, policy_of(facts.mesh)
    if _canary(facts.mesh):
        return "a canary is in progress"
    if policy.hold:
        return "patches are held"
    if _asked(facts, revision):
        return ""
    if patch and patch.failed and patch.revision == revision and patch.to == str(target):
        return "it was tried and went back"
    return "the policy is Manual" if policy.policy is PatchPolicy.MANUAL else ""


def _begins(facts: Facts, each: Due) -> PatchState | None:
    asked = _asked(facts, each.revision)
    is_open = each.opening is not None and each.opening.start <= facts.now
    if each.held or not (asked or (is_open and facts.begin)):
        return None
    since = next_second(max(facts.now, asked.at) if asked else facts.now)  # the status keeps no parts of one
    return PatchState(each.revision, str(each.before), str(each.to), since)


def _rolling(facts: Facts, patch: PatchState) -> Finding:
    """No rule is broken: so that a look at the mesh tells why it moves."""
    way = f"{patch.revision} is on its way from {patch.before} to {patch.to} since {patch.since:%Y-%m-%d %H:%M} UTC"
    words = f"{way}; what is not ready within {policy_of(facts.mesh).timeout} goes back"
    return Finding("PatchDue", words, patch.revision, _START)


def _finding(facts: Facts, each: Due) -> Finding:
    what = f"{each.revision} runs {each.before}; {each.to} is due"
    if each.held:
        return Finding("PatchHeld", f"{what}, and held: {each.held}", each.revision, way_out(each))
    asked = _asked(facts, each.revision)
    if asked:
        return Finding("PatchDue", f"{what}, and {asked.by} asked for it now", each.revision, _START)
    return Finding("PatchDue", f"{what}, {when(each, facts.now)}", each.revision, _START)


def way_out(each: Due) -> str:
    """What a person may do about a patch that is held."""
    ways = {
        "a canary is in progress": "pilotage upgrade complete, or rollback",
        "patches are held": "pilotage patch hold --release",
    }
    if each.held.startswith(CLASH):
        return f"pilotage enable --revision {each.revision} --version {each.to}, and pilotage restart at once"
    return ways.get(each.held, f"{_START} --yes")


def when(each: Due, now: datetime) -> str:
    """When it may start, in words that do not change with the minutes."""
    if each.opening is None:
        return "but window default does not open in the next ten years"
    if each.opening is ANY_TIME:
        return "and may start at any time: there is no window default"
    if each.opening.start <= now:
        return f"and may start until {each.opening.end:%Y-%m-%d %H:%M} UTC, in window default"
    return f"and starts at {each.opening.start:%Y-%m-%d %H:%M} UTC, in window default"


def _failed(patch: PatchState | None) -> Iterator[Finding]:
    if patch and patch.failed:
        message = f"{patch.revision} went back from {patch.to} to {patch.before}: {patch.failed}"
        yield Finding("PatchFailed", message, patch.revision, f"{_START} --yes")
