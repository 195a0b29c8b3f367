"""The status of an edit that was seen, but of which nothing more is known yet. Called while charts are rendered."""

from datetime import datetime
from typing import Final

from pilotage.domain.objects import Obj

_PHASE: Final = "Rendering"


def acknowledged_status(generation: int, now: datetime, previous: Obj) -> Obj:
    """`Reconciling` for the new generation, so neither ready nor stalled; all else stays as it was known."""
    words = f"charts are rendered for generation {generation}"
    told = {
        "Ready": ("False", _PHASE, words),
        "Reconciling": ("True", _PHASE, words),
        "Stalled": ("False", "NotStalled", ""),
    }
    before = {each["type"]: each for each in previous.get("conditions", ())}
    fresh = {
        kind: {"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": generation}
        | {"lastTransitionTime": _since(before.get(kind, {}), status, now)}
        for kind, (status, reason, message) in told.items()
    }
    conditions = [*(before | fresh).values()]
    return {**previous, "phase": _PHASE, "observedGeneration": generation, "conditions": conditions}


def _since(before: Obj, status: str, now: datetime) -> str:
    known: str = before.get("lastTransitionTime", "")
    return known if known and before["status"] == status else now.strftime("%Y-%m-%dT%H:%M:%SZ")
