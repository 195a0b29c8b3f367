"""What rendered objects will ask of the cluster: pods with their requests, counts of objects. Called by `capacity`."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from pilotage.domain.objects import Obj, ObjectRef, ref_of
from pilotage.domain.quantity import parse_quantity

Amounts = dict[str, int]  # cpu in millicores, memory in bytes


class PodNeed(msgspec.Struct, frozen=True):
    """Pods of one Deployment: how many at least, and what each asks for."""

    deployment: ObjectRef
    replicas: int
    requests: Amounts
    limits: Amounts
    tolerations: tuple[Obj, ...] = ()

    def tolerates(self, taint: str) -> bool:
        return any(toleration.get("key") in (None, taint) for toleration in self.tolerations)


def pod_needs(objects: Iterable[Obj]) -> tuple[PodNeed, ...]:
    """One per Deployment. An HPA's minimum counts where there is one."""
    everything = tuple(objects)
    least = {
        obj["spec"]["scaleTargetRef"]["name"]: obj["spec"].get("minReplicas", 1)
        for obj in everything
        if obj["kind"] == "HorizontalPodAutoscaler"
    }
    return tuple(
        _need(obj, least.get(obj["metadata"]["name"], obj["spec"].get("replicas", 1)))
        for obj in everything
        if obj["kind"] == "Deployment"
    )


def object_counts(objects: Iterable[Obj]) -> Counter[str]:
    """As ResourceQuota names them: `count/deployments.apps`, and the short forms of old (`services`, `configmaps`)."""
    counts: Counter[str] = Counter()
    for obj in objects:
        group = obj["apiVersion"].rpartition("/")[0]
        kind = obj["kind"].lower()
        plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
        counts[f"count/{plural}.{group}" if group else f"count/{plural}"] += 1
        if not group:
            counts[plural] += 1
        if obj["kind"] == "Service":
            counts.update(_of_service(obj["spec"]))
    return counts


def _of_service(spec: Obj) -> Counter[str]:
    balanced = spec.get("type") == "LoadBalancer"
    opens = spec.get("type") == "NodePort" or (balanced and spec.get("allocateLoadBalancerNodePorts", True))
    ports = len(spec.get("ports") or ()) if opens else 0
    return Counter({"services.loadbalancers": int(balanced), "services.nodeports": ports})


def _need(deployment: Obj, replicas: int) -> PodNeed:
    spec = deployment["spec"]["template"]["spec"]
    return PodNeed(
        ref_of(deployment),
        replicas,
        _asked(spec, "requests"),
        _asked(spec, "limits"),
        tuple(spec.get("tolerations") or ()),
    )


def _asked(spec: Obj, kind: str) -> Amounts:
    """As the scheduler counts: containers and native sidecars together, or the largest init container if more."""
    inits = spec.get("initContainers") or []
    native = [container for container in inits if container.get("restartPolicy") == "Always"]
    together = [*(spec.get("containers") or []), *native]
    return {
        name: max(
            sum(_amount(container, kind, name) for container in together),
            max((_amount(container, kind, name) for container in inits), default=0),
        )
        for name in ("cpu", "memory")
    }


def _amount(container: Obj, kind: str, name: str) -> int:
    resources: dict[str, Any] = container.get("resources") or {}
    asked = (resources.get(kind) or {}).get(name)
    if asked is None and kind == "requests":  # the API server takes the limit where no request is given
        asked = (resources.get("limits") or {}).get(name, 0)
    scaled = parse_quantity(asked or 0) * (1000 if name == "cpu" else 1)
    return int(scaled.to_integral_value(rounding="ROUND_CEILING"))
