"""Fills in what a built-in object leaves out, from `default_tables` and what depends on other fields.

Used by `lifecycle`.
"""

import zlib
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

from pilotage_memory.default_tables import TABLES
from pilotage_memory.kinds import Obj


def fill_in(obj: Obj) -> None:
    """Adds the defaults of a built-in object, in place."""
    _fill(obj, _tree(obj["kind"]))
    computed = _COMPUTED.get(obj["kind"])
    if computed is not None:
        computed(obj)


class _Leaf(NamedTuple):
    value: Any


@cache
def _tree(kind: str) -> Obj:
    """The table of a kind, its paths that begin alike joined."""
    root: Obj = {}
    for path, value in TABLES.get(kind, {}).items():
        *above, last = path.split(".")
        node = root
        for name in above:
            node = node.setdefault(name, {})
        node[last] = _Leaf(value)
    return root


def _fill(value: Obj, tree: Obj) -> None:
    """Maps on the way are made, unless their path asks for them to be there."""
    for name, below in tree.items():
        if isinstance(below, _Leaf):
            value.setdefault(name, _fresh(below.value))
        elif name.endswith("[]"):
            for item in value.get(name[:-2]) or ():
                _fill(item, below)
        elif not name.endswith("?"):
            _fill(value.setdefault(name, {}), below)
        elif isinstance(value.get(name[:-1]), dict):
            _fill(value[name[:-1]], below)


def _fresh(value: Any) -> Any:
    return value.copy() if isinstance(value, dict | list) else value


def _pods(spec: Obj) -> None:
    for place in ("containers", "initContainers"):
        for container in spec.get(place) or ():
            image = container.get("image", "")
            tag = image.rpartition("/")[2].partition(":")[2]
            newest = "@" not in image and tag in ("", "latest")
            container.setdefault("imagePullPolicy", "Always" if newest else "IfNotPresent")
    for volume in spec.get("volumes") or ():
        if volume.keys() == {"name"}:
            volume["emptyDir"] = {}
    if "serviceAccountName" in spec:
        spec.setdefault("serviceAccount", spec["serviceAccountName"])


def _template(obj: Obj) -> None:
    _pods(obj["spec"]["template"]["spec"])


def _deployment(obj: Obj) -> None:
    _template(obj)
    strategy = obj["spec"]["strategy"]
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {"maxUnavailable": "25%", "maxSurge": "25%"} | strategy.get("rollingUpdate", {})


def _stateful_set(obj: Obj) -> None:
    _template(obj)
    strategy = obj["spec"]["updateStrategy"]
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {"partition": 0} | strategy.get("rollingUpdate", {})


def _daemon_set(obj: Obj) -> None:
    _template(obj)
    strategy = obj["spec"]["updateStrategy"]
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {"maxUnavailable": 1, "maxSurge": 0} | strategy.get("rollingUpdate", {})

    obj["metadata"].setdefault("annotations", {}).setdefault("deprecated.daemonset.template.generation", "1")


def _job(obj: Obj) -> None:
    _template(obj)
    spec = obj["spec"]
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)


def _service(obj: Obj) -> None:
    spec = obj["spec"]
    for port in spec.get("ports") or ():
        port.setdefault("targetPort", port["port"])
    if spec["type"] == "ExternalName":
        return
    meta = obj["metadata"]
    number = zlib.crc32(f"{meta.get('namespace')}/{meta['name']}".encode()) % 0xFFFE + 1  # steady, and nearly unique
    spec.setdefault("clusterIP", f"10.96.{number >> 8}.{number & 0xFF}")
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        spec.setdefault("externalTrafficPolicy", "Cluster")


def _autoscaler(obj: Obj) -> None:
    usual = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    obj["spec"].setdefault("metrics", [{"type": "Resource", "resource": usual}])


def _binding(obj: Obj) -> None:
    for subject in obj.get("subjects") or ():
        if subject["kind"] in ("User", "Group"):
            subject.setdefault("apiGroup", "rbac.authorization.k8s.io")


def _network_policy(obj: Obj) -> None:
    spec = obj["spec"]
    spec.setdefault("podSelector", {})
    spec.setdefault("policyTypes", ["Ingress", "Egress"] if "egress" in spec else ["Ingress"])


def _namespace(obj: Obj) -> None:
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]


def _definition(obj: Obj) -> None:
    names = obj["spec"]["names"]
    names.setdefault("singular", names["kind"].lower())
    names.setdefault("listKind", f"{names['kind']}List")
    obj.setdefault("status", {"conditions": None})  # until `lifecycle.established`


_COMPUTED: Final[dict[str, Callable[[Obj], None]]] = {
    "Namespace": _namespace,
    "Pod": lambda obj: _pods(obj["spec"]),
    "Deployment": _deployment,
    "ReplicaSet": _template,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "CronJob": lambda obj: _pods(obj["spec"]["jobTemplate"]["spec"]["template"]["spec"]),
    "Service": _service,
    "HorizontalPodAutoscaler": _autoscaler,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "NetworkPolicy": _network_policy,
    "CustomResourceDefinition": _definition,
}
