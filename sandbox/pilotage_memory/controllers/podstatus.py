"""What a kubelet says of a pod. Pure. Called by `kubelets`; the shapes are those that a real sandbox showed."""

import re
from typing import Final, NamedTuple

from pilotage_memory.controllers.base import Stamp
from pilotage_memory.controllers.objects import condition
from pilotage_memory.kinds import Obj

_SUFFIX: Final = re.compile(r"-(?:(crash|neverready|missing)|slow(\d*))$")
_SLOW: Final = 20  # seconds


class Behaviour(NamedTuple):
    """What the tag of a pod's first image asks for, as in a sandbox: to crash, never to be ready, to be missing.

    An image `auto` is missing: a gateway has it until an istiod puts a proxy in its place.
    """

    crash: bool = False
    never_ready: bool = False
    missing: bool = False
    pull_seconds: int = 0


def behaviour(pod: Obj) -> Behaviour:
    name = pod["spec"]["containers"][0].get("image", "").partition("@")[0].rpartition("/")[2]
    found = _SUFFIX.search(name.partition(":")[2])
    if not found:
        return Behaviour(missing=name == "auto")
    word, seconds = found.groups()
    if word is None:
        return Behaviour(pull_seconds=int(seconds or _SLOW))
    return Behaviour(word == "crash", word == "neverready", word == "missing")


class Place(NamedTuple):
    host: str
    address: str


class _View(NamedTuple):
    """Of the pod, and of its first container: the others run, as in a sandbox."""

    phase: str
    state: Obj
    up: bool = False


def unscheduled(pod: Obj, message: str, stamp: Stamp) -> Obj:
    conditions = stamp(pod, ("PodScheduled", False, "Unschedulable", message))
    return {"phase": "Pending", "conditions": conditions, "qosClass": _quality(pod)}


def starting(pod: Obj, place: Place, stamp: Stamp) -> Obj:
    """Bound, its containers on their way."""
    return _status(pod, place, stamp, _View("Pending", {"waiting": {"reason": "ContainerCreating"}}))


def running(pod: Obj, place: Place, stamp: Stamp) -> Obj:
    """As its image's tag has it."""
    asked, first = behaviour(pod), pod["spec"]["containers"][0]
    if asked.missing:
        message = f'Back-off pulling image "{first["image"]}"'
        waits = {"waiting": {"reason": "ImagePullBackOff", "message": message}}
        return _status(pod, place, stamp, _View("Pending", waits))
    if asked.crash:
        who = f"{first['name']} in pod {pod['metadata']['name']}_{pod['metadata']['namespace']}"
        message = f"back-off 10s restarting failed container={who}({pod['metadata']['uid']})"
        waits = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
        return _status(pod, place, stamp, _View("Running", waits))
    return _status(pod, place, stamp, _View("Running", _running(pod), not asked.never_ready))


def succeeded(pod: Obj, place: Place, stamp: Stamp) -> Obj:
    ended = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    status = _status(pod, place, stamp, _View("Succeeded", ended))
    for each in status["containerStatuses"]:
        each["state"] = ended
    return status


def _status(pod: Obj, place: Place, stamp: Stamp, view: _View) -> Obj:
    phase, state, up = view
    first, *others = pod["spec"]["containers"]
    begun = phase == "Running"
    unready = ("ContainersNotReady", f"containers with unready status: [{first['name']}]")
    why = ("", "") if up else ("PodCompleted", "") if phase == "Succeeded" else unready
    conditions = stamp(
        pod,
        ("Initialized", True, "", ""),
        ("Ready", up, *why),
        ("ContainersReady", up, *why),
        ("PodScheduled", True, "", ""),
    )
    crashed = "CrashLoopBackOff" in str(state)
    told = [_container(first, state, ready=up, restarts=int(crashed))]
    told += [_container(each, _running(pod) if begun else state, ready=begun) for each in others]
    status = {"phase": phase, "conditions": conditions, "containerStatuses": told, "qosClass": _quality(pod)}
    status |= {"hostIP": place.host, "hostIPs": [{"ip": place.host}], "startTime": pod["metadata"]["creationTimestamp"]}
    if begun or phase == "Succeeded":
        status |= {"podIP": place.address, "podIPs": [{"ip": place.address}]}
    if pod["spec"].get("initContainers"):
        status["initContainerStatuses"] = [_init(each, pod, begun) for each in pod["spec"]["initContainers"]]
    return status


def _container(spec: Obj, state: Obj, *, ready: bool, restarts: int = 0) -> Obj:
    known = {"name": spec["name"], "image": spec.get("image", ""), "imageID": "", "lastState": {}}
    return known | {"ready": ready, "started": "running" in state, "restartCount": restarts, "state": state}


def _init(spec: Obj, pod: Obj, begun: bool) -> Obj:
    """One that has ended, or a native sidecar, which runs on."""
    if not begun:
        return _container(spec, {"waiting": {"reason": "PodInitializing"}}, ready=False)
    if spec.get("restartPolicy") == "Always":
        return _container(spec, _running(pod), ready=True)
    return _container(spec, {"terminated": {"exitCode": 0, "reason": "Completed"}}, ready=True)


def _running(pod: Obj) -> Obj:
    since = condition(pod, "Initialized").get("lastTransitionTime") or pod["metadata"]["creationTimestamp"]
    return {"running": {"startedAt": since}}


def _quality(pod: Obj) -> str:
    asked = any(each.get("resources") for each in pod["spec"]["containers"])
    return "Burstable" if asked else "BestEffort"
