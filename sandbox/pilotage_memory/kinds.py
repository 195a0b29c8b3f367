"""The kinds that are served: a table of the built-in ones, and one per CustomResourceDefinition. Used by `store`."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

Obj = dict[str, Any]


class Key(NamedTuple):
    """Identity of an object; `group` is "" for the core, `namespace` "" for cluster-scoped kinds."""

    group: str
    plural: str
    namespace: str
    name: str


class Kind(NamedTuple):
    """One kind. `versions`: those served, the preferred first. `status`: it has the status subresource.

    `crd`: its CustomResourceDefinition; None for a built-in kind.
    """

    group: str
    versions: tuple[str, ...]
    kind: str
    plural: str
    namespaced: bool
    status: bool = False
    short: tuple[str, ...] = ()
    crd: Obj | None = None

    @property
    def api_version(self) -> str:
        return group_version(self.group, self.versions[0])

    def key(self, obj: Obj) -> Key:
        meta = obj["metadata"]
        return Key(self.group, self.plural, meta.get("namespace", "") if self.namespaced else "", meta["name"])


def group_version(group: str, version: str) -> str:
    return f"{group}/{version}" if group else version


def group_of(api_version: str) -> str:
    return api_version.rpartition("/")[0]


# apiVersion -> kinds, each `Kind:plural`; a leading `-` marks cluster scope, a trailing `*` a status subresource.
_BUILT_IN: Final = {
    "v1": (
        "ConfigMap:configmaps Endpoints:endpoints LimitRange:limitranges Pod:pods*"
        " PersistentVolumeClaim:persistentvolumeclaims* ReplicationController:replicationcontrollers*"
        " ResourceQuota:resourcequotas* Service:services* ServiceAccount:serviceaccounts"
        " -Namespace:namespaces* -Node:nodes* -PersistentVolume:persistentvolumes*"
    ),
    "apps/v1": (
        "ControllerRevision:controllerrevisions DaemonSet:daemonsets* Deployment:deployments*"
        " ReplicaSet:replicasets* StatefulSet:statefulsets*"
    ),
    "batch/v1": "CronJob:cronjobs* Job:jobs*",
    "autoscaling/v2": "HorizontalPodAutoscaler:horizontalpodautoscalers*",
    "policy/v1": "PodDisruptionBudget:poddisruptionbudgets*",
    "rbac.authorization.k8s.io/v1": (
        "Role:roles RoleBinding:rolebindings -ClusterRole:clusterroles -ClusterRoleBinding:clusterrolebindings"
    ),
    "admissionregistration.k8s.io/v1": (
        "-MutatingWebhookConfiguration:mutatingwebhookconfigurations"
        " -ValidatingWebhookConfiguration:validatingwebhookconfigurations"
        " -ValidatingAdmissionPolicy:validatingadmissionpolicies*"
        " -ValidatingAdmissionPolicyBinding:validatingadmissionpolicybindings"
    ),
    "apiextensions.k8s.io/v1": "-CustomResourceDefinition:customresourcedefinitions*",
    "coordination.k8s.io/v1": "Lease:leases",
    "networking.k8s.io/v1": "Ingress:ingresses* NetworkPolicy:networkpolicies -IngressClass:ingressclasses",
    "discovery.k8s.io/v1": "EndpointSlice:endpointslices",
    "events.k8s.io/v1": "Event:events",
}

# Groups of a real API server. What one of them serves and we do not is answered 501, never 404.
GROUPS: Final = frozenset(group_of(api_version) for api_version in _BUILT_IN) | {
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "node.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
}


def _built_in() -> Iterator[Kind]:
    for api_version, rows in _BUILT_IN.items():
        group, _, version = api_version.rpartition("/")
        for row in rows.split():
            name, plural = row.strip("-*").split(":")
            yield Kind(group, (version,), name, plural, not row.startswith("-"), row.endswith("*"))


class Kinds:
    """By place and by name. Not thread-safe by itself: `Store` changes it under its lock."""

    def __init__(self) -> None:
        self._by_place = {(kind.group, kind.plural): kind for kind in _built_in()}

    def __iter__(self) -> Iterator[Kind]:
        return iter(tuple(self._by_place.values()))

    def at(self, group: str, plural: str) -> Kind | None:
        return self._by_place.get((group, plural))

    def named(self, api_version: str, name: str) -> Kind | None:
        group, _, version = api_version.rpartition("/")
        for kind in self:
            if kind.kind == name and kind.group == group and version in kind.versions:
                return kind
        return None

    def serve(self, crd: Obj) -> None:
        """From now on the kind of this CustomResourceDefinition is served."""
        spec = crd["spec"]
        served = [version for version in spec["versions"] if version["served"]]
        served.sort(key=lambda version: not version["storage"])
        names = spec["names"]
        self._by_place[spec["group"], names["plural"]] = Kind(
            spec["group"],
            tuple(version["name"] for version in served),
            names["kind"],
            names["plural"],
            spec["scope"] == "Namespaced",
            any("status" in version.get("subresources", {}) for version in served),
            tuple(names.get("shortNames", ())),
            crd,
        )

    def go_on_from(self, other: "Kinds") -> None:
        """From now on the same kinds are served."""
        self._by_place = dict(other._by_place)

    def stop(self, crd: Obj) -> None:
        self._by_place.pop((crd["spec"]["group"], crd["spec"]["names"]["plural"]), None)
