"""A patch on its way: begun, seen to be ready, or taken back where it is not ready in time. Called by `plan`.

The order within is the plan's: istiod first, its gateways once it is proven. What is remembered is one entry of the
status, written before anything moves: a kill at any moment loses nothing.
"""

from datetime import datetime, timedelta

from msgspec import structs

from pilotage.decide.budget import below_budget
from pilotage.decide.install import control_plane
from pilotage.decide.patches import policy_of
from pilotage.decide.soak import span_of
from pilotage.domain.actions import Plan, Wait
from pilotage.domain.findings import Finding
from pilotage.domain.maintenance import Patches
from pilotage.domain.mesh import PatchState
from pilotage.domain.state import Desired, Snapshot

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
        return _rolling(made, patch, snapshot)
    at_rest = made.settled and made.phase in _AT_REST
    if at_rest and course.begins:
        return _begun(made, course.begins, below_budget(desired, snapshot, course.begins.revision), snapshot.now)
    if patch is not None and not at_rest and _runs(snapshot, patch.revision) == patch.to:
        return structs.replace(made, phase=RETURNING)
    return made


def _begun(made: Plan, begun: PatchState, problem: str, now: datetime) -> Plan:
    """Written down first; the next look, which no change of the cluster would bring about, makes it."""
    if problem:
        words = f"{begun.revision} runs {begun.before}; {begun.to} is due, and held: {problem}"
        fix = "give its Deployment a smaller rollingMaxUnavailable, in spec.values"
        held = Finding("PatchHeld", words, begun.revision, fix)
        others = tuple(each for each in made.findings if (each.code, each.subject) != ("PatchDue", begun.revision))
        return structs.replace(made, findings=(*others, held))
    later = (f"{begun.revision}: {begun.to}",)
    return structs.replace(made, phase=PATCHING, patch=begun, later=later, again=now + _SOON)


def _rolling(made: Plan, patch: PatchState, snapshot: Snapshot) -> Plan:
    """Done when nothing differs and nothing is waited for; failed when time is up and something still is."""
    if made.phase in _STUCK:
        return made
    if snapshot.unproven and not made.waits:
        made = structs.replace(made, waits=(Wait(f"injection by {patch.revision}", snapshot.unproven),))
    if made.settled and made.phase in _AT_REST:
        return structs.replace(made, patch=None)
    timeout = (policy_of(snapshot.mesh) if snapshot.mesh else Patches()).timeout
    late = snapshot.now >= patch.since + span_of(timeout)
    if not late:
        return structs.replace(made, phase=PATCHING)
    if made.now or _runs(snapshot, patch.revision) != patch.to:  # nobody was there to do it: it has all its time yet
        again = structs.replace(patch, since=snapshot.now.replace(microsecond=0))
        return structs.replace(made, phase=PATCHING, patch=again)
    cause = "; ".join(f"{wait.subject}: {wait.cause}" for wait in made.waits[:2]) or made.phase
    words = f"not ready within {timeout}: {cause}"
    return structs.replace(made, phase=RETURNING, patch=structs.replace(patch, failed=words[:1024]))


def _runs(snapshot: Snapshot, revision: str) -> str:
    plane = control_plane(snapshot, revision)
    return str(plane.version) if plane and plane.version else ""
