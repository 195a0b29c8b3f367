"""Nodes and quotas: what a canary may still ask for. Called by `observe`."""

from collections.abc import Iterable
from typing import Final

from pilotage.domain.cluster import Node, Quota
from pilotage.domain.objects import Obj
from pilotage.edge.reads import Reads
from pilotage.edge.wire import amount, count, millicores

_HARD: Final = ("NoSchedule", "NoExecute")


def nodes(kube: Reads) -> tuple[Node, ...]:
    return tuple(parse_node(obj) for obj in kube.list("v1", "Node"))


def quotas(kube: Reads, namespaces: Iterable[str]) -> tuple[Quota, ...]:
    """ResourceQuotas of these namespaces."""
    return tuple(parse_quota(obj) for space in namespaces for obj in kube.list("v1", "ResourceQuota", space))


def parse_node(obj: Obj) -> Node:
    """Allocatable amounts; taints that keep pods away. A node that is not Ready takes no pod."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    offered = status.get("allocatable") or {}
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ())
    taints = (taint["key"] for taint in spec.get("taints") or () if taint.get("effect") in _HARD)
    return Node(
        obj["metadata"]["name"],
        millicores(offered.get("cpu", 0)),
        count(offered.get("memory", 0)),
        count(offered.get("pods", 0)),
        ready and not spec.get("unschedulable", False),
        tuple(taints),
    )


def parse_quota(obj: Obj) -> Quota:
    status = obj.get("status") or {}
    hard, used = status.get("hard") or (obj.get("spec") or {}).get("hard") or {}, status.get("used") or {}
    return Quota(
        obj["metadata"]["namespace"],
        obj["metadata"]["name"],
        {name: (amount(name, limit), amount(name, used.get(name, 0))) for name, limit in hard.items()},
    )
