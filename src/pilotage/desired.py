"""The resource as Desired: versions resolved, charts rendered. Called by the loop and by verbs that look ahead."""

from collections.abc import Mapping

from pilotage.decide.gateway_service import gateway_service
from pilotage.decide.versions import versions_of
from pilotage.decide.whole import refuse_halves
from pilotage.domain.catalog import Catalog
from pilotage.domain.gateways import gateways_of
from pilotage.domain.mesh import Gateway, Mode, Owner, ServiceMesh
from pilotage.domain.names import BASE, gateway_part
from pilotage.domain.objects import Obj
from pilotage.domain.profile import Profile, profile_of
from pilotage.domain.state import Desired, Revision
from pilotage.domain.version import Version
from pilotage.edge.charts import render_base, render_revision, renderer_for
from pilotage.edge.gateways import render_gateway


def desire(mesh: ServiceMesh, catalog: Catalog, versions: Mapping[str, Version] | None = None) -> Desired:
    """The resource with versions resolved and charts rendered: base first, at the newest version, then each revision.

    `versions`: as `decide.patches` has them; else as the resource alone tells.

    The default validator is rendered for stable, so it stays there until the canary is the only one.
    """
    profile = profile_of(mesh.spec)
    revisions = revisions_of(mesh, catalog, versions)
    managed = [revision for revision in revisions if revision.managed]
    objects: dict[str, tuple[Obj, ...]] = {}
    gateways: tuple[Gateway, ...] = ()
    if managed and mesh.spec.mode is Mode.ISTIO:
        objects, gateways = _render(mesh, profile, revisions, managed), gateways_of(mesh.spec)
    disabled, doors = mesh.spec.mode is Mode.DISABLED, _render_gateways(profile, managed, gateways)
    return Desired(profile, revisions, objects, disabled, gateways, doors)


def revisions_of(
    mesh: ServiceMesh, catalog: Catalog, versions: Mapping[str, Version] | None = None
) -> tuple[Revision, ...]:
    """Ascending by version: stable, then canary."""
    known = versions or versions_of(mesh, {}, catalog)
    entries = (Revision(entry.name, known[entry.name], entry.owner is Owner.MANAGED) for entry in mesh.spec.revisions)
    return tuple(sorted(entries, key=lambda revision: revision.version))


def _render(
    mesh: ServiceMesh, profile: Profile, revisions: tuple[Revision, ...], managed: list[Revision]
) -> dict[str, tuple[Obj, ...]]:
    renderer = renderer_for(profile.charts)
    own = {entry.name: entry.values for entry in mesh.spec.revisions}
    objects = {BASE: render_base(renderer, profile, managed[-1].version, revisions[0].name)}
    for revision in managed:
        layers = (mesh.spec.values, own[revision.name])
        objects[revision.name] = render_revision(renderer, profile, revision, layers)
        refuse_halves(revision.name, objects[revision.name])
    return objects


def _render_gateways(
    profile: Profile, managed: list[Revision], gateways: tuple[Gateway, ...]
) -> dict[str, tuple[Obj, ...]]:
    """Each gateway's Service, and what it is in each revision."""
    objects: dict[str, tuple[Obj, ...]] = {}
    for gateway in gateways:
        objects[gateway_part(BASE, gateway.name)] = (gateway_service(gateway, profile.name),)
        for revision in managed:
            rendered = render_gateway(renderer_for(profile.charts), profile, revision, gateway)
            objects[gateway_part(revision.name, gateway.name)] = rendered
    return objects
