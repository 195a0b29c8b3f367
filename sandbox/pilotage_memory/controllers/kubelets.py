"""Scheduler and kubelets: pods get a node with room, run as their image's tag says, and end when they are deleted."""

from collections.abc import Iterable

from pilotage_memory.controllers import podstatus
from pilotage_memory.controllers.base import Base, place_of
from pilotage_memory.controllers.loop import Loop, Place
from pilotage_memory.controllers.objects import NODE, POD, deleting, finished, holds, is_a, key_of, owner_of
from pilotage_memory.controllers.resources import Amounts, fits, requested, total
from pilotage_memory.kinds import Obj

_HARD = ("NoSchedule", "NoExecute")


class Scheduler(Base):
    manager = "kube-scheduler"

    def wants(self, event: str, obj: Obj) -> Iterable[Place]:
        if is_a(POD, obj) and event != "DELETED":
            if "nodeName" not in obj["spec"]:
                yield place_of("bind", obj)
        elif is_a(NODE, obj) or is_a(POD, obj):
            for pod in self.cache.list(POD):
                if "nodeName" not in pod["spec"]:
                    yield place_of("bind", pod)

    def reconcile(self, place: Place) -> None:
        pod = self.cache.get(POD, place.name, place.namespace)
        if pod is None or "nodeName" in pod["spec"] or deleting(pod):
            return
        node = self._node(requested(pod))
        if node:
            self.edit(pod, "spec", "nodeName", value=node)
            return
        words = f"0/{len(self.cache.list(NODE))} nodes are available: none has room for the pod."
        self.write_status(pod, podstatus.unscheduled(pod, words, self.conditions))

    def _node(self, wanted: Amounts) -> str:
        """The emptiest one that takes it, "" for none."""
        used: dict[str, list[Amounts]] = {}
        for pod in self.cache.list(POD):
            if "nodeName" in pod["spec"] and not finished(pod):
                used.setdefault(pod["spec"]["nodeName"], []).append(requested(pod))
        names = {
            node["metadata"]["name"]: used.get(node["metadata"]["name"], [])
            for node in self.cache.list(NODE)
            if _open(node)
            and fits(wanted, total(used.get(node["metadata"]["name"], [])), node["status"]["allocatable"])
        }
        return min(names, key=lambda name: len(names[name]), default="")


def _open(node: Obj) -> bool:
    spec = node.get("spec") or {}
    tainted = any(taint.get("effect") in _HARD for taint in spec.get("taints") or ())
    return not spec.get("unschedulable") and not tainted and holds(node, "Ready")


class Kubelets(Base):
    """Of all nodes."""

    manager = "kubelet"

    def __init__(self, loop: Loop) -> None:
        super().__init__(loop)
        self._addresses: dict[str, str] = {}  # by the pod's uid
        self._given = 0

    def wants(self, event: str, obj: Obj) -> Iterable[Place]:
        if is_a(POD, obj):
            if event == "DELETED":
                self._addresses.pop(obj["metadata"]["uid"], None)
            elif "nodeName" in obj["spec"]:
                yield place_of("run", obj)

    def reconcile(self, place: Place) -> None:
        pod = self.cache.get(POD, place.name, place.namespace)
        if pod is None or "nodeName" not in pod["spec"]:
            return
        uid = pod["metadata"]["uid"]
        if deleting(pod):
            if self.loop.elapsed("end", uid):
                self.store.delete(key_of(POD, place.name, place.namespace), grace=0)
        elif not finished(pod):
            self.write_status(pod, self._status(pod, uid))

    def _status(self, pod: Obj, uid: str) -> Obj:
        where = podstatus.Place(self._host(pod["spec"]["nodeName"]), self._address(uid))
        pulled = self.loop.elapsed("pull", uid, podstatus.behaviour(pod).pull_seconds)
        if not pulled or not self.loop.elapsed("ready", uid):
            return podstatus.starting(pod, where, self.conditions)
        ends = (owner_of(pod) or {}).get("kind") == "Job"
        if ends and holds(pod, "Ready") and self.loop.elapsed("done", uid):
            return podstatus.succeeded(pod, where, self.conditions)
        return podstatus.running(pod, where, self.conditions)

    def _host(self, node: str) -> str:
        found = self.cache.get(NODE, node) or {}
        addresses = found.get("status", {}).get("addresses") or ()
        return next((str(each["address"]) for each in addresses if each["type"] == "InternalIP"), "")

    def _address(self, uid: str) -> str:
        if uid not in self._addresses:
            self._given += 1
            self._addresses[uid] = f"10.244.{self._given // 250}.{self._given % 250 + 1}"
        return self._addresses[uid]
