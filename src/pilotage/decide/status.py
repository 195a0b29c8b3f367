"""The status of a ServiceMesh from a plan: conditions that kstatus, Argo CD and Flux read. Called by `reconcile`.

A status that does not differ is returned as it was, so that publishing it writes nothing.
"""

from collections.abc import Iterator

from pilotage.decide.install import control_plane
from pilotage.domain.actions import Plan
from pilotage.domain.findings import Severity
from pilotage.domain.objects import Obj
from pilotage.domain.state import Desired, Revision, Snapshot

_DONE = ("Settled", "Canary", "Disabled")


def status_of(plan: Plan, desired: Desired, snapshot: Snapshot, previous: Obj) -> Obj:
    """The whole status; `previous` keeps the transition times of conditions that did not change."""
    before = {condition["type"]: condition for condition in previous.get("conditions", ())}
    generation = snapshot.mesh.generation if snapshot.mesh else 0
    stamp = snapshot.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = []
    for kind, value, reason, message in _conditions(plan):
        old = before.get(kind, {})
        since = old["lastTransitionTime"] if old.get("status") == value else stamp
        condition = {"type": kind, "status": value, "reason": reason, "message": message}
        conditions.append(condition | {"observedGeneration": generation, "lastTransitionTime": since})
    return {
        "phase": plan.phase,
        "observedGeneration": generation,
        "stable": "" if desired.disabled else desired.stable.name,
        "canary": desired.canary.name if desired.canary and not desired.disabled else "",
        "revisions": [_counts(revision, snapshot) for revision in desired.revisions if not desired.disabled],
        "conditions": conditions,
    }


def _counts(revision: Revision, snapshot: Snapshot) -> Obj:
    plane = control_plane(snapshot, revision.name)
    counts = {"desired": plane.desired, "available": plane.available} if plane else {"desired": 0, "available": 0}
    return {"name": revision.name, "version": str(revision.version), **counts}


def _conditions(plan: Plan) -> Iterator[tuple[str, str, str, str]]:
    forced = (finding.message for finding in plan.findings if finding.code == "RemovalForced")
    waiting = "; ".join((*forced, *(f"{wait.subject}: {wait.cause}" for wait in plan.waits[:3])))
    ready = plan.phase in _DONE and not plan.waits
    yield "Ready", _text(ready), plan.phase, waiting or ("all is as asked" if ready else plan.phase)
    yield "Reconciling", _text(not ready), plan.phase, waiting
    blocked = plan.phase == "RemovalBlocked"
    yield "RemovalBlocked", _text(blocked), "InUse" if blocked else "NotBlocked", waiting if blocked else ""
    errors = [finding for finding in plan.findings if finding.severity is Severity.ERROR]
    stalled = plan.phase == "Blocked"
    yield "Stalled", _text(stalled), errors[0].code if stalled and errors else "NotStalled", waiting if stalled else ""


def _text(holds: bool) -> str:
    return "True" if holds else "False"
