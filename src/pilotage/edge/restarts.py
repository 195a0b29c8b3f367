"""The operator's restarts as the status of the ServiceMesh tells them: written where they differ.

Called by the operator. The loop writes the rest of the status, and leaves this alone.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from pilotage.domain.events import Event
from pilotage.domain.objects import Obj
from pilotage.domain.restarts import Restarts
from pilotage.edge.kube import Kube
from pilotage.edge.mesh import RESTARTS
from pilotage.edge.status import publish


def tell(kube: Kube, resource: Obj, restarts: Restarts | None, events: Iterable[Event], now: datetime) -> None:
    """`resource` as read. None takes away what was told."""
    before = (resource.get("status") or {}).get(RESTARTS) or {}
    after = msgspec.json.decode(msgspec.json.encode(restarts)) if restarts else {}
    gone = dict.fromkeys(before.keys() - after.keys())  # a merge keeps what is left out
    publish(kube, resource, {RESTARTS: {**gone, **after} if restarts else None}, events, now)
