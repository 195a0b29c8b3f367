"""What a mesh consists of, comparable: without what differs each time the same thing is made. Used by e2e tests."""

from typing import Any

from harness import MESH, Cluster, Obj

_OF_MESH = "deployments,services,configmaps,serviceaccounts,roles,rolebindings,hpa,pdb"
_OF_CLUSTER = "clusterroles,clusterrolebindings,mutatingwebhookconfigurations,validatingwebhookconfigurations,smesh"
_EACH_TIME = {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "clusterIP", "clusterIPs"}
_GIVEN = {  # annotations: how often, who leads, what kubectl sent
    "deployment.kubernetes.io/revision",
    "control-plane.alpha.kubernetes.io/leader",
    "kubectl.kubernetes.io/last-applied-configuration",
}

Picture = dict[str, Obj]


def picture(mesh: Cluster) -> Picture:
    """`Kind/name` -> the object, of all that an installation makes but pods; of CRDs and Leases the names."""
    found = [*mesh.get(_OF_MESH, "-n", MESH)["items"], *mesh.get(_OF_CLUSTER)["items"]]
    whole = {f"{each['kind']}/{each['metadata']['name']}": _plain(each) for each in found}
    names = (f"{kind}/{name}" for kind in ("crds", "leases") for name in mesh.names(kind, MESH) if name != "pilotage")
    return whole | {name: {} for name in names}


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where they differ and how; none if both show the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted(one.keys() | other.keys())
        return [each for key in keys for each in differences(one.get(key), other.get(key), f"{path} {key}")]
    return [] if one == other else [f"{path}: {one!r} became {other!r}"]


def _plain(obj: Obj) -> Obj:
    kept: Obj = _without({key: value for key, value in obj.items() if key != "status"})
    if obj["kind"] == "Deployment":  # an HPA's, or a default
        kept["spec"].pop("replicas", None)
    return kept


def _without(value: Any) -> Any:
    """caBundles count as there or not: a CA made anew is as good."""
    if isinstance(value, list):
        return [_without(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _without(each) for key, each in value.items() if key not in _EACH_TIME | _GIVEN}
    if kept.get("caBundle"):
        kept["caBundle"] = True
    return {key: value for key, value in kept.items() if key != "annotations" or value}
