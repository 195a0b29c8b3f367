"""Whether the nodes and the quotas hold what is to be installed. Called by `preflight`.

Placing is first fit over requests, taints and pod counts, as the scheduler would at best: affinity and node selectors
are not looked at, so what does not fit here fits nowhere.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from pilotage.decide.needs import PodNeed, object_counts, pod_needs
from pilotage.domain.cluster import Node, Pod, Quota
from pilotage.domain.findings import Finding
from pilotage.domain.objects import Obj, ref_of
from pilotage.domain.state import Snapshot


def capacity_short(snapshot: Snapshot, objects: Sequence[Obj]) -> Iterator[Finding]:
    """Pods of `objects` that no schedulable node can hold beside what runs there now."""
    if snapshot.unknown.keys() & {"nodes", "pods"}:
        return
    free = _free(snapshot)
    nodes = {node.name: node for node in snapshot.nodes}
    for need in pod_needs(objects):
        there = [pod for pod in snapshot.pods if _is_of(pod, need)]
        missing = need.replicas - sum(1 for pod in there if pod.node)
        unplaced = sum(1 for _ in range(missing) if not _placed(need, free, nodes))
        if unplaced > 0:
            yield _short(need, unplaced, free, [pod.reason for pod in there if not pod.node and pod.reason])


def quota_short(snapshot: Snapshot, objects: Sequence[Obj]) -> Iterator[Finding]:
    """A quota that leaves less than what is still to be made of `objects` in its namespace."""
    if snapshot.unknown.keys() & {"quotas", "pods"}:
        return
    for quota in snapshot.quotas:
        needed = _quota_needs(snapshot, [obj for obj in objects if obj["metadata"].get("namespace") == quota.namespace])
        for resource, (hard, used) in quota.limits.items():
            if needed[resource] > hard - used:
                yield _quota_finding(quota, resource, needed[resource])


def _free(snapshot: Snapshot) -> dict[str, list[int]]:
    """Schedulable node -> [millicores, bytes, pods] that are not asked for yet."""
    free = {node.name: [node.cpu, node.memory, node.pods] for node in snapshot.nodes if node.schedulable}
    for pod in snapshot.pods:
        if pod.node in free and not pod.finished:
            free[pod.node] = [
                some - asked for some, asked in zip(free[pod.node], (pod.cpu, pod.memory, 1), strict=True)
            ]
    return free


def _placed(need: PodNeed, free: dict[str, list[int]], nodes: dict[str, Node]) -> bool:
    """Takes the first place that fits out of `free`."""
    asked = (need.requests["cpu"], need.requests["memory"], 1)
    for name, left in free.items():
        if not all(need.tolerates(taint) for taint in nodes[name].taints):
            continue
        if all(some >= wanted for some, wanted in zip(left, asked, strict=True)):
            free[name] = [some - wanted for some, wanted in zip(left, asked, strict=True)]
            return True
    return False


def _is_of(pod: Pod, need: PodNeed) -> bool:
    """A live pod of the Deployment that is to be there."""
    same = pod.namespace == need.deployment.namespace and pod.workload == ("Deployment", need.deployment.name)
    return same and not pod.finished and not pod.deleting


def _short(need: PodNeed, unplaced: int, free: dict[str, list[int]], reasons: list[str]) -> Finding:
    largest = max(free.values(), default=[0, 0, 0])
    asked = f"{need.requests['cpu']}m CPU and {_mebi(need.requests['memory'])}"
    left = f"the freest of {len(free)} has {max(largest[0], 0)}m and {_mebi(max(largest[1], 0))}"
    room = left if free else "no node takes pods"
    waiting = f"; the scheduler says: {reasons[0]}" if reasons else ""
    return Finding(
        "CapacityShort",
        f"{unplaced} of {need.replicas} pods of {need.deployment} fit on no node: each asks {asked}, {room}{waiting}",
        need.deployment.name,
        "add a node, or ask for less: spec.values.resources.requests of the ServiceMesh",
    )


def _quota_needs(snapshot: Snapshot, objects: Sequence[Obj]) -> Counter[str]:
    """Of what is all in one namespace."""
    needed = object_counts(obj for obj in objects if ref_of(obj) not in snapshot.live)
    for need in pod_needs(objects):
        missing = max(need.replicas - sum(1 for pod in snapshot.pods if _is_of(pod, need)), 0)
        needed.update({"pods": missing, "count/pods": missing})
        for name in ("cpu", "memory"):
            asked = missing * need.requests[name]
            needed.update({name: asked, f"requests.{name}": asked, f"limits.{name}": missing * need.limits[name]})
    return needed


def _quota_finding(quota: Quota, resource: str, needed: int) -> Finding:
    hard, used = quota.limits[resource]
    words = [_amount(resource, amount) for amount in (max(hard - used, 0), hard, needed)]
    return Finding(
        "QuotaShort",
        f"quota {quota.namespace}/{quota.name} leaves {words[0]} of {words[1]} {resource}; {words[2]} are needed",
        quota.name,
        f"kubectl edit resourcequota -n {quota.namespace} {quota.name}",
    )


def _amount(resource: str, amount: int) -> str:
    kind = resource.rpartition(".")[2]
    if resource.startswith("count/"):
        return str(amount)
    return f"{amount}m" if kind == "cpu" else _mebi(amount) if kind == "memory" else str(amount)


def _mebi(amount: int) -> str:
    return f"{amount // 2**20}Mi"
