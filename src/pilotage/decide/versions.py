"""Which version each revision is to run now. Called by `patches`, by the loop and by verbs that look ahead.

A revision keeps the version that it was last published with, or that its istiod runs: a newer catalog moves nothing.
Only its entry in the spec does, or a patch that was begun; and begun is one that the status names.
"""

from collections.abc import Mapping

from pilotage.decide.catalog import version_of
from pilotage.domain.catalog import Catalog
from pilotage.domain.mesh import Owner, PatchState, ServiceMesh
from pilotage.domain.mesh import Revision as Entry
from pilotage.domain.version import Version, minor_in_name, patch_in_name


def versions_of(mesh: ServiceMesh, running: Mapping[str, Version], catalog: Catalog) -> dict[str, Version]:
    """What each revision is to run now. `running`: of istiods that are seen.

    Raises Refused for a revision without a version that anybody knows.
    """
    patch = under_way(mesh)
    return {
        entry.name: _version(mesh, entry, patch, running) or version_of(entry.name, entry.version, catalog)
        for entry in mesh.spec.revisions
    }


def unpublished(mesh: ServiceMesh) -> bool:
    """Whether a look at the istiods must tell what they run: the status does not."""
    entries = (entry for entry in mesh.spec.revisions if entry.version or takes_patches(mesh, entry))
    return any(entry.owner is Owner.MANAGED and not mesh.versions.get(entry.name) for entry in entries)


def under_way(mesh: ServiceMesh) -> PatchState | None:
    """The patch of the status, as long as its revision is there and takes patches."""
    patch = mesh.patch
    entry = next((each for each in mesh.spec.revisions if patch and each.name == patch.revision), None)
    if patch is None or entry is None or not takes_patches(mesh, entry):
        return None
    try:
        Version.parse(patch.before), Version.parse(patch.to)
    except ValueError:
        return None
    return patch


def takes_patches(mesh: ServiceMesh, entry: Entry) -> bool:
    """Ours, and its version is neither given, nor in its name, nor pinned by values that name the image."""
    layers = (mesh.spec.values, entry.values)
    return entry.owner is Owner.MANAGED and not (
        entry.version or patch_in_name(entry.name) or any(_names_image(layer) for layer in layers)
    )


def _version(
    mesh: ServiceMesh, entry: Entry, patch: PatchState | None, running: Mapping[str, Version]
) -> Version | None:
    """What it is to run where a patch or the past says so. None: what its entry says, or else its name."""
    if entry.owner is Owner.EXTERNAL:
        return None
    known = known_version(mesh, entry, running)
    if entry.version:  # a minor is never changed in place: proxies would jump with it
        return known if known and known.in_minor != Version.parse(entry.version).in_minor else None
    if patch_in_name(entry.name):
        return None
    if patch and patch.revision == entry.name:
        if not patch.failed:
            return Version.parse(patch.to)
        return Version.parse(patch.before) if str(known) == patch.to else known
    return known


def known_version(mesh: ServiceMesh, entry: Entry, running: Mapping[str, Version]) -> Version | None:
    """As published, for an istiod may be gone, or its image changed by hand; else as it runs.

    One of another minor than the revision's name says is somebody's mistake.
    """
    published = mesh.versions.get(entry.name, "")
    try:
        known = Version.parse(published) if published else running.get(entry.name)
    except ValueError:
        known = running.get(entry.name)
    minor = minor_in_name(entry.name)
    return known if known is None or minor in (None, known.in_minor) else None


def _names_image(values: Mapping[str, object]) -> bool:
    pilot, shared = (values.get(key) for key in ("pilot", "global"))
    layers = (values, pilot if isinstance(pilot, Mapping) else {}, shared if isinstance(shared, Mapping) else {})
    return any(layer.get("tag") or (layer is not layers[2] and layer.get("image")) for layer in layers)
