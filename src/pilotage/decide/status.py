"""The status of a ServiceMesh from a plan: conditions that kstatus, Argo CD and Flux read. Called by `publishing`.

`Ready` is the one to wait for. While it is not, exactly one of two says why: `Reconciling`, the work goes on by itself,
or `Stalled`, a user must act. What is new of releases follows, a condition for each of ANNOUNCED. A status that does
not differ is returned as it was, so publishing it writes nothing.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from pilotage.decide.announcements import ANNOUNCED, TROUBLE, announcements
from pilotage.decide.install import control_plane
from pilotage.decide.inventory import parts_present
from pilotage.domain.actions import Plan, Wait
from pilotage.domain.errors import NoCharts, Refused
from pilotage.domain.findings import Finding, Severity
from pilotage.domain.mesh import PatchState, Removal
from pilotage.domain.objects import Obj
from pilotage.domain.state import Desired, Revision, Snapshot

_DONE: Final = ("Settled", "Canary", "Disabled")
_RENDERING: Final = "Rendering"
_NOT_AS_ASKED: Final = ("ForeignGateway", "GatewayTypeHeld")  # all else goes on
_BLOCKED: Final = ("Blocked", "RemovalBlocked")
_DEADLINE: Final = timedelta(minutes=10)  # progressDeadlineSeconds of a Deployment, unless it is set
_TOO_LONG: Final = "ProgressDeadlineExceeded"  # the reason that Deployments give
ENDS_SOON: Final = "SupportEndingSoon"  # the reason of SupportEnding from 14 days ahead on
_STAMP: Final = "%Y-%m-%dT%H:%M:%SZ"


class _Moment(NamedTuple):
    """Of which generation, when, and what was published before."""

    generation: int
    now: datetime
    previous: Obj

    def before(self, kind: str) -> Obj:
        found = (each for each in self.previous.get("conditions", ()) if each["type"] == kind)
        return next(found, {})

    @property
    def same_generation(self) -> bool:
        return bool(self.previous.get("observedGeneration") == self.generation)


class _Condition(NamedTuple):
    kind: str
    holds: bool
    reason: str
    message: str


def status_of(plan: Plan, desired: Desired, snapshot: Snapshot, previous: Obj) -> Obj:
    """The whole status; `previous` keeps the transition times of conditions that did not change."""
    moment = _Moment(snapshot.mesh.generation if snapshot.mesh else 0, snapshot.now, previous)
    if _only_mends(plan, moment):
        return previous
    news = _news(() if desired.disabled else announcements(snapshot), moment)
    return {
        **_judged(plan, moment, [_dated(condition, moment) for condition in news]),
        **_patch(plan.patch, previous),
        "stable": "" if desired.disabled else desired.stable.name,
        "canary": desired.canary.name if desired.canary and not desired.disabled else "",
        "revisions": [_counts(revision, snapshot) for revision in desired.revisions if not desired.disabled],
    }


def halted_status(cause: Refused | NoCharts, generation: int, now: datetime, previous: Obj) -> Obj:
    """Nothing can be planned until a user changes something or charts are to be had: the revisions stay as known."""
    moment = _Moment(generation, now, previous)
    news = (moment.before(kind) for kind in (*ANNOUNCED, *TROUBLE))
    return previous | _judged(_halted(cause), moment, [before for before in news if before])


def _halted(cause: Refused | NoCharts) -> Plan:
    if isinstance(cause, NoCharts):
        return Plan(_RENDERING, waits=(Wait("the charts", str(cause)),))
    words = f"{cause}. Next: {cause.fix}" if cause.fix else str(cause)
    return Plan("Blocked", waits=(Wait("the plan", words),), findings=cause.findings)


def acknowledged_status(generation: int, now: datetime, previous: Obj) -> Obj:
    """An edit was seen, and its charts are being rendered: neither ready nor stalled. The rest stays as known."""
    words, moment = f"charts are rendered for generation {generation}", _Moment(generation, now, previous)
    told = (
        _Condition("Ready", False, _RENDERING, words),
        _Condition("Reconciling", True, _RENDERING, words),
        _Condition("Stalled", False, "NotStalled", ""),
    )
    known = {before["type"]: before for before in previous.get("conditions", ())}
    conditions = known | {condition.kind: _dated(condition, moment) for condition in told}
    judged = {"phase": _RENDERING, "observedGeneration": generation, "conditions": [*conditions.values()]}
    return previous | judged


def _judged(plan: Plan, moment: _Moment, news: list[Obj]) -> Obj:
    conditions = [*(_dated(condition, moment) for condition in _conditions(plan, moment)), *news]
    judged = {"phase": plan.phase, "observedGeneration": moment.generation, "conditions": conditions}
    return judged | _removal(plan.removal, moment.previous) | _leaving(plan.leaving, moment.previous)


def _removal(removal: Removal | None, previous: Obj) -> Obj:
    """None takes away what a merge would keep: a soak that was interrupted starts anew."""
    if removal is None:
        return {"removal": None} if "removal" in previous else {}
    since, until = (each.strftime(_STAMP) for each in (removal.since, removal.until))
    return {"removal": {"revision": removal.revision, "since": since, "until": until}}


def _leaving(leaving: tuple[Removal, ...], previous: Obj) -> Obj:
    """Gateways that soak."""
    if not leaving:
        return {"leavingGateways": None} if previous.get("leavingGateways") else {}
    kept = [
        {"gateway": each.revision, "since": each.since.strftime(_STAMP), "until": each.until.strftime(_STAMP)}
        for each in leaving
    ]
    return {"leavingGateways": kept}


def _patch(patch: PatchState | None, previous: Obj) -> Obj:
    """None takes away what a merge would keep."""
    if patch is None:
        return {"patch": None} if "patch" in previous else {}
    kept = {"revision": patch.revision, "from": patch.before, "to": patch.to, "since": patch.since.strftime(_STAMP)}
    failed = {"failed": patch.failed or None} if patch.failed or "failed" in (previous.get("patch") or {}) else {}
    return {"patch": kept | failed}


def _only_mends(plan: Plan, moment: _Moment) -> bool:
    """What was ready has just been put back: the next look, which follows at once, tells whether it still is."""
    ready = moment.before("Ready").get("status") == "True"
    mends = plan.phase != "Removing" and bool(plan.now) and not plan.waits
    return ready and moment.same_generation and mends


def _dated(condition: _Condition, moment: _Moment) -> Obj:
    status = "True" if condition.holds else "False"
    old = moment.before(condition.kind)
    return {
        "type": condition.kind,
        "status": status,
        "reason": condition.reason,
        "message": condition.message,
        "observedGeneration": moment.generation,
        "lastTransitionTime": old["lastTransitionTime"] if old.get("status") == status else moment.now.strftime(_STAMP),
    }


def _counts(revision: Revision, snapshot: Snapshot) -> Obj:
    """A version only once something of it stands: it is kept from then on, and what was asked for may be a mistake."""
    begun = not revision.managed or revision.name in parts_present(snapshot.live)
    plane = control_plane(snapshot, revision.name)
    counts = {"desired": plane.desired, "available": plane.available} if plane else {"desired": 0, "available": 0}
    return {"name": revision.name, **({"version": str(revision.version)} if begun else {}), **counts}


def _conditions(plan: Plan, moment: _Moment) -> Iterator[_Condition]:
    forced = (finding.message for finding in plan.findings if finding.code == "RemovalForced")
    waiting = "; ".join((*forced, *(f"{wait.subject}: {wait.cause}" for wait in plan.waits[:3])))
    ready = plan.phase in _DONE and not plan.waits
    but = "; ".join(finding.message for finding in plan.findings if finding.code in _NOT_AS_ASKED)
    stalled = "" if ready else _stalled(plan, moment)
    moving = not ready and not stalled
    yield _Condition("Ready", ready, plan.phase, waiting or ((but or "all is as asked") if ready else plan.phase))
    yield _Condition("Reconciling", moving, plan.phase, waiting if moving else "")
    blocked, soaks = (plan.phase == phase for phase in ("RemovalBlocked", "RemovalSoaking"))
    why = "InUse" if blocked else "Soaking" if soaks else "NotBlocked"
    yield _Condition("RemovalBlocked", blocked, why, waiting if blocked or soaks else "")
    yield _Condition("Stalled", bool(stalled), stalled or "NotStalled", waiting if stalled else "")
    yield from _known(plan, moment, "HPAContested", "Contested")
    yield from _known(plan, moment, "GatewayLeaving", "Leaving")
    for code in _NOT_AS_ASKED:
        yield from _known(plan, moment, code, code.replace("Gateway", ""))


def _known(plan: Plan, moment: _Moment, code: str, reason: str) -> Iterator[_Condition]:
    """Of a finding, only of a mesh that knows it: most never do."""
    words = "; ".join(finding.message for finding in plan.findings if finding.code == code)
    if words or moment.before(code):
        yield _Condition(code, bool(words), reason if words else f"Not{reason}", words)


def _news(found: tuple[Finding, ...], moment: _Moment) -> Iterator[_Condition]:
    """A condition per kind of announcement; none of them makes the mesh less ready. Trouble only where it was known."""
    held = {finding.code for finding in found}
    for kind in (*ANNOUNCED, *(kind for kind in TROUBLE if kind in held or moment.before(kind))):
        mine = [finding for finding in found if finding.code == kind]
        soon = kind == "SupportEnding" and any(finding.severity is Severity.WARNING for finding in mine)
        reason = ENDS_SOON if soon else kind if mine else f"Not{kind}"
        yield _Condition(kind, bool(mine), reason, "; ".join(finding.message for finding in mine))


def _stalled(plan: Plan, moment: _Moment) -> str:
    """Why a user must act, as a reason; "" while the work goes on by itself."""
    if plan.phase in _BLOCKED:
        errors = (finding.code for finding in plan.findings if finding.severity is Severity.ERROR)
        return next(errors, plan.phase)
    stalled, moving = moment.before("Stalled"), moment.before("Reconciling")
    if stalled.get("reason") == _TOO_LONG and moment.same_generation:
        return _TOO_LONG
    if moving.get("status") != "True":
        return ""
    since = datetime.fromisoformat(moving["lastTransitionTime"])
    if plan.removal:
        since = max(since, plan.removal.until)  # a soak may be as long as it likes
    late = moment.now - since > _DEADLINE
    return _TOO_LONG if late else ""
