"""Where a kind lives in the API: `apps/v1 Deployment` -> `/apis/apps/v1`, `deployments`, namespaced.

A table for the kinds that Pilotage reads and writes, so that a start needs no discovery. Used by `kube`, and by
`discovery`, which asks the API server for the rest.
"""

from typing import Final, NamedTuple
from urllib.parse import quote

from pilotage.domain.errors import Refused
from pilotage.domain.names import API_VERSION, MESH_KIND
from pilotage.domain.objects import ObjectRef


class Resource(NamedTuple):
    """`root` is `/api/v1` or `/apis/GROUP/VERSION`."""

    root: str
    plural: str
    namespaced: bool

    def collection(self, namespace: str = "") -> str:
        """Path of all objects, of one namespace or (namespace "") of the cluster."""
        if namespace and self.namespaced:
            return f"{self.root}/namespaces/{quote(namespace, safe='')}/{self.plural}"
        return f"{self.root}/{self.plural}"

    def object(self, ref: ObjectRef) -> str:
        """Path of one object. Raises Refused for a name that would lead elsewhere, and as `place`."""
        if ref.name in ("", ".", ".."):  # a DELETE of the path above would take a whole collection
            raise Refused(f"{ref.name!r} is no name of a {ref.kind}", fix="give its name")
        return f"{self.place(ref)}/{quote(ref.name, safe=':')}"

    def place(self, ref: ObjectRef) -> str:
        """Path to create the object in. Raises Refused for a namespaced kind without a namespace."""
        if self.namespaced and not ref.namespace:
            raise Refused(f"{ref} names no namespace", fix="add metadata.namespace")
        return self.collection(ref.namespace)


def root_of(api_version: str) -> str:
    """`v1` -> `/api/v1`, `apps/v1` -> `/apis/apps/v1`."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


# apiVersion -> (namespaced kinds, cluster-scoped kinds), each `Kind:plural`.
_TABLE: Final[dict[str, tuple[str, str]]] = {
    "v1": (
        "ConfigMap:configmaps Endpoints:endpoints Event:events LimitRange:limitranges Pod:pods"
        " PersistentVolumeClaim:persistentvolumeclaims ReplicationController:replicationcontrollers"
        " ResourceQuota:resourcequotas Service:services ServiceAccount:serviceaccounts",
        "Namespace:namespaces Node:nodes PersistentVolume:persistentvolumes",
    ),
    "apps/v1": (
        "ControllerRevision:controllerrevisions DaemonSet:daemonsets Deployment:deployments"
        " ReplicaSet:replicasets StatefulSet:statefulsets",
        "",
    ),
    "batch/v1": ("CronJob:cronjobs Job:jobs", ""),
    "autoscaling/v2": ("HorizontalPodAutoscaler:horizontalpodautoscalers", ""),
    "policy/v1": ("PodDisruptionBudget:poddisruptionbudgets", ""),
    "rbac.authorization.k8s.io/v1": (
        "Role:roles RoleBinding:rolebindings",
        "ClusterRole:clusterroles ClusterRoleBinding:clusterrolebindings",
    ),
    "admissionregistration.k8s.io/v1": (
        "",
        "MutatingWebhookConfiguration:mutatingwebhookconfigurations"
        " ValidatingWebhookConfiguration:validatingwebhookconfigurations"
        " ValidatingAdmissionPolicy:validatingadmissionpolicies"
        " ValidatingAdmissionPolicyBinding:validatingadmissionpolicybindings",
    ),
    "apiextensions.k8s.io/v1": ("", "CustomResourceDefinition:customresourcedefinitions"),
    "coordination.k8s.io/v1": ("Lease:leases", ""),
    "networking.k8s.io/v1": (
        "Ingress:ingresses NetworkPolicy:networkpolicies",
        "IngressClass:ingressclasses",
    ),
    "discovery.k8s.io/v1": ("EndpointSlice:endpointslices", ""),
    "events.k8s.io/v1": ("Event:events", ""),
    "authorization.k8s.io/v1": ("", "SelfSubjectAccessReview:selfsubjectaccessreviews"),
    "authentication.k8s.io/v1": ("", "SelfSubjectReview:selfsubjectreviews"),
    API_VERSION: ("", f"{MESH_KIND}:servicemeshes"),
}


def built_in(api_version: str, kind: str) -> Resource | None:
    """The kind's place if the table knows it."""
    for namespaced, kinds in zip((True, False), _TABLE.get(api_version, ("", "")), strict=True):
        for row in kinds.split():
            name, plural = row.split(":")
            if name == kind:
                return Resource(root_of(api_version), plural, namespaced)
    return None
