"""StatefulSets and DaemonSets: pods with a name or a node of their own, replaced one at a time."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from pilotage_memory.controllers.base import Base, digest, place_of, place_of_owner, ready
from pilotage_memory.controllers.loop import Loop, Place
from pilotage_memory.controllers.objects import (
    DAEMON_SET,
    NODE,
    POD,
    STATEFUL_SET,
    deleting,
    finished,
    holds,
    is_a,
    labels_of,
)
from pilotage_memory.controllers.refusals import Refusals
from pilotage_memory.errors import ApiError
from pilotage_memory.kinds import Kind, Obj

HASH = "controller-revision-hash"


class _Sets(Base, ABC):
    kind: Kind

    def __init__(self, loop: Loop) -> None:
        super().__init__(loop)
        self._refused = Refusals()

    def wants(self, event: str, obj: Obj) -> Iterable[Place]:
        if is_a(self.kind, obj) and event != "DELETED":
            yield place_of(self.kind.kind, obj)
        elif is_a(POD, obj):
            yield from place_of_owner(self.kind, obj)
        yield from self._refused.after(event, obj)

    def reconcile(self, place: Place) -> None:
        each = self.cache.get(self.kind, place.name, place.namespace)
        self._refused.note(place, "")
        if each is None or deleting(each):
            return
        current = digest(each["spec"]["template"])
        try:
            self._step(each, current)
        except ApiError as error:
            if error.status == 409:
                raise
            self._refused.note(place, error.message)
        self.write_status(each, self._status(each, current))

    @abstractmethod
    def _step(self, each: Obj, current: str) -> None:
        """One step towards pods of the template whose digest is `current`. Raises ApiError where a pod is refused."""

    @abstractmethod
    def _status(self, each: Obj, current: str) -> Obj:
        """The whole status."""

    def _all(self, each: Obj) -> list[Obj]:
        """Its pods, those included that are on their way out: their names and nodes are not free yet."""
        return [pod for pod in self.cache.owned(each, POD) if not finished(pod)]


class StatefulSets(_Sets):
    kind = STATEFUL_SET

    def _step(self, each: Obj, current: str) -> None:
        """In order: the next pod when those before it are ready, outdated ones from the last to the first."""
        pods = {pod["metadata"]["name"]: pod for pod in self._all(each)}
        names = [f"{each['metadata']['name']}-{number}" for number in range(each["spec"].get("replicas", 1))]
        for extra in [name for name in pods if name not in names]:
            self.remove(POD, pods[extra])
        for name in names:
            if name not in pods:
                labels = {HASH: f"{each['metadata']['name']}-{current}", "statefulset.kubernetes.io/pod-name": name}
                self.make_pod(each, name, labels)
                return
            if not holds(pods[name], "Ready") and not _outdated(pods[name], current):
                return
        if (each["spec"].get("updateStrategy") or {}).get("type") != "OnDelete":
            for name in reversed(names):
                if _outdated(pods[name], current):
                    self.remove(POD, pods[name])
                    return

    def _status(self, each: Obj, current: str) -> Obj:
        pods = self.pods_of(each)
        fresh = [pod for pod in pods if not _outdated(pod, current)]
        done = len(fresh) == len(pods) == each["spec"].get("replicas", 1)
        update = f"{each['metadata']['name']}-{current}"
        before = each.get("status", {}).get("currentRevision", update)
        status = {"observedGeneration": each["metadata"]["generation"], "replicas": len(pods), "collisionCount": 0}
        status |= {"currentRevision": update if done else before, "updateRevision": update}
        status |= {"readyReplicas": ready(pods), "availableReplicas": ready(pods), "updatedReplicas": len(fresh)}
        return status | {"currentReplicas": len(pods) if done else len(pods) - len(fresh)}


class DaemonSets(_Sets):
    kind = DAEMON_SET

    def wants(self, event: str, obj: Obj) -> Iterable[Place]:
        yield from super().wants(event, obj)
        if is_a(NODE, obj):
            yield from (place_of(self.kind.kind, each) for each in self.cache.list(DAEMON_SET))

    def _step(self, each: Obj, current: str) -> None:
        """A pod on every node; an outdated one goes when all others are ready."""
        pods = {pod["spec"]["nodeName"]: pod for pod in self._all(each)}
        nodes = [node["metadata"]["name"] for node in self.cache.list(NODE)]
        for name in nodes:
            if name not in pods:
                self.make_pod(each, labels={HASH: current}, node=name)
        if set(nodes) != pods.keys() or (each["spec"].get("updateStrategy") or {}).get("type") == "OnDelete":
            return
        outdated = [pod for pod in pods.values() if _outdated(pod, current)]
        busy = any(not holds(pod, "Ready") or deleting(pod) for pod in pods.values() if pod not in outdated[:1])
        if outdated and not busy:
            self.remove(POD, outdated[0])

    def _status(self, each: Obj, current: str) -> Obj:
        pods, nodes = self.pods_of(each), self.cache.list(NODE)
        fresh = [pod for pod in pods if not _outdated(pod, current)]
        status = {"observedGeneration": each["metadata"]["generation"], "numberMisscheduled": 0}
        status |= {"desiredNumberScheduled": len(nodes), "currentNumberScheduled": len(pods)}
        return status | {
            "updatedNumberScheduled": len(fresh),
            "numberReady": ready(pods),
            "numberAvailable": ready(pods),
            "numberUnavailable": len(nodes) - ready(pods),
        }


def _outdated(pod: Obj, current: str) -> bool:
    return not labels_of(pod).get(HASH, "").endswith(current)
