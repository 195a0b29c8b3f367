"""Whether a rolling update of an istiod stays within its PodDisruptionBudget. Called by `rollout`.

A rollout does not ask the budget, evictions do; so what it may take away is counted here, as the Deployment would.
"""

import math

from pilotage.decide.install import control_plane
from pilotage.domain.objects import Obj
from pilotage.domain.state import Desired, Snapshot


def below_budget(desired: Desired, snapshot: Snapshot, revision: str) -> str:
    """Why a rollout of `revision` could leave fewer pods than its budget asks for, "" where it cannot."""
    objects = {obj["kind"]: obj for obj in desired.objects.get(revision, ())}
    deployment, budget = objects.get("Deployment"), objects.get("PodDisruptionBudget")
    plane = control_plane(snapshot, revision)
    if deployment is None or budget is None or plane is None:
        return ""
    replicas = plane.desired
    left, least = replicas - _taken(deployment, replicas), _least(budget, replicas)
    if left >= min(least, replicas):
        return ""
    return f"a rollout may leave {left} of {replicas} pods of istiod, and its PodDisruptionBudget asks for {least}"


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
