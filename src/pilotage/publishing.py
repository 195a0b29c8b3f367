"""What the loop found, told by the resource itself: status and Events of a plan, of a fault, of a refusal.

Called by `reconcile` after each step; nothing is written where nothing differs.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from msgspec import structs

from pilotage.decide.rollout import hindered
from pilotage.decide.status import acknowledged_status, halted_status, status_of
from pilotage.decide.transitions import transitions
from pilotage.domain.actions import Plan, Wait
from pilotage.domain.errors import MeshError, NoCharts, Refused
from pilotage.domain.events import Event
from pilotage.domain.objects import Obj
from pilotage.domain.state import Desired, Snapshot
from pilotage.edge.kube import Kube
from pilotage.edge.status import publish


class Looked(NamedTuple):
    """One step's question, what was seen, and the answer. `whole`: not only who gets ready was looked at."""

    desired: Desired
    snapshot: Snapshot
    made: Plan
    whole: bool = True


class Publisher:
    """Writes through `kube`. `status`: as last published."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube
        self.status: Obj = {}
        self._fault = ""  # of the last write, where it failed
        self._seen: tuple[str, int] = ("", 0)  # the edit that was acknowledged: uid and generation
        self._before: Obj | None = None  # the status before that, for the Events that follow it

    def acknowledge(self, resource: Obj, now: datetime) -> None:
        """That an edit was seen, where charts must be rendered before anything else can be said of it.

        Once for each edit, and without Events: the plan tells what became of it.
        """
        meta, previous = resource["metadata"], resource.get("status", {})
        edit = (meta["uid"], meta["generation"])
        if edit != self._seen and previous.get("observedGeneration") != meta["generation"]:
            publish(self.kube, resource, acknowledged_status(meta["generation"], now, previous), (), now)
            self._seen, self._before = edit, previous if self._before is None else self._before

    def plan(self, resource: Obj, looked: Looked, done: Iterable[Event]) -> None:
        self._fault = ""
        self._publish(resource, looked, done)

    def fault(self, resource: Obj, looked: Looked, fault: MeshError) -> None:
        """A write that fails twice in the same way becomes a condition; one conflict is no news.

        A refusal is the same tomorrow: it ends a patch whose time is up at once, for a verb makes no second attempt.
        """
        again, self._fault = str(fault) == self._fault, str(fault)
        before = looked.desired.course.patch
        patch = hindered(looked.desired, looked.snapshot, str(fault)) if isinstance(fault, Refused) else before
        if again or patch != before:
            waits = (Wait("the next attempt", str(fault)), *looked.made.waits)
            made = structs.replace(looked.made, waits=waits, patch=patch)
            with suppress(MeshError):  # the first cause counts
                self._publish(resource, looked._replace(made=made), ())

    def halt(self, resource: Obj, cause: Refused | NoCharts, now: datetime, *, write: bool) -> None:
        """So that the resource says why nothing is planned, and not only who runs the loop."""
        previous = resource.get("status", {})
        self.status = status = halted_status(cause, resource["metadata"]["generation"], now, previous)
        if status != previous and write:
            with suppress(Refused):  # who may not do the one may not do the other: the first cause counts
                self._tell(resource, status, (), now)

    def _publish(self, resource: Obj, looked: Looked, done: Iterable[Event]) -> None:
        self.status = status_of(looked.made, looked.desired, looked.snapshot, resource.get("status", {}))
        self._tell(resource, self.status, done, looked.snapshot.now)

    def _tell(self, resource: Obj, status: Obj, done: Iterable[Event], now: datetime) -> None:
        """Events since the last status that was more than an acknowledgement."""
        before = resource.get("status", {}) if self._before is None else self._before
        publish(self.kube, resource, status, (*done, *transitions(before, status)), now)
        self._before = None
