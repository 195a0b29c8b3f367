"""What an API server fills in where a built-in object leaves a field out: `path: value` per kind. Used by `defaults`.

In a path `[]` stands for each item of a list and `?` says: only where that field is there. Compared with a real API
server by tests/conformance; a kind that is not here has no defaults that we need.
"""

from typing import Any, Final

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
    "template.metadata": {},
    "backoffLimit": 6,
    "completionMode": "NonIndexed",
    "suspend": False,
    "podReplacementPolicy": "TerminatingOrFailed",
    **{f"template.spec.{path}": value for path, value in _POD.items()},
}
TABLES: Final[dict[str, _Table]] = {
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
        "spec.persistentVolumeClaimRetentionPolicy.whenDeleted": "Retain",
        "spec.persistentVolumeClaimRetentionPolicy.whenScaled": "Retain",
        "spec.updateStrategy.type": "RollingUpdate",
        "spec.revisionHistoryLimit": 10,
    },
    "DaemonSet": _TEMPLATE | {"spec.updateStrategy.type": "RollingUpdate", "spec.revisionHistoryLimit": 10},
    "Job": {f"spec.{path}": value for path, value in _JOB.items()},
    "CronJob": {
        "spec.concurrencyPolicy": "Allow",
        "spec.jobTemplate.metadata": {},
        "spec.jobTemplate.spec.template.metadata": {},
        "spec.suspend": False,
        "spec.successfulJobsHistoryLimit": 3,
        "spec.failedJobsHistoryLimit": 1,
        **{f"spec.jobTemplate.spec.template.spec.{path}": value for path, value in _POD.items()},
    },
    "Service": {
        "spec.type": "ClusterIP",
        "spec.sessionAffinity": "None",
        "spec.ports[].protocol": "TCP",
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

# Filled in after it was noted who holds what, so by nobody: the fields of `spec`, and a status always.
UNHELD: Final = {
    "Service": frozenset({"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}),
    "Namespace": frozenset({"finalizers"}),
}
