"""What the loop found, told by the resource itself: status and Events of a plan, of a fault, of a refusal.

Called by `reconcile` after each step; nothing is written where nothing differs.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from msgspec import structs

from pilotage.decide.rollout import hindered
from pilotage.decide.status import refused_status, status_of
from pilotage.decide.transitions import transitions
from pilotage.domain.actions import Plan, Wait
from pilotage.domain.errors import MeshError, Refused
from pilotage.domain.events import Event
from pilotage.domain.objects import Obj
from pilotage.domain.state import Desired, Snapshot
from pilotage.edge.kube import Kube
from pilotage.edge.status import publish


class Looked(NamedTuple):
    """One step's question, what was seen, and the answer."""

    desired: Desired
    snapshot: Snapshot
    made: Plan


class Publisher:
    """Writes through `kube`. `status`: as last published."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube
        self.status: Obj = {}
        self._fault = ""  # of the last write, where it failed

    def plan(self, resource: Obj, looked: Looked, done: Iterable[Event]) -> None:
        self._fault = ""
        self._publish(resource, looked, done)

    def fault(self, resource: Obj, looked: Looked, fault: MeshError) -> None:
        """A write that fails twice in the same way becomes a condition; one conflict is no news."""
        again, self._fault = str(fault) == self._fault, str(fault)
        if again:
            waits = (Wait("the next attempt", str(fault)), *looked.made.waits)
            made = structs.replace(looked.made, waits=waits)
            if isinstance(fault, Refused):  # it will be tomorrow, too
                made = structs.replace(made, patch=hindered(looked.desired, looked.snapshot, str(fault)))
            with suppress(MeshError):  # the first cause counts
                self._publish(resource, looked._replace(made=made), ())

    def refusal(self, resource: Obj, refused: Refused, now: datetime, *, write: bool) -> None:
        """So that the resource says what a user must change, and not only who runs the loop."""
        previous = resource.get("status", {})
        self.status = status = refused_status(refused, resource["metadata"]["generation"], now, previous)
        if status != previous and write:
            with suppress(Refused):  # who may not do the one may not do the other: the first cause counts
                publish(self.kube, resource, status, transitions(previous, status), now)

    def _publish(self, resource: Obj, looked: Looked, done: Iterable[Event]) -> None:
        previous = resource.get("status", {})
        status = status_of(looked.made, looked.desired, looked.snapshot, previous)
        self.status = status
        events = (*done, *transitions(previous, status))
        if status != previous or events:
            publish(self.kube, resource, status, events, looked.snapshot.now)
