"""The status a kubelet would write for a pod with one container of ours. Pure: time and what is there come in.

Called by `podreport`. Other containers of the pod (somebody may have added one) are shown as running and ready: the
sandbox runs only the first.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from pilotage_sandbox.kube import Object

_IMAGE_ID = "sandbox://"  # nothing was pulled; kubectl and others print this


@dataclass(frozen=True)
class View:
    """How the container is doing. `state` and `last` are ContainerState objects; `ran` is whether it ever has."""

    state: Object = field(default_factory=lambda: waiting("ContainerCreating"))
    last: Object = field(default_factory=dict)
    ready: bool = False
    restarts: int = 0
    ran: bool = False


@dataclass(frozen=True)
class Place:
    """Where the pod runs: its node's address and, once it has one, its own."""

    host: str = ""
    address: str = ""


def timestamp(now: float) -> str:
    """Epoch seconds as Kubernetes writes times."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def waiting(reason: str, message: str = "") -> Object:
    """ContainerState of a container that does not run and why."""
    return {"waiting": {"reason": reason, "message": message} if message else {"reason": reason}}


def running(since: float) -> Object:
    """ContainerState of a container that runs."""
    return {"running": {"startedAt": timestamp(since)}}


def terminated(code: int, message: str, since: float, now: float) -> Object:
    """ContainerState of a process that has ended; a negative `code` is the signal that ended it, as in asyncio."""
    ended: Object = {
        "exitCode": code if code >= 0 else 128 - code,
        "reason": "Completed" if code == 0 else "Error",
    }
    ended |= {"startedAt": timestamp(since), "finishedAt": timestamp(now)}
    if message:
        ended["message"] = message
    return {"terminated": ended}


def pod_status(pod: Object, view: View, place: Place, now: float) -> Object:
    """The whole status of `pod`, whose conditions keep their transition time where they do not change."""
    first, *others = pod["spec"]["containers"]
    own = {
        "name": first["name"],
        "image": first["image"],
        "imageID": _IMAGE_ID + first["image"] if view.ran else "",
        "ready": view.ready,
        "started": "running" in view.state,
        "restartCount": view.restarts,
        "state": view.state,
        "lastState": view.last,
    }
    status: Object = {
        "phase": _phase(pod, view),
        "conditions": _conditions(pod, view, place, now),
        "containerStatuses": [own, *(_other(container, pod, now) for container in others)],
        "qosClass": pod.get("status", {}).get("qosClass", "BestEffort"),
        "startTime": pod.get("status", {}).get("startTime") or timestamp(now),
    }
    if place.host:
        status |= {"hostIP": place.host, "hostIPs": [{"ip": place.host}]}
    if place.address:
        status |= {"podIP": place.address, "podIPs": [{"ip": place.address}]}
    return status


def _phase(pod: Object, view: View) -> str:
    """Only a pod that is being deleted ends: the process of any other is started again, restartPolicy is Always."""
    if "terminated" in view.state and "deletionTimestamp" in pod["metadata"]:
        return "Succeeded" if view.state["terminated"]["exitCode"] == 0 else "Failed"
    return "Running" if view.ran else "Pending"


def _conditions(pod: Object, view: View, place: Place, now: float) -> list[Object]:
    before = {condition["type"]: condition for condition in pod.get("status", {}).get("conditions", [])}
    unready = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{_first(pod)}]"}
    states: list[tuple[str, bool, Object]] = [
        ("PodReadyToStartContainers", bool(place.address), {}),
        ("Initialized", True, {}),
        ("Ready", view.ready, unready),
        ("ContainersReady", view.ready, unready),
        ("PodScheduled", True, {}),
    ]
    conditions = []
    for kind, good, why in states:
        word, old = "True" if good else "False", before.get(kind, {})
        since = old["lastTransitionTime"] if old.get("status") == word else timestamp(now)
        conditions.append({"type": kind, "status": word, "lastTransitionTime": since, **({} if good else why)})
    return conditions


def _first(pod: Object) -> str:
    return str(pod["spec"]["containers"][0]["name"])


def _other(container: Object, pod: Object, now: float) -> Object:
    since = pod.get("status", {}).get("startTime") or timestamp(now)
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": _IMAGE_ID + container["image"],
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": since}},
        "lastState": {},
    }
