"""What the operator's restarts of applications have come to in one opening of their window, as the status keeps it."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

Moment = Annotated[datetime, Meta(tz=True)]


class Underway(msgspec.Struct, frozen=True, omit_defaults=True):
    """A workload whose pods are not all new and Ready. `cause`: why, once it is late."""

    workload: str  # Deployment shop/web
    since: Moment
    cause: str = ""


class HeldBack(msgspec.Struct, frozen=True):
    """A workload that is behind, and why it is not begun."""

    workload: str
    cause: str


class Restarts(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """`behind`: workloads that this opening has yet to restart, those held back included. `stopped`: why none is."""

    window: str = ""
    opened: Moment | None = None
    until: Moment | None = None
    restarted: int = 0
    behind: int = 0
    underway: tuple[Underway, ...] = ()
    held_back: tuple[HeldBack, ...] = ()
    stopped: str = ""
