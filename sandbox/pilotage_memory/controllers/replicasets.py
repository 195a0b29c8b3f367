"""ReplicaSets: as many pods as wanted, made again when they go; why not, where admission refuses them."""

from collections.abc import Iterable

from pilotage_memory.controllers.base import Base, place_of, place_of_owner, ready
from pilotage_memory.controllers.loop import Loop, Place
from pilotage_memory.controllers.objects import POD, REPLICA_SET, condition, deleting, holds, is_a
from pilotage_memory.controllers.refusals import Refusals
from pilotage_memory.errors import ApiError
from pilotage_memory.kinds import Obj


class ReplicaSets(Base):
    def __init__(self, loop: Loop) -> None:
        super().__init__(loop)
        self._refused = Refusals()

    def wants(self, event: str, obj: Obj) -> Iterable[Place]:
        if is_a(REPLICA_SET, obj) and event != "DELETED":
            yield place_of("ReplicaSet", obj)
        elif is_a(POD, obj):
            yield from place_of_owner(REPLICA_SET, obj)
        yield from self._refused.after(event, obj)

    def reconcile(self, place: Place) -> None:
        each = self.cache.get(REPLICA_SET, place.name, place.namespace)
        if each is None or deleting(each):
            self._refused.note(place, "")
            return
        pods = self.pods_of(each)
        missing = each["spec"]["replicas"] - len(pods)
        for pod in sorted(pods, key=_worth)[: max(0, -missing)]:
            self.remove(POD, pod)
        self._refused.note(place, self._add(each, missing))
        self._tell(each, self._refused[place])

    def _add(self, each: Obj, missing: int) -> str:
        """Makes pods; why one was refused."""
        for _ in range(missing):
            try:
                self.make_pod(each)
            except ApiError as error:
                return error.message
        return ""

    def _tell(self, each: Obj, failure: str) -> None:
        pods = self.pods_of(each)
        up = ready(pods)
        status: Obj = {"observedGeneration": each["metadata"]["generation"], "replicas": len(pods)}
        status["terminatingReplicas"] = 0
        if pods:
            status["fullyLabeledReplicas"] = len(pods)
        status |= {"readyReplicas": up, "availableReplicas": up} if up else {}
        if failure:  # told once, as kube-controller-manager does: each attempt names another pod
            told = condition(each, "ReplicaFailure").get("message") or failure
            status["conditions"] = self.conditions(each, ("ReplicaFailure", True, "FailedCreate", told))
        self.write_status(each, status)


def _worth(pod: Obj) -> tuple[bool, str]:
    """What is not ready goes first, then by name: no clock tells pods of one second apart."""
    return (holds(pod, "Ready"), str(pod["metadata"]["name"]))
