"""`upgrade start|complete|rollback`: the intent is an edit of the resource, the rest is the loop's."""

from typing import Any

import click

from pilotage.decide.catalog import version_of
from pilotage.decide.force import Mark, confirm_annotation, force_annotation, no_mark
from pilotage.decide.removal import guard, leftover
from pilotage.decide.revision_health import starts
from pilotage.decide.usage import idle_tags
from pilotage.desired import revisions_of
from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding, Verb
from pilotage.domain.mesh import Revision as Entry
from pilotage.domain.mesh import ServiceMesh
from pilotage.domain.state import Revision, Snapshot
from pilotage.edge.apply import apply
from pilotage.edge.mesh import with_revisions
from pilotage.faces.cli import options
from pilotage.faces.cli.answer import refuse, refuse_if_blocked, report, say
from pilotage.faces.cli.ask import confirm
from pilotage.faces.cli.canary import Canary, as_installed, asked_for, injects, mesh_config_actions, preflight_of, prove
from pilotage.faces.cli.drive import Following, edit, enabled_mesh, follow, local_option, settled, who_acts
from pilotage.faces.cli.judged import judged, skewed
from pilotage.faces.cli.session import Session
from pilotage.faces.cli.until import once_started
from pilotage.faces.render.status import revision_lines, status_of

_QUESTION = "This removes the control plane of {remove}, for good; {keep} stays.{tags} Go on?"


@options.command()
@click.option("-r", "--revision", required=True, help="Revision to install as the canary, as in asm-1-31.")
@click.option("--version", help="Istio version, to be kept; if not given, the minor's newest patch.")
@click.option("--copy-mesh-config", is_flag=True, help="Give the canary stable's mesh configuration.")
@click.option("--without-mesh-config", is_flag=True, help="Start although only stable has one.")
@local_option
@options.dry_run
@options.output
@options.waiting("10m")
def start(session: Session, revision: str, version: str | None, **flags: Any) -> None:
    """Install a canary control plane beside the stable one.

    All preflight findings are printed at once. Done means proven: istiod available, caBundles filled, the validator
    fail-closed, roots of trust equal, and a dry-run pod injected by the new revision. Starting the same revision again
    resumes.
    """
    config, mesh = _config(flags), enabled_mesh(session)
    stable = revisions_of(mesh, session.catalog)[0].name
    there = next((each for each in revisions_of(mesh, session.catalog) if each.name == revision), None)
    target = there or Revision(revision, version_of(revision, version, session.catalog))
    canary = Canary(session, mesh if there else asked_for(mesh, Entry(revision, version)), target)
    if there:
        _refuse_unless_resumed(there, stable, version)
    how = Following.of(f"upgrade start {revision}", flags)
    if flags["wait"] and not flags["dry_run"]:
        how = how._replace(operator=who_acts(session, mesh, how.local))
    findings = () if there else _ask(canary, mesh, config, flags["dry_run"])
    if flags["dry_run"]:
        words = f"{revision} ({target.version}) would be installed beside {stable}; nothing was written."
        return report(flags["output"], words, findings=findings)
    if not flags["wait"]:
        return report(flags["output"], f"{revision} was asked for.", then="pilotage status", findings=findings)
    if follow(session, mesh, how, settled("Canary", "Settled")).phase == "Settled":
        raise Refused(f"{revision} was taken out of the resource meanwhile", fix="pilotage status")
    canary = as_installed(canary)
    unproven = prove(canary, flags["timeout"])
    words = f"{revision} ({canary.target.version}) runs beside {stable}, {injects(unproven)}."
    return report(flags["output"], words, then=_next(revision), findings=(*findings, *unproven))


def _config(flags: dict[str, Any]) -> str | None:
    """What is to become of stable's mesh configuration, as `preflight_of` has it."""
    if flags["copy_mesh_config"] and flags["without_mesh_config"]:
        raise click.UsageError("--copy-mesh-config and --without-mesh-config exclude each other")
    return "copy" if flags["copy_mesh_config"] else "without" if flags["without_mesh_config"] else None


def _ask(canary: Canary, mesh: ServiceMesh, config: str | None, dry_run: bool) -> tuple[Finding, ...]:
    """Preflight, then the intent: the canary's mesh configuration where it is copied, and its entry in the resource."""
    findings = (*preflight_of(canary, mesh, config), *skewed(canary.session))
    refuse_if_blocked(findings, Verb.START, f"{canary.target.name} cannot be started")
    for action in mesh_config_actions(canary, mesh, config):
        apply(canary.session.kube, action, dry_run=dry_run)
    edit(canary.session, mesh, canary.mesh.spec, no_mark(), dry_run=dry_run)
    return findings


