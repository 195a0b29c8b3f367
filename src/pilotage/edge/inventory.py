"""What Pilotage installed, found by its label, and what stands where its objects would be. Called by `observe`."""

from collections.abc import Iterable
from concurrent.futures import Executor
from typing import Final

from pilotage.domain.names import OWNER_LABEL
from pilotage.domain.objects import Obj, ObjectRef, labels_of, ref_of
from pilotage.edge.reads import Reads

_OURS: Final = f"{OWNER_LABEL}=true"
_CRD: Final = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
# Kinds that the charts render, always or by an option. All are read: removal deletes what is found, not what is wanted.
KINDS: Final = (
    ("v1", "ConfigMap"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "Deployment"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"),
)


def inventory(kube: Reads, refs: Iterable[ObjectRef], pool: Executor) -> dict[ObjectRef, Obj]:
    """Objects with our label, and those named by `refs` that exist. CRDs are metadata only: whole they are 1.5 MB."""
    wanted = frozenset(refs)
    lists = [pool.submit(kube.list, *kind, labels=_OURS) for kind in KINDS]
    crds = pool.submit(_crds, kube, wanted)
    live = {ref_of(obj): obj for future in lists for obj in future.result()} | crds.result()
    absent = [ref for ref in wanted - live.keys() if (ref.api_version, ref.kind) != _CRD]
    found = zip(absent, [pool.submit(kube.get, ref) for ref in absent], strict=True)
    return live | {ref: obj for ref, future in found if (obj := future.result()) is not None}


def _crds(kube: Reads, wanted: frozenset[ObjectRef]) -> dict[ObjectRef, Obj]:
    listed = {ref_of(obj): obj for obj in kube.list_metadata(*_CRD)}
    return {ref: obj for ref, obj in listed.items() if ref in wanted or OWNER_LABEL in labels_of(obj)}
