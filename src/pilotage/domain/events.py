"""What is told as an Event of the ServiceMesh: made by `decide`, written by `edge`."""

import msgspec

from pilotage.domain.objects import ObjectRef


class Event(msgspec.Struct, frozen=True):
    """`reason` and `action` are CamelCase. `key`: the same key again is the same thing happening again, by default the
    same note. `related`: the object that it is about beside the ServiceMesh."""

    reason: str
    note: str
    action: str = "Reconcile"
    warning: bool = False
    related: ObjectRef | None = None
    key: str = ""