def _refuse_unless_resumed(there: Revision, stable: str, version: str | None) -> None:
    """The canary that is there is gone on with, if it is the one that was asked for."""
    if there.name == stable:
        refuse(Finding("TargetNotOffered", f"{stable} is installed already", stable, "pilotage get-upgrades"))
    if version not in (None, str(there.version)):
        words = f"{there.name} was started with version {there.version}"
        refuse(Finding("CanaryInProgress", words, there.name, "pilotage upgrade rollback, then start it again"))


@options.command()
@click.option("--force", is_flag=True, help="Remove the old revision although something still depends on it.")
@local_option
@options.dry_run
@options.output
@options.yes
@options.waiting("10m")
def complete(session: Session, **flags: Any) -> None:
    """Keep the canary, remove the old revision. Refused while anything still depends on the old one."""
    _decide(session, Verb.COMPLETE, flags)


@options.command()
@click.option("--force", is_flag=True, help="Remove the canary although something still depends on it.")
@local_option
@options.dry_run
@options.output
@options.yes
@options.waiting("10m")
def rollback(session: Session, **flags: Any) -> None:
    """Keep the old revision, remove the canary. Refused while anything still depends on the canary."""
    _decide(session, Verb.ROLLBACK, flags)


def _decide(session: Session, verb: Verb, flags: dict[str, Any]) -> None:
    mesh = enabled_mesh(session)
    snapshot, seen = once_started(
        lambda: judged(session), lambda found: starts(found[0], _sides(session, mesh, verb, found[0])[1])
    )
    keep, remove = _sides(session, mesh, verb, snapshot)
    findings = (*guard(snapshot, remove, keep), *skewed(session))
    if not flags["force"]:
        refuse_if_blocked(findings, verb, f"{remove} cannot be removed")
    idle = idle_tags(snapshot, remove)
    tags = f" Tags that nobody is behind move to {keep.name}: {', '.join(idle)}." if idle else ""
    if flags["dry_run"]:
        words = f"{remove} would be removed, {keep.name} would stay; nothing was written.{tags}"
        return report(flags["output"], words, findings=findings)
    if flags["output"] == "table":
        click.echo("\n".join(revision_lines(status_of(snapshot, (), ""))), err=True)
    say((*findings, *(finding for finding in seen if keep.name in finding.subject)), flags["output"])
    confirm(_QUESTION.format(remove=remove, keep=keep.name, tags=tags), flags["yes"])
    mark = Mark(session.kube.whoami(), session.now, remove)
    _write_intent(session, mesh, keep, force_annotation(mark) if flags["force"] else confirm_annotation(mark))
    if not flags["wait"]:
        return report(flags["output"], f"{remove} will be removed.", then="pilotage status", findings=findings)
    follow(session, mesh, Following.of(str(verb), flags), settled("Settled"))
    words = f"{remove} was removed; {keep.name} is the only control plane."
    told = () if flags["output"] == "table" else findings  # a table has shown them ahead of the question
    return report(flags["output"], words, then="pilotage status", findings=told)


def _write_intent(session: Session, mesh: ServiceMesh, keep: Revision, mark: dict[str, str | None]) -> None:
    """One entry is left; who decided it is recorded in the same write, so that the loop never sees one alone."""
    entries = [entry for entry in mesh.spec.revisions if entry.name == keep.name]
    edit(session, mesh, with_revisions(mesh.spec, entries), mark, dry_run=False)


def _sides(session: Session, mesh: ServiceMesh, verb: Verb, snapshot: Snapshot) -> tuple[Revision, str]:
    """(kept, name of the removed), by version as numbers, whatever the order of the list.

    With one entry a verb that was killed goes on, if what is left of a revision lies on the side the verb removes.
    """
    revisions = revisions_of(mesh, session.catalog)
    if len(revisions) == 2:
        stable, canary = revisions
        return (canary, stable.name) if verb is Verb.COMPLETE else (stable, canary.name)
    removed = leftover(snapshot, revisions[0], older=verb is Verb.COMPLETE)
    if removed is None:
        refuse(Finding("NoUpgradeInProgress", "only one revision is installed", fix="pilotage get-upgrades"))
    return revisions[0], removed


def _next(revision: str) -> str:
    return (
        f"point a tag or a namespace at it (pilotage tag set TAG --revision {revision} --overwrite, "
        f"pilotage namespace move NAMESPACE --to {revision}), restart (pilotage restart --not-on {revision}), "
        "then pilotage upgrade complete or rollback"
    )
