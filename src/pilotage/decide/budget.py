"""Whether a rolling update stays within PodDisruptionBudgets. Called by `rollout` and by `proxyrestarts`.

A rollout does not ask the budget, evictions do; so what it may take away is counted here, as its controller would.
"""

import math
from collections.abc import Iterable

from pilotage.decide.install import control_plane
from pilotage.decide.selectors import matches
from pilotage.domain.cluster import Budget, Pod, Workload
from pilotage.domain.names import gateway_part
from pilotage.domain.objects import Obj, ref_of
from pilotage.domain.quantity import left_out, of_count
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
    spec = budget["spec"]
    left = replicas - _taken(deployment, replicas)
    least = _least(spec.get("minAvailable"), spec.get("maxUnavailable"), replicas)
    if left >= min(least, replicas):
        return ""
    return f"a rollout may leave {left} of {replicas} pods of {what}, and its PodDisruptionBudget asks for {least}"


def budgets_of(workload: Workload, budgets: Iterable[Budget]) -> tuple[Budget, ...]:
    """Those that a restart takes pods of; none where it adds a pod before it takes one."""
    near = (each for each in budgets if each.namespace == workload.namespace and workload.missing)
    return tuple(each for each in near if matches(each.pods, workload.labels))


def below_any(workload: Workload, pods: Iterable[Pod], budgets: Iterable[Budget]) -> str:
    """Why a restart could leave fewer Ready pods than a budget of theirs asks for, "" where it cannot.

    A budget may be of pods of other workloads too.
    """
    mine = budgets_of(workload, budgets)
    alive = [pod for pod in pods if pod.namespace == workload.namespace and not pod.finished and not pod.deleting]
    for budget in mine:
        theirs = [pod for pod in alive if matches(budget.pods, pod.labels)]
        ready, least = sum(pod.ready for pod in theirs), _least(budget.least, budget.most, len(theirs))
        if ready - workload.missing < least:
            return (
                f"a restart may take away {workload.missing} of {ready} Ready pods, and PodDisruptionBudget "
                f"{budget.name} asks for {least}"
            )
    return ""


def _taken(deployment: Obj, replicas: int) -> int:
    """Pods that may be missing meanwhile; Kubernetes rounds it down, to 25% where nothing is said."""
    strategy = deployment["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return replicas
    rolling = strategy.get("rollingUpdate") or {}
    return left_out(rolling.get("maxUnavailable"), rolling.get("maxSurge"), replicas)


def _least(least: int | str | None, most: int | str | None, expected: int) -> int:
    """Pods that must stay of those expected; Kubernetes rounds both ways of saying it up."""
    if least is not None:
        return math.ceil(of_count(least, expected))
    return expected - math.ceil(of_count(expected if most is None else most, expected))
