"""The ServiceMesh resource in the cluster: read, created, edited. Its CRD is installed by `enable`."""

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from pilotage.domain.errors import Refused
from pilotage.domain.maintenance import Patches
from pilotage.domain.mesh import Mode, PatchState, Removal, Revision, ServiceMesh, ServiceMeshSpec
from pilotage.domain.names import API_VERSION, CREATE_MANAGER, MESH_KIND, MESH_NAME
from pilotage.domain.objects import Obj, ObjectRef, annotations_of
from pilotage.domain.restarts import Restarts
from pilotage.edge.kube import Kube
from pilotage.edge.strangers import strangers, without

Kept = TypeVar("Kept", Removal, PatchState, Restarts)
RESTARTS = "proxyRestarts"  # of the status
MESH = ObjectRef(API_VERSION, MESH_KIND, "", MESH_NAME)


def read_mesh(kube: Kube) -> ServiceMesh | None:
    """The one ServiceMesh, None where it or its CRD is not there.

    Raises Refused if it does not parse (newer, or broken), or is being deleted: nothing acts on it any more.
    """
    obj = kube.get(MESH)
    if obj and "deletionTimestamp" in obj["metadata"]:
        held = ", ".join(obj["metadata"].get("finalizers") or ())
        raise Refused(
            f"ServiceMesh {MESH_NAME} is being deleted and waits for {held}; the mesh itself stays as it is",
            fix=f"have {held} let it go, then take the mesh back: pilotage enable",
        )
    return parse_mesh(obj) if obj else None


def look_at_mesh(kube: Kube) -> tuple[ServiceMesh | None, list[str]]:
    """The same for who writes nothing of it: fields that a newer Pilotage wrote are left out, and named."""
    obj = kube.get(MESH)
    if obj is None:
        return None, []
    unknown = strangers(obj["spec"], ServiceMeshSpec)
    return parse_mesh(obj | {"spec": without(obj["spec"], ServiceMeshSpec)} if unknown else obj), unknown


def parse_mesh(obj: Obj) -> ServiceMesh:
    """A ServiceMesh object -> its parsed form. Refused names the field."""
    try:
        spec = msgspec.convert(obj["spec"], ServiceMeshSpec)
    except (msgspec.ValidationError, KeyError) as wrong:
        _refuse_newer(obj)
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
        removal=_kept(obj, "removal", Removal),
        leaving=_leaving(obj),
        patch=_kept(obj, "patch", PatchState),
        restarts=_kept(obj, RESTARTS, Restarts),
        versions=_versions(obj),
    )


def _leaving(obj: Obj) -> tuple[Removal, ...]:
    """Of the status: gateways whose removal soaks."""
    published = (obj.get("status") or {}).get("leavingGateways") or ()
    each = ({"revision": one.get("gateway"), "since": one.get("since"), "until": one.get("until")} for one in published)
    return tuple(kept for one in each if (kept := _kept({"status": {"one": one}}, "one", Removal)))


def _versions(obj: Obj) -> dict[str, str]:
    """Of the status: what each revision was last brought to."""
    published = (obj.get("status") or {}).get("revisions") or ()
    return {each["name"]: each["version"] for each in published if each.get("version")}


def _refuse_newer(obj: Obj) -> None:
    """The API server drops fields that its CRD lacks, so one that is there was put there by a newer Pilotage."""
    unknown = strangers(obj.get("spec", {}), ServiceMeshSpec)
    if unknown:
        raise Refused(
            f"ServiceMesh {MESH_NAME} is newer than this pilotage, which does not know {', '.join(unknown)}",
            fix="upgrade it: pip install --upgrade pilotage, or the image of its chart",
        )


def _kept(obj: Obj, field: str, shape: type[Kept]) -> Kept | None:
    """Of the status. What cannot be read counts for nothing: a soak starts anew, a patch is not under way."""
    try:
        return msgspec.convert((obj.get("status") or {}).get(field), shape | None)
    except msgspec.ValidationError:
        return None


def create_mesh(kube: Kube, spec: ServiceMeshSpec, *, dry_run: bool = False) -> None:
    """Installs the CRD where it is missing or older, then the resource. Raises Retry until the CRD is served."""
    from pilotage.edge.crds import install  # only `enable` needs it

    install(kube, dry_run=dry_run)
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
    """Writes revisions, mode, artifacts and annotations, and what changed of gateways, windows and patches.

    Raises Retry if the resource was edited since it was read, Refused where an older CRD would drop a field of it.
    """
    body: dict[str, Any] = {
        "metadata": {"resourceVersion": mesh.resource_version, "annotations": annotations},
        "spec": {
            "revisions": msgspec.to_builtins(spec.revisions),
            "mode": spec.mode,
            "artifacts": msgspec.to_builtins(spec.artifacts),
            **_changed(mesh.spec, spec),
        },
    }
    taken = kube.patch(MESH, body, dry_run=True)
    dropped = sorted(_dropped(body["spec"], taken["spec"], ""))
    if dropped:
        raise Refused(
            f"the CRD of ServiceMesh is older than this pilotage: it would drop {', '.join(dropped)}",
            fix="pilotage enable (with ClusterRole pilotage-full), or upgrade the chart: its operator updates the CRD",
        )
    if not dry_run:
        kube.patch(MESH, body)


def _changed(before: ServiceMeshSpec, spec: ServiceMeshSpec) -> dict[str, Any]:
    """Each field of `patches` is said: a merge would keep what is left out."""
    fields: dict[str, Any] = {}
    if spec.gateways != before.gateways:
        fields["gateways"] = msgspec.to_builtins(spec.gateways)
    if spec.maintenance_windows != before.maintenance_windows:
        fields["maintenanceWindows"] = msgspec.to_builtins(spec.maintenance_windows)
    if spec.patches != before.patches:
        each = spec.patches or Patches()
        fields["patches"] = {"policy": each.policy, "minAge": each.min_age, "timeout": each.timeout, "hold": each.hold}
    return fields


def _dropped(sent: Any, kept: Any, path: str) -> Iterator[str]:
    """Fields that the API server left out. Items of a list keep their order."""
    if isinstance(sent, list):
        for item, there in zip(sent, kept, strict=True):
            yield from _dropped(item, there, f"{path}[]")
    elif isinstance(sent, dict):
        for name, value in sent.items():
            place = f"{path}.{name}".lstrip(".")
            if name in kept:
                yield from _dropped(value, kept[name], place)
            elif value:
                yield place


def with_revisions(spec: ServiceMeshSpec, revisions: list[Revision], mode: Mode = Mode.ISTIO) -> ServiceMeshSpec:
    return msgspec.structs.replace(spec, revisions=revisions, mode=mode)


def ensure_namespace(kube: Kube, name: str) -> None:
    """The mesh's namespace, which must be there before the Lease that lives in it."""
    ref = ObjectRef("v1", "Namespace", "", name)
    if kube.get(ref) is None:
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, CREATE_MANAGER)
