"""What an API server fills in where a built-in object leaves a field out. Used by `lifecycle`.

A table of `path: value` per kind. In a path `[]` stands for each item of a list and `?` says: only where that field is
there. Tried against a real API server in tests/conformance; a kind that is not here has no defaults that we need.
"""

import zlib
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

from pilotage_memory.kinds import Obj

_Table = dict[str, Any]

_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE: Final[_Table] = {
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
    "httpGet?.scheme": "HTTP",
    "httpGet?.path": "/",
}
_CONTAINER: Final[_Table] = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "resources": {},
    "ports[].protocol": "TCP",
    "env[].valueFrom?.fieldRef?.apiVersion": "v1",
} | {f"{probe}?.{path}": value for probe in _PROBES for path, value in _PROBE.items()}
_POD: Final[_Table] = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "volumes[].configMap?.defaultMode": 420,
    "volumes[].secret?.defaultMode": 420,
    "volumes[].downwardAPI?.defaultMode": 420,
    "volumes[].projected?.defaultMode": 420,
    "volumes[].projected?.sources[].serviceAccountToken?.expirationSeconds": 3600,
    "volumes[].downwardAPI?.items[].fieldRef?.apiVersion": "v1",
    "volumes[].hostPath?.type": "",
} | {f"{place}[].{path}": value for place in ("containers", "initContainers") for path, value in _CONTAINER.items()}
_TEMPLATE: Final[_Table] = {f"spec.template.spec.{path}": value for path, value in _POD.items()}
_WEBHOOK: Final[_Table] = {
    "failurePolicy": "Fail",
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "timeoutSeconds": 10,
    "rules[].scope": "*",
    "clientConfig?.service?.port": 443,
}
_WEBHOOKS: Final[_Table] = {f"webhooks[].{path}": value for path, value in _WEBHOOK.items()}
_MATCH: Final[_Table] = {
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "resourceRules[].scope": "*",
}
_JOB: Final[_Table] = {
    "backoffLimit": 6,
    "completionMode": "NonIndexed",
    "suspend": False,
    "podReplacementPolicy": "TerminatingOrFailed",
    **{f"template.spec.{path}": value for path, value in _POD.items()},
}
_TABLES: Final[dict[str, _Table]] = {
    "Namespace": {"spec.finalizers": ["kubernetes"], "status.phase": "Active"},
    "Pod": {f"spec.{path}": value for path, value in _POD.items()}
    | {"spec.enableServiceLinks": True, "status.phase": "Pending"},
    "Deployment": _TEMPLATE
    | {
        "spec.replicas": 1,
        "spec.strategy.type": "RollingUpdate",
        "spec.revisionHistoryLimit": 10,
        "spec.progressDeadlineSeconds": 600,
    },
    "ReplicaSet": _TEMPLATE | {"spec.replicas": 1},
    "ReplicationController": {"spec.replicas": 1},
    "StatefulSet": _TEMPLATE
    | {
        "spec.replicas": 1,
        "spec.podManagementPolicy": "OrderedReady",
        "spec.updateStrategy.type": "RollingUpdate",
        "spec.revisionHistoryLimit": 10,
    },
    "DaemonSet": _TEMPLATE | {"spec.updateStrategy.type": "RollingUpdate", "spec.revisionHistoryLimit": 10},
    "Job": {f"spec.{path}": value for path, value in _JOB.items()},
    "CronJob": {
        "spec.concurrencyPolicy": "Allow",
        "spec.suspend": False,
        "spec.successfulJobsHistoryLimit": 3,
        "spec.failedJobsHistoryLimit": 1,
        **{f"spec.jobTemplate.spec.template.spec.{path}": value for path, value in _POD.items()},
    },
    "Service": {
        "spec.type": "ClusterIP",
        "spec.sessionAffinity": "None",
        "spec.ports[].protocol": "TCP",
        "spec.internalTrafficPolicy": "Cluster",
        "spec.ipFamilies": ["IPv4"],
        "spec.ipFamilyPolicy": "SingleStack",
        "status.loadBalancer": {},
    },
    "HorizontalPodAutoscaler": {"spec.minReplicas": 1},
    "RoleBinding": {"roleRef.apiGroup": "rbac.authorization.k8s.io"},
    "ClusterRoleBinding": {"roleRef.apiGroup": "rbac.authorization.k8s.io"},
    "MutatingWebhookConfiguration": _WEBHOOKS | {"webhooks[].reinvocationPolicy": "Never"},
    "ValidatingWebhookConfiguration": _WEBHOOKS,
    "ValidatingAdmissionPolicy": {"spec.failurePolicy": "Fail"}
    | {f"spec.matchConstraints?.{path}": value for path, value in _MATCH.items()},
    "ValidatingAdmissionPolicyBinding": {f"spec.matchResources?.{path}": value for path, value in _MATCH.items()},
    "EndpointSlice": {"ports[].protocol": "TCP"},
    "CustomResourceDefinition": {"spec.conversion.strategy": "None"},
}


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
    for path, value in _TABLES.get(kind, {}).items():
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
