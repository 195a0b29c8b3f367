"""Events of what changed between two published states: phase and conditions. Called by `publishing`."""

from collections.abc import Iterator

from pilotage.decide.announcements import ANNOUNCED, TROUBLE
from pilotage.decide.rollout import PATCHING
from pilotage.decide.status import ENDS_SOON
from pilotage.domain.events import Event
from pilotage.domain.names import EVERY_REVISION
from pilotage.domain.objects import Obj

_BAD = ("Stalled", "RemovalBlocked", "Blocked", "HPAContested", "GatewayLeaving", "ForeignGateway", "GatewayTypeHeld")
_TOLD_ONCE = (*ANNOUNCED, *TROUBLE)
_GOING = ("Removing", "Disabling")


def transitions(previous: Obj, status: Obj) -> tuple[Event, ...]:
    """One Event for the phase and for each condition that changed, none where neither did.

    The reason of a condition is its type, with `Not` before it when it stopped to hold. A phase and a condition of
    one name are one Event.
    """
    told = (_phase, _gateways, _conditions, _removal, _patch, _announced)
    events = [event for each in told for event in each(previous, status)]
    return tuple({event.reason: event for event in reversed(events)}.values())[::-1]


def _phase(previous: Obj, status: Obj) -> Iterator[Event]:
    if status["phase"] != previous.get("phase"):
        ready = next(each for each in status["conditions"] if each["type"] == "Ready")
        yield Event(status["phase"], ready["message"], warning=status["phase"] in _BAD)


def _removal(previous: Obj, status: Obj) -> Iterator[Event]:
    """A soak that ended otherwise than by what its own phase says."""
    before, phases = previous.get("removal"), (previous.get("phase"), status["phase"])
    if not before or status.get("removal"):
        return
    what = "every control plane" if before["revision"] == EVERY_REVISION else before["revision"]
    if phases[0] == "RemovalSoaking" and phases[1] not in ("RemovalBlocked", "Blocked", *_GOING):
        yield Event("RemovalCancelled", f"{what} stays: asked for again")
    elif phases[0] in _GOING and phases[1] not in ("RemovalBlocked", "Blocked", "RemovalSoaking"):
        yield Event("Removed", f"{what} is gone")


def _gateways(previous: Obj, status: Obj) -> Iterator[Event]:
    """Gateways whose soak has begun, or ended because they are asked for again."""
    before, after = ({each["gateway"] for each in of.get("leavingGateways") or ()} for of in (previous, status))
    words = next((each["message"] for each in status["conditions"] if each["type"] == "GatewayLeaving"), "")
    if after - before:
        yield Event("GatewayLeaving", words, warning=True)
    gone = sorted(before - after)
    if gone and status["phase"] not in _GOING and not words:
        yield Event("RemovalCancelled", f"gateway {', '.join(gone)} stays: asked for again")


def _patch(previous: Obj, status: Obj) -> Iterator[Event]:
    """One that was seen to be ready, or went back."""
    before, after = previous.get("patch"), status.get("patch")
    runs = {each["name"]: each.get("version", "") for each in status.get("revisions", ())}
    there = status["phase"] in ("Settled", "Canary", "CanaryStarting")
    if before and not before.get("failed") and not after and there and runs.get(before["revision"]) == before["to"]:
        yield Event("Patched", f"{before['revision']} runs {before['to']}; before that it ran {before['from']}")
    if after and after.get("failed") and not (before or {}).get("failed"):
        words = f"{after['revision']} goes back from {after['to']} to {after['from']}: {after['failed']}"
        yield Event("PatchFailed", words, warning=True)


def _conditions(previous: Obj, status: Obj) -> Iterator[Event]:
    before = {each["type"]: each["status"] for each in previous.get("conditions", ())}
    same = previous.get("observedGeneration") == status["observedGeneration"]
    for condition in status["conditions"]:
        kind, holds = condition["type"], condition["status"] == "True"
        if kind in _TOLD_ONCE or condition["status"] == before.get(kind, "False"):
            continue
        degraded = kind == "Ready" and not holds and same and status["phase"] != PATCHING  # nobody asked for it
        reason = kind if holds else f"Not{kind}"
        note = f"{condition['reason']}: {condition['message']}" if condition["message"] else condition["reason"]
        yield Event(reason, note, warning=(holds and kind in _BAD) or degraded)


def _announced(previous: Obj, status: Obj) -> Iterator[Event]:
    """What is new, once for each thing that is: no Event where it is no longer, for then it was taken."""
    before = {each["type"]: (each["reason"], each["message"]) for each in previous.get("conditions", ())}
    for condition in status["conditions"]:
        kind, now = condition["type"], (condition["reason"], condition["message"])
        if kind in _TOLD_ONCE and condition["status"] == "True" and now != before.get(kind):
            warning = kind in ("Unsupported", *TROUBLE) or condition["reason"] == ENDS_SOON
            yield Event(kind, condition["message"], warning=warning)
