"""HorizontalPodAutoscalers without metrics: a Deployment's size is kept between least and most, and 0 is left alone."""

from collections.abc import Iterable

from pilotage_memory.controllers.base import Base, place_of
from pilotage_memory.controllers.loop import Place
from pilotage_memory.controllers.objects import AUTOSCALER, DEPLOYMENT, is_a
from pilotage_memory.kinds import Obj


class Autoscalers(Base):
    def wants(self, event: str, obj: Obj) -> Iterable[Place]:
        if is_a(AUTOSCALER, obj) and event != "DELETED":
            yield place_of("HorizontalPodAutoscaler", obj)
        elif is_a(DEPLOYMENT, obj):
            meta = obj["metadata"]
            for scaler in self.cache.list(AUTOSCALER, meta["namespace"]):
                if _target(scaler) == meta["name"]:
                    yield place_of("HorizontalPodAutoscaler", scaler)

    def reconcile(self, place: Place) -> None:
        scaler = self.cache.get(AUTOSCALER, place.name, place.namespace)
        deployment = self.cache.get(DEPLOYMENT, _target(scaler), place.namespace) if scaler else None
        if scaler is None or deployment is None:
            return
        size = deployment["spec"].get("replicas", 1)
        wanted = min(max(size, scaler["spec"].get("minReplicas", 1)), scaler["spec"]["maxReplicas"]) if size else 0
        self.edit(deployment, "spec", "replicas", value=wanted)
        self.write_status(scaler, {"currentReplicas": size, "desiredReplicas": wanted})


def _target(scaler: Obj) -> str:
    target = scaler["spec"]["scaleTargetRef"]
    return str(target["name"]) if target["kind"] == "Deployment" else ""
