"""Publishes what a plan found: the status subresource and an Event per transition; writes only on difference."""

from contextlib import suppress
from datetime import datetime

from pilotage.domain.errors import Refused
from pilotage.domain.names import API_VERSION, MANAGER, MESH_KIND, MESH_NAME
from pilotage.domain.objects import Obj
from pilotage.edge.kube import Kube
from pilotage.edge.mesh import MESH


def publish(kube: Kube, uid: str, previous: Obj, status: Obj, now: datetime) -> None:
    """Writes `status` if it differs from `previous`; a change of phase also becomes an Event."""
    if status == previous:
        return
    kube.patch(MESH, {"status": status}, subresource="status")
    if status["phase"] != previous.get("phase"):
        ready = next(condition for condition in status["conditions"] if condition["type"] == "Ready")
        kind = "Warning" if status["phase"] in ("RemovalBlocked", "Blocked") else "Normal"
        with suppress(Refused):  # an Event is a courtesy: without the right to write it the work goes on
            _record(kube, uid, (kind, status["phase"], ready["message"]), now)


def _record(kube: Kube, uid: str, event: tuple[str, str, str], now: datetime) -> None:
    kind, reason, message = event
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    kube.create(
        {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"generateName": "pilotage-", "namespace": "default"},
            "eventTime": stamp,
            "type": kind,
            "reason": reason,
            "note": message[:1000],
            "action": "Reconcile",
            "reportingController": "pilotage.dev/pilotage",
            "reportingInstance": MANAGER,
            "regarding": {"apiVersion": API_VERSION, "kind": MESH_KIND, "name": MESH_NAME, "uid": uid},
        }
    )
