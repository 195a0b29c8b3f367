"""What a plan found: the status, then Events; written only on difference. Called by `publishing` and `restarts`."""

from collections.abc import Iterable
from datetime import datetime

from pilotage.domain.events import Event
from pilotage.domain.objects import Obj
from pilotage.edge.events import record
from pilotage.edge.kube import Kube
from pilotage.edge.mesh import MESH


def publish(kube: Kube, resource: Obj, status: Obj, events: Iterable[Event], now: datetime) -> None:
    """Writes `status` where it differs from the one in `resource`, the ServiceMesh as read; then each Event once.

    It is merged: None takes a field away, and what is left out stays as another wrote it.
    """
    there = resource.get("status") or {}
    if any(there.get(field) != value for field, value in status.items()):
        kube.patch(MESH, {"status": status}, subresource="status")
    for event in events:
        record(kube, resource["metadata"]["uid"], event, now)
