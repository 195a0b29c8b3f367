"""The ServiceMesh resource in the cluster: read, created, edited. Its CRD is installed by `enable`."""

from typing import Any

import msgspec

from pilotage.domain.errors import Refused, Retry
from pilotage.domain.mesh import Mode, Removal, Revision, ServiceMesh, ServiceMeshSpec
from pilotage.domain.names import API_VERSION, APPLIED, CRD_VERSION, CREATE_MANAGER, MANAGER, MESH_KIND, MESH_NAME
from pilotage.domain.objects import Obj, ObjectRef, annotations_of
from pilotage.domain.version import Version
from pilotage.edge.kube import Kube

MESH = ObjectRef(API_VERSION, MESH_KIND, "", MESH_NAME)


def read_mesh(kube: Kube) -> ServiceMesh | None:
    """The one ServiceMesh, None where it or its CRD is not there. Refused if it does not parse (newer, or broken)."""
    obj = kube.get(MESH)
    return parse_mesh(obj) if obj else None


def parse_mesh(obj: Obj) -> ServiceMesh:
    """A ServiceMesh object -> its parsed form. Refused names the field."""
    try:
        spec = msgspec.convert(obj["spec"], ServiceMeshSpec)
    except (msgspec.ValidationError, KeyError) as wrong:
        raise Refused(
            f"ServiceMesh {MESH_NAME} cannot be read: {wrong}",
            fix="compare `pilotage version` with the CRD: kubectl get crd servicemeshes.pilotage.dev -o yaml",
        ) from wrong
    meta = obj["metadata"]
    return ServiceMesh(
        spec,
        annotations_of(obj),
        uid=meta.get("uid", ""),
        generation=meta.get("generation", 0),
        resource_version=meta.get("resourceVersion", ""),
        managed_fields=tuple(meta.get("managedFields", ())),
        removal=_removal(obj),
    )


def _removal(obj: Obj) -> Removal | None:
    """Of the status. One that cannot be read counts for nothing: its soak starts anew."""
    try:
        return msgspec.convert(obj.get("status", {}).get("removal"), Removal | None)
    except msgspec.ValidationError:
        return None


def create_mesh(kube: Kube, spec: ServiceMeshSpec, *, dry_run: bool = False) -> None:
    """Installs the CRD where it is missing or older, then the resource. Raises Retry until the CRD is served."""
    _install_crd(kube, dry_run=dry_run)
    body = {
        "apiVersion": API_VERSION,
        "kind": MESH_KIND,
        "metadata": {"name": MESH_NAME},
        "spec": msgspec.to_builtins(spec),
    }
    if not dry_run:
        kube.create(body)


def edit_mesh(
    kube: Kube, mesh: ServiceMesh, spec: ServiceMeshSpec, annotations: dict[str, str | None], *, dry_run: bool = False
) -> None:
    """Writes revisions, mode, artifacts and annotations. Raises Retry if the resource was edited since it was read."""
    body: dict[str, Any] = {
        "metadata": {"resourceVersion": mesh.resource_version, "annotations": annotations},
        "spec": {
            "revisions": msgspec.to_builtins(spec.revisions),
            "mode": spec.mode,
            "artifacts": msgspec.to_builtins(spec.artifacts),
        },
    }
    kube.patch(MESH, body, dry_run=dry_run)


def with_revisions(spec: ServiceMeshSpec, revisions: list[Revision], mode: Mode = Mode.ISTIO) -> ServiceMeshSpec:
    return msgspec.structs.replace(spec, revisions=revisions, mode=mode)


def _install_crd(kube: Kube, *, dry_run: bool) -> None:
    from pilotage.domain.crd import service_mesh_crd  # only `enable` needs it

    crd = service_mesh_crd()
    ref = ObjectRef(crd["apiVersion"], crd["kind"], "", crd["metadata"]["name"])
    live = kube.get(ref)
    if live is None or _older(live, crd):
        kube.apply(crd, MANAGER, dry_run=dry_run)
        live = kube.get(ref)
    conditions = (live or {}).get("status", {}).get("conditions") or ()
    if not dry_run and not any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
        raise Retry("the CRD of ServiceMesh is not served yet", after=0.2)


def ensure_namespace(kube: Kube, name: str) -> None:
    """The mesh's namespace, which must be there before the Lease that lives in it."""
    ref = ObjectRef("v1", "Namespace", "", name)
    if kube.get(ref) is None:
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, CREATE_MANAGER)


def _older(live: Obj, crd: Obj) -> bool:
    """Written by an earlier Pilotage, or changed. A newer Pilotage's CRD is never taken back."""
    there, ours = (Version.parse(annotations_of(each).get(CRD_VERSION, "0.0")) for each in (live, crd))
    return there < ours or (there == ours and annotations_of(live).get(APPLIED) != annotations_of(crd)[APPLIED])
