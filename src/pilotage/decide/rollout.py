"""A patch on its way: begun, seen to be ready, or taken back: not ready in time, or withdrawn. Called by `plan`.

The order within is the plan's: istiod first, its gateways once it is proven. What is remembered is one entry of the
status, written before anything moves: a kill at any moment loses nothing.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import structs

from pilotage.decide.badpairs import left_behind
from pilotage.decide.budget import below_budget
from pilotage.decide.candidates import harm
from pilotage.decide.gateways import gateway_waits
from pilotage.decide.install import control_plane, readiness
from pilotage.decide.patches import policy_of
from pilotage.decide.soak import span_of
from pilotage.domain.actions import Plan, Wait
from pilotage.domain.findings import Finding
from pilotage.domain.maintenance import Patches
from pilotage.domain.mesh import PatchState
from pilotage.domain.state import Desired, Revision, Snapshot
from pilotage.domain.version import Version

PATCHING, RETURNING = "Patching", "PatchReturning"
_SOON = timedelta(milliseconds=50)
_AT_REST = ("Settled", "Canary")
_STUCK = ("Blocked",)


def rolled(made: Plan, desired: Desired, snapshot: Snapshot) -> Plan:
    """`made`, as the patch under way wants it; every finding about patches with it."""
    course = desired.course
    made = structs.replace(made, findings=(*made.findings, *course.findings), patch=course.patch)
    patch = course.patch
    if patch is not None and not patch.failed:
        return _rolling(made, desired, patch, snapshot)
    at_rest = made.settled and made.phase in _AT_REST
    if at_rest and course.begins:
        return _begun(made, course.begins, _against(desired, snapshot, course.begins), snapshot.now)
    if patch is not None and not at_rest and _runs(snapshot, patch.revision) == patch.to:
        return structs.replace(made, phase=RETURNING)
    return made


def _against(desired: Desired, snapshot: Snapshot, begins: PatchState) -> tuple[str, str]:
    """What holds a patch that may begin, and what to do about it."""
    short = below_budget(desired, snapshot, begins.revision)
    if short:
        return (
            short,
            "let a rollout take fewer pods: rollingMaxUnavailable in spec.values, strategy in a gateway's values",
        )
    return left_behind(snapshot, begins.revision, Version.parse(begins.to)), "pilotage restart -n NAMESPACE --outdated"


def _begun(made: Plan, begun: PatchState, against: tuple[str, str], now: datetime) -> Plan:
    """Written down first; the next look, which no change of the cluster would bring about, makes it."""
    problem, fix = against
    if problem:
        words = f"{begun.revision} runs {begun.before}; {begun.to} is due, and held: {problem}"
        held = Finding("PatchHeld", words, begun.revision, fix)
        others = tuple(each for each in made.findings if (each.code, each.subject) != ("PatchDue", begun.revision))
        return structs.replace(made, findings=(*others, held))
    later = (f"{begun.revision}: {begun.to}",)
    return structs.replace(made, phase=PATCHING, patch=begun, later=later, again=now + _SOON)


def _rolling(made: Plan, desired: Desired, patch: PatchState, snapshot: Snapshot) -> Plan:
    """Done when nothing differs and nothing of its revision is waited for; a canary that is not ready is not its fault.

    Failed when time is up and something of it still is, or when the catalog has come to say that it is harmful.
    """
    if made.phase in _STUCK:
        return made
    against = harm(snapshot.catalog, Version.parse(patch.before), Version.parse(patch.to))
    if against:
        return _returning(made, patch, f"the catalog says to avoid it: {against}", snapshot.now)
    own = [
        wait for each in desired.revisions if each.name == patch.revision for wait in unready(desired, snapshot, each)
    ]
    if snapshot.unproven and not own:
        own = [Wait(f"injection by {patch.revision}", snapshot.unproven)]
        made = structs.replace(made, waits=(*made.waits, *own))
    at_rest = made.settled and made.phase in _AT_REST
    if at_rest or (not made.now and not own and _runs(snapshot, patch.revision) == patch.to):
        return structs.replace(made, patch=None)
    if not _late(patch, snapshot):
        return structs.replace(made, phase=PATCHING)
    if made.now or _runs(snapshot, patch.revision) != patch.to:  # nobody was there to do it: it has all its time yet
        again = structs.replace(patch, since=snapshot.now.replace(microsecond=0))
        return structs.replace(made, phase=PATCHING, patch=again)
    cause = "; ".join(f"{wait.subject}: {wait.cause}" for wait in own[:2])
    return _returning(made, patch, _overdue(snapshot, cause), snapshot.now)


def hindered(desired: Desired, snapshot: Snapshot, cause: str) -> PatchState | None:
    """The patch under way where the API server refuses a write of it: failed once its time is up, as any other."""
    patch = desired.course.patch
    if patch is None or patch.failed or not _late(patch, snapshot):
        return patch
    return _failed(patch, _overdue(snapshot, cause))


def unready(desired: Desired, snapshot: Snapshot, revision: Revision) -> Iterator[Wait]:
    """What a revision lacks: of its control plane; once that is ready, of its gateways."""
    waits = tuple(readiness(snapshot, revision))
    yield from waits or gateway_waits(desired, snapshot, revision)


def _late(patch: PatchState, snapshot: Snapshot) -> bool:
    return snapshot.now >= patch.since + span_of(_timeout(snapshot))


def _timeout(snapshot: Snapshot) -> str:
    return (policy_of(snapshot.mesh) if snapshot.mesh else Patches()).timeout


def _overdue(snapshot: Snapshot, cause: str) -> str:
    return f"not ready within {_timeout(snapshot)}: {cause}"


def _returning(made: Plan, patch: PatchState, cause: str, now: datetime) -> Plan:
    """What was about to be written is of the patch: the next look has the versions of before."""
    return structs.replace(made, now=(), phase=RETURNING, patch=_failed(patch, cause), again=now + _SOON)


def _failed(patch: PatchState, cause: str) -> PatchState:
    return structs.replace(patch, failed=cause[:1024])


def _runs(snapshot: Snapshot, revision: str) -> str:
    plane = control_plane(snapshot, revision)
    return str(plane.version) if plane and plane.version else ""
