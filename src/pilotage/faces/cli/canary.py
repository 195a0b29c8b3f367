"""Around an install: preflight ahead, proof behind. Called by `enable` and `upgrade start`."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from pilotage.decide import meshconfig
from pilotage.decide.autoscaling import as_counterparts
from pilotage.decide.eligibility import get_revisions
from pilotage.decide.preflight import Request, preflight
from pilotage.decide.support import Support
from pilotage.desired import desire, revisions_of
from pilotage.domain.actions import Action
from pilotage.domain.errors import Refused, TimedOut
from pilotage.domain.findings import Finding, Verb
from pilotage.domain.mesh import Revision as Entry
from pilotage.domain.mesh import ServiceMesh
from pilotage.domain.names import BASE, PART, gateway_in, revision_in
from pilotage.domain.objects import Obj, ref_of
from pilotage.domain.profile import Profile, profile_of
from pilotage.domain.state import Revision, Snapshot
from pilotage.edge.mesh import read_mesh
from pilotage.edge.observe import PREFLIGHT, observe
from pilotage.edge.permissions import grants_of, missing_permissions, needs_of
from pilotage.edge.proof import Trial, fails, selecting, settled_proof
from pilotage.faces.cli.session import Session


class Canary(NamedTuple):
    """What is to be installed: `mesh` as it would be asked for, `target` its newest entry resolved."""

    session: Session
    mesh: ServiceMesh
    target: Revision
    verb: Verb = Verb.START


def asked_for(mesh: ServiceMesh, entry: Entry) -> ServiceMesh:
    """`mesh` with one more revision."""
    spec = msgspec.structs.replace(mesh.spec, revisions=[*mesh.spec.revisions, entry])
    return msgspec.structs.replace(mesh, spec=spec)


def preflight_of(canary: Canary, there: ServiceMesh | None, config: str | None) -> tuple[Finding, ...]:
    """Every finding against it. `there`: the resource as it is now. `config`: `copy`, `without` or None."""
    session, target = canary.session, canary.target
    objects = _rendered(canary)
    snapshot = _look(canary, there, tuple(ref_of(obj) for obj in objects))
    needs, grants = needs_of(objects), tuple(dict.fromkeys(grants_of(objects)))
    lacking = missing_permissions(session.kube, (*needs, *grants))
    denied, ungrantable = (tuple(each for each in asked if each in lacking) for asked in (needs, grants))
    snapshot = msgspec.structs.replace(snapshot, denied=denied, ungrantable=ungrantable)
    if there is not None:  # its HPAs will ask for as many pods as stable's
        objects = as_counterparts(objects, snapshot, target.name, there.spec.revisions[0].name)
    own = tuple(obj for obj in objects if obj["metadata"].get("labels", {}).get("istio.io/rev") == target.name)
    doors = tuple(obj for obj in objects if gateway_in(obj["metadata"].get("labels", {}).get(PART, "")))
    asked = Request(target, canary.verb, own, without_mesh_config=config is not None, gateways=doors)
    found = preflight(snapshot, asked)
    session.told = frozenset((finding.code, finding.subject) for finding in found)
    return found


def mesh_config_actions(canary: Canary, there: ServiceMesh, config: str | None) -> Iterator[Action]:
    """The canary's copy of stable's mesh configuration, where it was asked for."""
    if config == "copy":
        snapshot = _look(canary, there, ())
        yield meshconfig.copy(snapshot, there.spec.revisions[0].name, canary.target.name)


def as_installed(canary: Canary) -> Canary:
    """With the version that was installed: an operator may know newer patches than this catalog."""
    mesh = read_mesh(canary.session.kube) or canary.mesh
    there = next((each for each in revisions_of(mesh, canary.session.catalog) if each.name == canary.target.name), None)
    return canary._replace(mesh=mesh, target=there) if there else canary


def prove(canary: Canary, timeout: float) -> tuple[Finding, ...]:
    """Until a dry-run pod in the mesh's namespace is injected by the revision. Raises TimedOut naming what it got.

    HealthUnknown, where the pod may not be tried, is returned: waiting would not change it.
    """
    name = canary.target.name
    profile = profile_of(canary.mesh.spec)
    image = "" if _sets_image(canary) else profile.proxy_image_of(canary.target.version)
    trial = Trial(profile.namespace, selecting(name), name, image)
    finding = settled_proof(canary.session.kube, trial, timeout)
    if fails(finding):
        raise TimedOut(f"{name} is installed but does not inject: {finding.message}")
    return (finding,) if finding else ()


def injects(unproven: tuple[Finding, ...]) -> str:
    """The end of a verb's sentence: what is known of injection."""
    return "but whether it injects could not be tried" if unproven else "and injects"


def _sets_image(canary: Canary) -> bool:
    """The user's own values name the proxy's image: then any will do."""
    spec = canary.mesh.spec
    layers = (spec.values, *(entry.values for entry in spec.revisions if entry.name == canary.target.name))
    return any("image" in layer.get("global", {}).get("proxy", {}) for layer in layers)


def newest_revision(session: Session, profile: Profile) -> str:
    """The newest supported revision that runs on the cluster's Kubernetes. Raises Refused where there is none."""
    support = Support(session.catalog, profile, session.kube.version(), session.now.date())
    fitting = [row.revision for row in get_revisions(support) if _fits(support, row.revision)]
    if not fitting:
        raise Refused(f"no supported revision runs on Kubernetes {support.kubernetes}", fix="pilotage get-revisions")
    return fitting[-1]


def _fits(support: Support, revision: str) -> bool:
    releases = (release for release in support.catalog.minors if support.name(release.minor) == revision)
    return any(support.fits(release) for release in releases)


def _rendered(canary: Canary) -> tuple[Obj, ...]:
    """Base, the target's own objects, its gateways'. Charts that do not render are a refusal of their own."""
    desired = desire(canary.mesh, canary.session.catalog)
    gateways = (
        obj
        for part, objects in desired.gateway_objects.items()
        if revision_in(part) in (BASE, canary.target.name)
        for obj in objects
    )
    return (*desired.objects.get(BASE, ()), *desired.objects.get(canary.target.name, ()), *gateways)


def _look(canary: Canary, there: ServiceMesh | None, refs: tuple[Any, ...]) -> Snapshot:
    session = canary.session
    profile = profile_of(canary.mesh.spec)
    return observe(session.kube, profile, session.catalog, session.now, parts=PREFLIGHT, mesh=there, refs=refs)
