"""The resource as Desired: versions resolved, charts rendered. Called by the loop and by verbs that look ahead."""

from pilotage.decide.catalog import version_of
from pilotage.domain.catalog import Catalog
from pilotage.domain.mesh import Mode, Owner, ServiceMesh
from pilotage.domain.names import BASE
from pilotage.domain.objects import Obj
from pilotage.domain.profile import Profile, profile_of
from pilotage.domain.state import Desired, Revision
from pilotage.edge.charts import render_base, render_revision, renderer_for


def desire(mesh: ServiceMesh, catalog: Catalog) -> Desired:
    """The resource with versions resolved and charts rendered: base first, at the newest version, then each revision.

    The default validator is rendered for stable, so it stays there until the canary is the only one.
    """
    profile = profile_of(mesh.spec)
    revisions = revisions_of(mesh, catalog)
    managed = [revision for revision in revisions if revision.managed]
    objects: dict[str, tuple[Obj, ...]] = {}
    if managed and mesh.spec.mode is Mode.ISTIO:
        objects = _render(mesh, profile, revisions, managed)
    return Desired(profile, revisions, objects, disabled=mesh.spec.mode is Mode.DISABLED)


def revisions_of(mesh: ServiceMesh, catalog: Catalog) -> tuple[Revision, ...]:
    """Ascending by version: stable, then canary."""
    entries = (
        Revision(entry.name, version_of(entry.name, entry.version, catalog), entry.owner is Owner.MANAGED)
        for entry in mesh.spec.revisions
    )
    return tuple(sorted(entries, key=lambda revision: revision.version))


def _render(
    mesh: ServiceMesh, profile: Profile, revisions: tuple[Revision, ...], managed: list[Revision]
) -> dict[str, tuple[Obj, ...]]:
    renderer = renderer_for(profile.charts)
    own = {entry.name: entry.values for entry in mesh.spec.revisions}
    objects = {BASE: render_base(renderer, profile, managed[-1].version, revisions[0].name)}
    for revision in managed:
        objects[revision.name] = render_revision(renderer, profile, revision, (mesh.spec.values, own[revision.name]))
    return objects
