"""istiod Deployments of every namespace, whoever installed them. Called by `observe`."""

from collections.abc import Iterable, Sequence
from typing import Final

from pilotage.domain.cluster import Pod
from pilotage.domain.istio import ControlPlane
from pilotage.domain.names import AKS_ADDON_LABEL, DEFAULT_REVISION, HELM_RELEASE, OWNER_LABEL, REV
from pilotage.domain.objects import Obj, annotations_of, labels_of
from pilotage.domain.version import Version, version_of_image
from pilotage.edge.reads import ISTIOD, Reads

_CONTAINER: Final = "discovery"

# Who puts its objects back, by what it leaves on them: (label or annotation, words). First that is there.
_OWNERS: Final = (
    (AKS_ADDON_LABEL, "AKS add-on"),
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("argocd.argoproj.io/instance", "Argo CD"),
    ("helm.toolkit.fluxcd.io/name", "Flux HelmRelease"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux Kustomization"),
    ("sailoperator.io/managed-by", "Sail operator"),
    (HELM_RELEASE, "Helm release"),
)


def istiod_deployments(kube: Reads) -> list[Obj]:
    """Deployments labelled app=istiod, of every namespace."""
    return kube.list("apps/v1", "Deployment", labels=ISTIOD)


def running_versions(kube: Reads, namespace: str) -> dict[str, Version]:
    """Revision -> version of our istiods in `namespace`, as far as they tell."""
    planes = control_planes(istiod_deployments(kube), ())
    ours = (plane for plane in planes if plane.managed and plane.namespace == namespace)
    return {plane.revision: plane.version for plane in ours if plane.version}


def control_planes(deployments: Iterable[Obj], pods: Iterable[Pod]) -> tuple[ControlPlane, ...]:
    """Of `istiod_deployments`; `pods`: those labelled app=istiod, for why one is not available."""
    everyone = tuple(pods)
    planes = (parse_control_plane(deployment, _own(deployment, everyone)) for deployment in deployments)
    return tuple(sorted(planes, key=lambda plane: (plane.namespace, plane.name)))


def parse_control_plane(deployment: Obj, pods: Sequence[Pod]) -> ControlPlane:
    meta, spec, status = deployment["metadata"], deployment["spec"], deployment.get("status") or {}
    image = _image(deployment)
    desired = spec.get("replicas", 1)
    # Until its controller has seen this generation, the counts are those of the one before.
    seen = status.get("observedGeneration", 0) >= meta.get("generation", 0)
    living = [pod.created for pod in pods if pod.created and not pod.finished and not pod.deleting]
    available, updated = status.get("availableReplicas", 0), status.get("updatedReplicas", 0) if seen else 0
    outdated = max(status.get("replicas", 0) - updated, 0) if seen else 0
    return ControlPlane(
        labels_of(deployment).get(REV, DEFAULT_REVISION),
        meta["namespace"],
        meta["name"],
        _version(image, labels_of(deployment)),
        desired,
        available,
        updated,
        OWNER_LABEL in labels_of(deployment),
        owner_of(deployment),
        image,
        _reason(status, pods) if available < max(desired, 1) or updated < desired or outdated else "",
        min(living, default=""),
        outdated,
        _progressed(status),
    )


def _progressed(status: Obj) -> bool:
    """The Deployment's controller lets this reason stand, once a template was available, until there is another one."""
    conditions = (each for each in status.get("conditions") or () if each["type"] == "Progressing")
    return any(each.get("reason") == "NewReplicaSetAvailable" for each in conditions)


def owner_of(obj: Obj) -> str:
    """`Helm release istiod-canary`, `Argo CD`, … or "": never by managed-by, which Istio's charts print everywhere."""
    marks = labels_of(obj) | annotations_of(obj)
    for mark, words in _OWNERS:
        if mark in marks:
            return f"{words} {marks[mark]}" if "/name" in mark or mark == HELM_RELEASE else words
    return ""


def _own(deployment: Obj, pods: Iterable[Pod]) -> list[Pod]:
    owner = ("Deployment", deployment["metadata"]["name"])
    namespace = deployment["metadata"]["namespace"]
    return [pod for pod in pods if pod.namespace == namespace and pod.workload == owner]


def _image(deployment: Obj) -> str:
    containers = deployment["spec"]["template"]["spec"].get("containers") or [{}]
    chosen = next((each for each in containers if each.get("name") == _CONTAINER), containers[0])
    return str(chosen.get("image", ""))


def _version(image: str, labels: dict[str, str]) -> Version | None:
    """From the image's tag, else from the label that the chart prints."""
    found = version_of_image(image)
    if found is not None:
        return found
    try:
        return Version.parse(labels.get("app.kubernetes.io/version", ""))
    except ValueError:
        return None


def _reason(status: Obj, pods: Sequence[Pod]) -> str:
    """Pod and cause: what the ReplicaSet could not create, else a pod that is stuck, newest first.

    One that is merely on its way comes last: it would hide why the others crash.
    """
    for condition in status.get("conditions") or ():
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return str(condition.get("message") or condition.get("reason", ""))
    stuck = (pod for pod in pods if not pod.ready and not pod.finished and not pod.deleting)
    for pod in sorted(stuck, key=lambda pod: (not _on_its_way(pod), pod.created), reverse=True):
        return f"pod {pod.name}: {pod.reason or pod.phase}"
    return ""


def _on_its_way(pod: Pod) -> bool:
    return not pod.reason or pod.reason.endswith(": ContainerCreating")
