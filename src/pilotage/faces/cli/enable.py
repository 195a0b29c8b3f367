"""`enable` and `disable`: the first control plane, and the last. Called by `main`."""

from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from pilotage.decide.catalog import version_of
from pilotage.decide.force import Mark, confirm_annotation, no_mark
from pilotage.decide.gateway_removal import all_in_use, places
from pilotage.decide.plan import tag_deletions
from pilotage.decide.revision_health import starts
from pilotage.decide.usage import proxies_exist
from pilotage.desired import revisions_of
from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding, Verb
from pilotage.domain.gateways import gateways_of, place_of
from pilotage.domain.mesh import Artifacts, Mode, Names, ProfileName, ServiceMesh, ServiceMeshSpec
from pilotage.domain.mesh import Revision as Entry
from pilotage.domain.names import EVERY_REVISION
from pilotage.domain.profile import PROFILES, Profile, profile_of
from pilotage.edge.chart_source import OCI
from pilotage.edge.crds import update
from pilotage.edge.mesh import create_mesh, read_mesh, with_revisions
from pilotage.edge.observe import observe
from pilotage.faces.cli import options
from pilotage.faces.cli.answer import refuse_if_blocked, report
from pilotage.faces.cli.ask import confirm
from pilotage.faces.cli.canary import Canary, as_installed, injects, newest_revision, preflight_of, prove
from pilotage.faces.cli.drive import Following, edit, enabled_mesh, follow, local_option, settled
from pilotage.faces.cli.gateway_back import all_back
from pilotage.faces.cli.session import Session
from pilotage.faces.cli.until import once_started, until_ready

_SERVED = 20.0  # seconds until a new CRD must be served
_KEPT = "CRDs and Istio resources, the CA's secret, the namespace and the mesh configurations in it"


def _absolute(_: click.Context, __: click.Parameter, charts: str | None) -> str | None:
    """The resource is read from other folders, too."""
    return str(Path.cwd() / charts) if charts and not charts.startswith((OCI, "~")) else charts


@options.command()
@click.option("-r", "--revision", help="Revision to install, as in asm-1-30; the newest that fits if not given.")
@click.option("--version", help="Istio version, to be kept; if not given, the minor's newest patch.")
@click.option(
    "--profile", type=click.Choice([name.value for name in ProfileName]), help="Names to use; istio if not given."
)
@click.option(
    "--charts",
    metavar="FOLDER|oci://…",
    callback=_absolute,
    shell_complete=options.files,
    help="Where Istio's charts are; {version} stands for the version.",
)
@click.option("--hub", help="Registry and path of the images.")
@local_option
@options.dry_run
@options.output
@options.waiting("10m")
def enable(session: Session, revision: str | None, version: str | None, profile: str | None, **flags: Any) -> None:
    """Install the first control plane. Enabling the same again resumes, and brings the CRD up to date."""
    there = read_mesh(session.kube)
    artifacts = Artifacts(charts=flags["charts"], hub=flags["hub"])
    wish = Wish(revision, version, ProfileName(profile) if profile else None, artifacts)
    if there is not None and there.spec.mode is Mode.ISTIO:
        mesh = _resume(there, wish)
    else:
        mesh = ServiceMesh(_wanted(session, there, wish))
    entry = mesh.spec.revisions[0]
    target = next(each for each in revisions_of(mesh, session.catalog) if each.name == entry.name)
    canary = Canary(session, mesh, target, Verb.ENABLE)
    findings: tuple[Finding, ...] = ()
    if mesh is not there:
        findings = preflight_of(canary, there, None)
        refuse_if_blocked(findings, Verb.ENABLE, f"{entry.name} cannot be installed")
        _write(session, there, mesh.spec, flags["dry_run"])
    elif not flags["dry_run"]:
        update(session.kube)
    if flags["dry_run"]:
        words = f"{entry.name} ({target.version}) would be installed; nothing was written."
        return report(flags["output"], words, findings=findings)
    if not flags["wait"]:
        return report(flags["output"], f"{entry.name} was asked for.", then="pilotage status", findings=findings)
    how = Following.of(f"enable {entry.name}", flags)
    made = follow(session, mesh, how, settled("Settled", "Canary"))
    doors = (finding for finding in made.findings if finding.code in ("GatewayLeaving", "GatewayTypeHeld"))
    canary = as_installed(canary)
    unproven = prove(canary, flags["timeout"])
    then = f"kubectl label namespace NAMESPACE istio.io/rev={entry.name}, then pilotage restart -n NAMESPACE --all"
    words = f"{entry.name} ({canary.target.version}) is installed, {injects(unproven)}."
    return report(flags["output"], words, then=then, findings=(*findings, *unproven, *doors))


