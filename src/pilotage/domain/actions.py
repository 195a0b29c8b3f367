"""The closed set of writes. An action is data, may be repeated, and is done when the cluster shows it."""

from datetime import datetime

import msgspec

from pilotage.domain.events import Event
from pilotage.domain.findings import Finding
from pilotage.domain.mesh import PatchState, Removal
from pilotage.domain.names import MANAGER
from pilotage.domain.objects import Obj, ObjectRef, ref_of


class Apply(msgspec.Struct, frozen=True):
    """Server-side apply of `body`, whole for its manager: a field left out is given up."""

    body: Obj
    why: str
    manager: str = MANAGER

    @property
    def ref(self) -> ObjectRef:
        return ref_of(self.body)


class Patch(msgspec.Struct, frozen=True):
    """JSON merge patch; `None` deletes a field."""

    ref: ObjectRef
    body: Obj
    why: str


class Delete(msgspec.Struct, frozen=True):
    """Delete in the background; absent already is done already."""

    ref: ObjectRef
    why: str


Action = Apply | Patch | Delete


class Wait(msgspec.Struct, frozen=True):
    """What the plan looks for before it goes on: the object and the cause, in the user's words.

    `until`: when it ends by itself; None where something must be seen to change.
    """

    subject: str
    cause: str
    until: datetime | None = None


class Plan(msgspec.Struct, frozen=True):
    """`now`: safe at this moment. `later`: the rest of the way, for people. `waits`: what must be seen first.

    `removal`, `leaving` (gateways that soak), `patch`: to be kept in the status. `events`: told once `now` is written.
    `again`: when there will be more to do, though nothing changes and nothing is waited for.
    """

    phase: str
    now: tuple[Action, ...] = ()
    later: tuple[str, ...] = ()
    waits: tuple[Wait, ...] = ()
    findings: tuple[Finding, ...] = ()
    removal: Removal | None = None
    events: tuple[Event, ...] = ()
    again: datetime | None = None
    patch: PatchState | None = None
    leaving: tuple[Removal, ...] = ()

    @property
    def settled(self) -> bool:
        return not (self.now or self.later or self.waits)

    @property
    def due(self) -> datetime | None:
        """When the first of its waits ends by itself, or `again`; None where something must be seen to change."""
        ends = [wait.until for wait in self.waits if wait.until]
        if len(ends) < len(self.waits):
            return None
        return min((*ends, *((self.again,) if self.again else ())), default=None)

    def left(self, now: datetime) -> float:
        """Seconds until `due`; 0 where it is past, or never."""
        return max(0.0, (self.due - now).total_seconds()) if self.due else 0.0
