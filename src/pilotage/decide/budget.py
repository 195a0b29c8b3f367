"""Whether a rolling update of istiod and gateways stays within their PodDisruptionBudgets. Called by `rollout`.

A rollout does not ask the budget, evictions do; so what it may take away is counted here, as the Deployment would.
"""

import math
from collections.abc import Iterable

from pilotage.decide.install import control_plane
from pilotage.domain.names import gateway_part
from pilotage.domain.objects import Obj, ref_of
from pilotage.domain.state import Desired, Snapshot


def below_budget(desired: Desired, snapshot: Snapshot, revision: str) -> str:
    """Why a rollout of `revision` could leave fewer pods of istiod or a gateway than a budget asks for, "" if not."""
    plane = control_plane(snapshot, revision)
    short = [_short("istiod", desired.objects.get(revision, ()), plane.desired)] if plane else []
    for gateway in desired.gateways:
        objects = desired.gateway_objects.get(gateway_part(revision, gateway.name), ())
        live = next((snapshot.live.get(ref_of(obj)) for obj in objects if obj["kind"] == "Deployment"), None)
        replicas = live["spec"].get("replicas", 1) if live else 0
        short.append(_short(f"gateway {gateway.name}", objects, replicas))
    return next(filter(None, short), "")


def _short(what: str, rendered: Iterable[Obj], replicas: int) -> str:
    objects = {obj["kind"]: obj for obj in rendered}
    deployment, budget = objects.get("Deployment"), objects.get("PodDisruptionBudget")
    if deployment is None or budget is None:
        return ""
    left, least = replicas - _taken(deployment, replicas), _least(budget, replicas)
    if left >= min(least, replicas):
        return ""
    return f"a rollout may leave {left} of {replicas} pods of {what}, and its PodDisruptionBudget asks for {least}"


def _taken(deployment: Obj, replicas: int) -> int:
    """Pods that may be missing meanwhile; Kubernetes rounds it down, to 25% where nothing is said."""
    strategy = deployment["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return replicas
    rolling = strategy.get("rollingUpdate") or {}
    return math.floor(_count(rolling.get("maxUnavailable", "25%"), replicas))


def _least(budget: Obj, replicas: int) -> int:
    """Pods that must stay; Kubernetes rounds both ways of saying it up."""
    spec = budget["spec"]
    if "minAvailable" in spec:
        return math.ceil(_count(spec["minAvailable"], replicas))
    return replicas - math.ceil(_count(spec.get("maxUnavailable", replicas), replicas))


def _count(value: int | str, replicas: int) -> float:
    text = str(value)
    return int(text[:-1]) * replicas / 100 if text.endswith("%") else int(text)
