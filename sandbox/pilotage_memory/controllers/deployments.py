"""Deployments: a ReplicaSet for each template, a rollout from the old ones to the new one, the status that tells it."""

from collections.abc import Iterable, Sequence

from pilotage_memory.controllers.base import HASH, Base, digest, place_of, place_of_owner
from pilotage_memory.controllers.loop import Place
from pilotage_memory.controllers.objects import (
    DEPLOYMENT,
    REPLICA_SET,
    annotations_of,
    condition,
    deleting,
    is_a,
    named,
    owned_by,
)
from pilotage_memory.controllers.rolling import Side, grown, room, shrunk
from pilotage_memory.kinds import Obj
from pilotage_memory.store import clone

_REVISION = "deployment.kubernetes.io/revision"
_KEPT = 10  # old ReplicaSets, where the Deployment does not say


class Deployments(Base):
    def wants(self, event: str, obj: Obj) -> Iterable[Place]:
        if is_a(DEPLOYMENT, obj) and event != "DELETED":
            yield place_of("Deployment", obj)
        elif is_a(REPLICA_SET, obj):
            yield from place_of_owner(DEPLOYMENT, obj)

    def reconcile(self, place: Place) -> None:
        """One step; each write of a ReplicaSet leads to the next."""
        deployment = self.cache.get(DEPLOYMENT, place.name, place.namespace)
        if deployment is None or deleting(deployment):
            return
        sets = self.cache.owned(deployment, REPLICA_SET)
        name = f"{place.name}-{digest(deployment['spec']['template'])}"
        new = next((each for each in sets if each["metadata"]["name"] == name), None)
        if deployment["spec"].get("paused"):
            self._tell(deployment, new, sets)
            return
        if new is None:
            self._make(deployment, name, sets)
            return
        old = [each for each in sets if each is not new]
        if not self._number(deployment, new, old) and not self._scale(deployment, new, old):
            self._forget(deployment, old)
            self._tell(deployment, new, sets)

    def _make(self, deployment: Obj, name: str, sets: Sequence[Obj]) -> None:
        template = clone(deployment["spec"]["template"])
        hashed = name.rpartition("-")[2]
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels[HASH] = hashed
        selector = clone(deployment["spec"]["selector"])
        selector.setdefault("matchLabels", {})[HASH] = hashed
        spec = {"replicas": 0, "selector": selector, "template": template}
        made = named(REPLICA_SET, name, deployment["metadata"]["namespace"], labels=dict(labels), spec=spec)
        number = 1 + max((_number_of(each) for each in sets), default=0)
        made["metadata"] |= {"ownerReferences": [owned_by(deployment)], "annotations": {_REVISION: str(number)}}
        self.store.create(made, manager=self.manager)

    def _number(self, deployment: Obj, new: Obj, old: Sequence[Obj]) -> bool:
        """The revision number of the template, on the ReplicaSet and on the Deployment. True after a write."""
        highest = max((_number_of(each) for each in old), default=0)
        if _number_of(new) <= highest:
            self.edit(new, "metadata", "annotations", _REVISION, value=str(highest + 1))
            return True
        number = annotations_of(new)[_REVISION]
        if annotations_of(deployment).get(_REVISION) != number:
            self.edit(deployment, "metadata", "annotations", _REVISION, value=number)
            return True
        return False

    def _scale(self, deployment: Obj, new: Obj, old: Sequence[Obj]) -> bool:
        """The next sizes. True after a write."""
        replicas = deployment["spec"].get("replicas", 1)
        strategy = deployment["spec"].get("strategy") or {}
        fresh, worn = _side(new), [_side(each) for each in old]
        if strategy.get("type") == "Recreate":
            gone = not any(side.size for side in worn) and not any(
                each.get("status", {}).get("replicas") for each in old
            )
            sizes, size = [0] * len(worn), replicas if gone else fresh.size
        else:
            limits = strategy.get("rollingUpdate") or {}
            space = room(replicas, limits.get("maxSurge", "25%"), limits.get("maxUnavailable", "25%"))
            size = grown(replicas, space, fresh, worn)
            sizes = shrunk(replicas, space, fresh, worn) if size == fresh.size else [side.size for side in worn]
        wanted = [(new, size), *zip(old, sizes, strict=True)]
        changed = [(each, number) for each, number in wanted if each["spec"]["replicas"] != number]
        for each, number in changed:
            self.edit(each, "spec", "replicas", value=number)
        return bool(changed)

    def _forget(self, deployment: Obj, old: Sequence[Obj]) -> None:
        idle = [each for each in old if not each["spec"]["replicas"] and not each.get("status", {}).get("replicas")]
        spare = len(idle) - int(deployment["spec"].get("revisionHistoryLimit", _KEPT))
        for each in sorted(idle, key=_number_of)[: max(0, spare)]:
            self.remove(REPLICA_SET, each)

    def _tell(self, deployment: Obj, new: Obj | None, sets: Sequence[Obj]) -> None:
        counts = {
            field: sum(each.get("status", {}).get(field, 0) for each in sets)
            for field in ("replicas", "readyReplicas", "availableReplicas")
        }
        counts["updatedReplicas"] = new.get("status", {}).get("replicas", 0) if new else 0
        replicas = deployment["spec"].get("replicas", 1)
        counts["unavailableReplicas"] = max(0, max(replicas, counts["replicas"]) - counts["availableReplicas"])
        status = {"observedGeneration": deployment["metadata"]["generation"], "terminatingReplicas": 0}
        status |= {field: number for field, number in counts.items() if number}
        status["conditions"] = self._conditions(deployment, new, counts)
        self.write_status(deployment, status)

    def _conditions(self, deployment: Obj, new: Obj | None, counts: dict[str, int]) -> list[Obj]:
        replicas = deployment["spec"].get("replicas", 1)
        limits = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
        space = room(replicas, limits.get("maxSurge", "25%"), limits.get("maxUnavailable", "25%"))
        enough = counts["availableReplicas"] >= replicas - space.unavailable
        done = counts["updatedReplicas"] == counts["replicas"] == counts["availableReplicas"] == replicas
        progressed = f'ReplicaSet "{new["metadata"]["name"] if new else ""}" has successfully progressed.'
        # A template that was available once is done, though pods may go: as syncRolloutStatus has it.
        once = condition(deployment, "Progressing").get("message") == progressed
        done = done or (once and counts["updatedReplicas"] == counts["replicas"])
        wanted = [
            ("Available", True, "MinimumReplicasAvailable", "Deployment has minimum availability.")
            if enough
            else ("Available", False, "MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
            ("Progressing", True, "NewReplicaSetAvailable", progressed)
            if done
            else (
                "Progressing",
                True,
                "ReplicaSetUpdated",
                progressed.replace("has successfully progressed", "is progressing"),
            ),
        ]
        failure = condition(new, "ReplicaFailure") if new else {}
        if failure:
            wanted.append(("ReplicaFailure", True, failure["reason"], failure["message"]))
        return self.conditions(deployment, *wanted)


def _side(each: Obj) -> Side:
    return Side(each["spec"]["replicas"], each.get("status", {}).get("availableReplicas", 0))


def _number_of(each: Obj) -> int:
    return int(annotations_of(each).get(_REVISION, 0))
