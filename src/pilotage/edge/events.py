"""Writes Events of the ServiceMesh, in namespace `default` as Kubernetes does for cluster-scoped objects.

The same thing again is a series on the Event that is there, bumped once a minute at most, so that a fight over a field
does not flood. The name follows from what is told: that holds for a restarted operator too. Called by `status`.
"""

import hashlib
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from pilotage.domain.errors import Refused
from pilotage.domain.events import Event
from pilotage.domain.names import API_VERSION, MANAGER, MESH_KIND, MESH_NAME
from pilotage.domain.objects import Obj, ObjectRef, ref_of
from pilotage.edge.failures import AlreadyThere, NotThere
from pilotage.edge.kube import Kube

_API: Final = "events.k8s.io/v1"
_SPACE: Final = "default"
_NOTE: Final = 1024  # the API server takes no more
_BUMP: Final = timedelta(minutes=1)


def record(kube: Kube, uid: str, event: Event, now: datetime) -> None:
    """An Event is a courtesy: without the right to write it the work goes on. Raises Retry and Unreachable."""
    body = _body(uid, event, now)
    ref = ref_of(body)
    with suppress(Refused, AlreadyThere, NotThere):  # another wrote it, or it expired, between the two requests
        there = kube.get(ref)
        if there is None:
            kube.create(body)
        else:
            _again(kube, ref, there, now)


def _again(kube: Kube, ref: ObjectRef, there: Obj, now: datetime) -> None:
    series = there.get("series") or {"count": 1, "lastObservedTime": there["eventTime"]}
    if now - datetime.fromisoformat(series["lastObservedTime"]) >= _BUMP:
        kube.patch(ref, {"series": {"count": series["count"] + 1, "lastObservedTime": _stamp(now)}})


def _body(uid: str, event: Event, now: datetime) -> Obj:
    parts = (uid, event.reason, event.action, str(event.related), event.key or event.note)
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    body: Obj = {
        "apiVersion": _API,
        "kind": "Event",
        "metadata": {"name": f"{MESH_NAME}.{digest}", "namespace": _SPACE},
        "eventTime": _stamp(now),
        "type": "Warning" if event.warning else "Normal",
        "reason": event.reason,
        "note": _cut(event.note),
        "action": event.action,
        "reportingController": "pilotage.dev/pilotage",
        "reportingInstance": MANAGER,
        "regarding": {"apiVersion": API_VERSION, "kind": MESH_KIND, "name": MESH_NAME, "uid": uid},
    }
    if event.related is not None:
        fields = ("apiVersion", "kind", "namespace", "name")
        body["related"] = {key: value for key, value in zip(fields, event.related, strict=True) if value}
    return body


def _cut(note: str) -> str:
    return note if len(note.encode()) <= _NOTE else note.encode()[: _NOTE - 3].decode(errors="ignore") + "…"


def _stamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
