"""Pods that admission refused: why, and when to try again. Used by every controller that makes pods.

A real controller tries again by itself, with a growing pause. Here it tries when something changes that may help.
"""

from collections.abc import Iterable

from pilotage_memory.controllers.loop import Place
from pilotage_memory.controllers.objects import ACCOUNT, MUTATING, NAMESPACE, POD, QUOTA, SERVICE, is_a
from pilotage_memory.kinds import Obj

_OPENS = (ACCOUNT, MUTATING, NAMESPACE, QUOTA, SERVICE)  # a change of these may let a pod in that was refused


class Refusals:
    """Why the last attempt to make a pod failed, by the owner's place: a real controller tries again by itself."""

    def __init__(self) -> None:
        self._why: dict[Place, str] = {}

    def __getitem__(self, place: Place) -> str:
        return self._why.get(place, "")

    def note(self, place: Place, why: str) -> None:
        self._why.pop(place, None)
        if why:
            self._why[place] = why

    def after(self, event: str, obj: Obj) -> Iterable[Place]:
        """Those to try again after a change of the world."""
        if self._why and (any(is_a(kind, obj) for kind in _OPENS) or is_a(POD, obj) and event != "ADDED"):
            yield from tuple(self._why)
