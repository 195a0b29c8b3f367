"""Who changed a field of the canary's autoscaler, or whether stable's is what changed. Called by `autoscaling`.

managedFields tell: a field that we wrote last is ours until somebody else writes another value into it.
"""

from typing import NamedTuple

from pilotage.decide.autoscalers import Difference
from pilotage.decide.ownership import holds
from pilotage.domain.names import MANAGERS
from pilotage.domain.objects import Obj


class Edit(NamedTuple):
    """A field manager and when it last wrote, as in managedFields; "" where that cannot be told."""

    manager: str = ""
    time: str = ""

    def __str__(self) -> str:
        return (self.manager or "someone") + (f" at {self.time}" if self.time else "")


def edit_of(difference: Difference, canary: Obj, stable: Obj) -> Edit | None:
    """The edit of the canary's HPA that made the difference; None where stable's was changed.

    What nobody holds was taken away from the canary's, or added to stable's: after our last write, or not.
    """
    holders = holders_of(canary, difference)
    if any(edit.manager in MANAGERS for edit in holders):
        return None
    if holders:
        return max(holders, key=_time)
    wrote = max((edit.time for edit in _edits(canary) if edit.manager in MANAGERS), default="")
    added = max((edit.time for edit in holders_of(stable, difference)), default="")
    return None if added >= wrote else Edit()


def last_edit(hpa: Obj, differences: list[Difference]) -> Edit:
    """The newest of those that hold one of the fields."""
    edits = [edit for difference in differences for edit in holders_of(hpa, difference)]
    return max(edits, key=_time, default=Edit())


def holders_of(hpa: Obj, difference: Difference) -> list[Edit]:
    """Those who hold the field, or something below it."""
    path = ("spec", *difference.path)
    return [_edit(entry) for entry in _entries(hpa) if holds(entry.get("fieldsV1") or {}, path)]


def _edits(hpa: Obj) -> list[Edit]:
    return [_edit(entry) for entry in _entries(hpa)]


def _entries(hpa: Obj) -> list[Obj]:
    return [entry for entry in hpa["metadata"].get("managedFields") or () if not entry.get("subresource")]


def _edit(entry: Obj) -> Edit:
    return Edit(entry.get("manager", ""), entry.get("time", ""))


def _time(edit: Edit) -> str:
    return edit.time