@options.command()
@local_option
@options.dry_run
@options.output
@options.yes
@options.waiting("10m")
def disable(session: Session, **flags: Any) -> None:
    """Remove every control plane, and Pilotage's gateways first. Refused while another proxy exists; data stays."""
    mesh = enabled_mesh(session, leaving=True)
    names = tuple(entry.name for entry in mesh.spec.revisions)
    snapshot = once_started(session.snapshot, lambda seen: any(starts(seen, name) for name in names))
    blocking = (*proxies_exist(snapshot, names), *all_in_use(snapshot))
    refuse_if_blocked(blocking, Verb.DISABLE, "the mesh cannot be disabled")
    tuple(tag_deletions(snapshot))  # ahead of the intent, which nobody could carry out
    gateways = sorted({place.name for place in (*places(snapshot), *map(place_of, gateways_of(mesh.spec)))})
    gone = ", ".join((*names, *(f"gateway {name} with its address" for name in gateways)))
    if flags["dry_run"]:
        words = f"{gone} would be removed; nothing was written. Would stay: {_KEPT}."
        return report(flags["output"], words)
    confirm(f"This removes {gone}. It keeps {_KEPT}.\nAre you sure you want to proceed?", flags["yes"])
    spec = with_revisions(mesh.spec, mesh.spec.revisions, Mode.DISABLED)
    mark = Mark(session.kube.whoami(), session.now, EVERY_REVISION)
    edit(session, mesh, spec, confirm_annotation(mark), dry_run=False)
    if not flags["wait"]:
        return report(flags["output"], f"{gone} will be removed.", then="pilotage status")
    follow(session, mesh, Following.of("disable", flags), settled("Disabled"))
    return report(flags["output"], f"{gone} removed. Kept: {_KEPT}.")


class Wish(NamedTuple):
    """What the words of `enable` ask for; None where they say nothing."""

    revision: str | None
    version: str | None
    profile: ProfileName | None
    artifacts: Artifacts


def _wanted(session: Session, there: ServiceMesh | None, wish: Wish) -> ServiceMeshSpec:
    """The resource as it should be: what a disabled one says, or what stands of ours where it was deleted."""
    spec = _again(there.spec, wish) if there else _fresh(session, wish)
    standing = _standing(session, profile_of(spec))
    if standing:
        _refuse_another(standing, there, wish)
        gateways = spec.gateways if there else all_back(session, profile_of(spec)) or None
        spec = msgspec.structs.replace(spec, gateways=gateways)
        return with_revisions(spec, there.spec.revisions if there else standing)
    name = wish.revision or newest_revision(session, profile_of(spec))
    version_of(name, wish.version, session.catalog)  # refuses what nobody knows
    return with_revisions(spec, [Entry(name, wish.version)])


def _fresh(session: Session, wish: Wish) -> ServiceMeshSpec:
    names = Names(namespace=session.istio_namespace)
    profile = wish.profile or ProfileName.ISTIO
    return ServiceMeshSpec([Entry("default")], profile=profile, artifacts=wish.artifacts, names=names)


def _again(spec: ServiceMeshSpec, wish: Wish) -> ServiceMeshSpec:
    if wish.profile not in (None, spec.profile):
        fix = "kubectl delete servicemesh default, then the same command"
        raise Refused(f"the disabled mesh keeps its names: profile {spec.profile}", fix=fix)
    return msgspec.structs.replace(spec, artifacts=_over(spec.artifacts, wish.artifacts))


def _over(below: Artifacts, above: Artifacts) -> Artifacts:
    given = {name: value for name in above.__struct_fields__ if (value := getattr(above, name)) is not None}
    return msgspec.structs.replace(below, **given)


def _standing(session: Session, profile: Profile) -> list[Entry]:
    """Control planes that Pilotage installed; they keep what they run. Raises Refused where they are elsewhere."""
    facts = frozenset({"control_planes"})
    seen = observe(session.kube, profile, session.catalog, session.now, parts=facts).control_planes
    planes = sorted((plane for plane in seen if plane.managed), key=lambda plane: plane.version or ())
    for plane in planes:
        if plane.namespace != profile.namespace:
            known = [each.name.value for each in PROFILES.values() if each.namespace == plane.namespace]
            flag = f"--profile {known[0]}" if known else f"-i {plane.namespace}"
            where = f"Pilotage installed {plane.revision} in {plane.namespace}"
            raise Refused(f"{where}; its ServiceMesh is gone", fix=f"take it back: pilotage enable {flag}")
    return [Entry(plane.revision) for plane in planes]


def _refuse_another(standing: list[Entry], there: ServiceMesh | None, wish: Wish) -> None:
    """What stands is taken back, or taken away, before there is another."""
    names = [entry.name for entry in standing]
    if wish.revision not in (None, *names):
        words = "is still being removed" if there else "is installed already, without its ServiceMesh"
        fix = "pilotage disable, to its end" if there else "pilotage enable, to take it back"
        raise Refused(f"{', '.join(names)} {words}", fix=fix)


def _resume(mesh: ServiceMesh, wish: Wish) -> ServiceMesh:
    """The mesh that is there, if it is the one that was asked for."""
    names = [entry.name for entry in mesh.spec.revisions]
    if wish.revision not in (None, *names):
        raise Refused(f"the mesh is already enabled with {', '.join(names)}", fix="pilotage get-upgrades")
    versions = (None, *(entry.version for entry in mesh.spec.revisions))
    same = wish.version in versions and wish.profile in (None, mesh.spec.profile)
    if not same or _over(mesh.spec.artifacts, wish.artifacts) != mesh.spec.artifacts:
        words = "the mesh is already enabled, with another version, profile, charts or hub"
        raise Refused(words, fix="kubectl edit servicemesh default")
    return mesh


def _write(session: Session, there: ServiceMesh | None, spec: ServiceMeshSpec, dry_run: bool) -> None:
    if there is not None:
        if not dry_run:
            update(session.kube)
        edit(session, there, spec, no_mark(), dry_run=dry_run)
        return
    until_ready(lambda: create_mesh(session.kube, spec, dry_run=dry_run), _SERVED)
