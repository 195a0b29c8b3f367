"""The closed set of writes. An action is data, may be repeated, and is done when the cluster shows it."""

import msgspec

from pilotage.domain.findings import Finding
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
    """What the plan looks for before it goes on: the object and the cause, in the user's words."""

    subject: str
    cause: str


class Plan(msgspec.Struct, frozen=True):
    """`now`: safe at this moment. `later`: the rest of the way, for people. `waits`: what must be seen first."""

    phase: str
    now: tuple[Action, ...] = ()
    later: tuple[str, ...] = ()
    waits: tuple[Wait, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def settled(self) -> bool:
        return not (self.now or self.later or self.waits)
