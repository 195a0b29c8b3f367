"""The CRD of our resource in the cluster. `enable` makes it, `enable` and the operator bring it up to date.

An older Pilotage leaves a newer one's CRD alone; whose is newer is told by its annotation, not by comparing schemas.
"""

from typing import Final

from pilotage.domain.crd import schema_version, service_mesh_crd
from pilotage.domain.errors import Denied, Retry
from pilotage.domain.names import APPLIED, CRD_VERSION, GROUP, MANAGER
from pilotage.domain.objects import Obj, annotations_of, ref_of
from pilotage.domain.version import Version
from pilotage.edge.kube import Kube

CRD: Final = f"servicemeshes.{GROUP}"


def install(kube: Kube, *, dry_run: bool = False) -> None:
    """Where it is missing or older. Raises Retry until it is served."""
    crd = service_mesh_crd()
    live = kube.get(ref_of(crd))
    if live is None or _older(live, crd):
        kube.apply(crd, MANAGER, dry_run=dry_run)
        live = kube.get(ref_of(crd))
    conditions = (live or {}).get("status", {}).get("conditions") or ()
    if not dry_run and not any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
        raise Retry("the CRD of ServiceMesh is not served yet", after=0.2)


def update(kube: Kube) -> bool:
    """Where it is there and older: one that somebody deleted stays away. True if it was written. Raises Denied."""
    crd = service_mesh_crd()
    live = kube.get(ref_of(crd))
    if live is None or not _older(live, crd):
        return False
    kube.apply(crd, MANAGER)
    return True


def installed(kube: Kube) -> Version | None:
    """Version of the schema that is there; None where there is none, or it may not be seen."""
    try:
        # A viewer may list; to get it by its name is a right of its own.
        found = kube.list("apiextensions.k8s.io/v1", "CustomResourceDefinition", fields=f"metadata.name={CRD}")
    except Denied:
        return None
    return next((_version(obj) for obj in found), None)


def _older(live: Obj, crd: Obj) -> bool:
    """Written by an earlier Pilotage, or changed. A newer Pilotage's CRD is never taken back."""
    there, ours = _version(live), schema_version()
    return there < ours or (there == ours and annotations_of(live).get(APPLIED) != annotations_of(crd)[APPLIED])


def _version(crd: Obj) -> Version:
    return Version.parse(annotations_of(crd).get(CRD_VERSION, "0.0"))
