"""A mesh before and after something that must not concern it.

Every object by its uid and resourceVersion; where controllers keep a status, which moves by itself, by uid, generation,
labels and annotations. What Pilotage wrote meanwhile is told by `audit`.
"""

from typing import Any

from harness import MESH, Cluster, Obj, eventually

_KINDS = (
    "namespaces,deployments,replicasets,pods,services,configmaps,serviceaccounts,roles,rolebindings,hpa,pdb,"
    "clusterroles,clusterrolebindings,mutatingwebhookconfigurations,validatingwebhookconfigurations,crds"
)
_WITH_STATUS = ("Deployment", "ReplicaSet", "Pod", "HorizontalPodAutoscaler", "PodDisruptionBudget")
_LEADER = "control-plane.alpha.kubernetes.io/leader"
Fingerprint = dict[str, Any]


def fingerprint(mesh: Cluster, *spaces: str) -> Fingerprint:
    """Of what lies in the mesh's namespace and in `spaces`, and of what belongs to Istio in the whole cluster."""
    found = mesh.get(_KINDS, "-A")["items"]
    return {_name(obj): _version(obj) for obj in found if _of_mesh(obj["metadata"], {MESH, *spaces})}


def at_rest(mesh: Cluster) -> None:
    """Awaits that autoscalers have scaled to what they must at least, and that every istiod is available."""
    eventually("the mesh is at rest", lambda: all(_rests(mesh, hpa) for hpa in mesh.get("hpa", "-n", MESH)["items"]))


def _rests(mesh: Cluster, hpa: Obj) -> bool:
    scaled = mesh.get("deployment", hpa["spec"]["scaleTargetRef"]["name"], "-n", MESH)
    wanted = scaled["spec"]["replicas"]
    return bool(scaled["status"].get("availableReplicas") == wanted >= hpa["spec"]["minReplicas"])


def _of_mesh(meta: Obj, spaces: set[str]) -> bool:
    if _LEADER in meta.get("annotations", {}):
        return False  # istiods elect leaders there, all the time
    if "namespace" in meta:
        return meta["namespace"] in spaces
    return meta["name"] in spaces or meta["name"].startswith("istio") or meta["name"].endswith(".istio.io")


def _name(obj: Obj) -> str:
    meta = obj["metadata"]
    return "/".join(part for part in (obj["kind"], meta.get("namespace", ""), meta["name"]) if part)


def _version(obj: Obj) -> Any:
    meta = obj["metadata"]
    if obj["kind"] not in _WITH_STATUS:
        return meta["uid"], meta["resourceVersion"]
    notes = {name: text for name, text in meta.get("annotations", {}).items() if "autoscaling" not in name}
    return meta["uid"], meta.get("generation"), meta.get("labels"), notes
