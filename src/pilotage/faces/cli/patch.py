"""`patch start|hold`: a patch now, or none for a while. The rest is the loop's."""

from typing import Any, NamedTuple

import click
from msgspec import structs

from pilotage.decide.force import Mark, patch_annotation
from pilotage.decide.patches import CLASH, Facts, due, facts_of, newest, policy_of, way_out
from pilotage.decide.versions import takes_patches, under_way, versions_of
from pilotage.domain.actions import Plan
from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding
from pilotage.domain.mesh import Revision as Entry
from pilotage.domain.mesh import ServiceMesh
from pilotage.domain.version import Version
from pilotage.edge.mesh import read_mesh, with_revisions
from pilotage.faces.cli import options
from pilotage.faces.cli.answer import refuse, report
from pilotage.faces.cli.ask import confirm
from pilotage.faces.cli.drive import Following, edit, enabled_mesh, follow, local_option
from pilotage.faces.cli.session import Session

_QUESTION = "{move} now, whatever its window and age: istiod first, then its gateways.{pin} Go on?"
_PARTS = frozenset({"mesh", "control_planes"})


class Move(NamedTuple):
    """What `start` is to do: `mesh` as it would be asked for. `begun`: it is on its way, and only to be followed."""

    entry: Entry
    mesh: ServiceMesh
    before: Version
    to: Version | None
    begun: bool = False

    @property
    def words(self) -> str:
        moves = "is on its way" if self.begun else "moves"
        return f"{self.entry.name} {moves} from {self.before} to {self.to}"


@options.command()
@click.option("-r", "--revision", help="Revision to patch; needed only where there is more than one.")
@local_option
@options.dry_run
@options.output
@options.yes
@options.waiting("15m")
def start(session: Session, revision: str | None, **flags: Any) -> None:
    """Take the newest patch of a revision now, outside its window and however young it is.

    One that is on its way already is followed. Done means proven, as for upgrade start. One that is not ready in time
    (spec.patches.timeout) goes back by itself. A version in the resource is taken out of it: the revision takes patches
    from then on.
    """
    mesh = enabled_mesh(session)
    move = _move(session, mesh, revision)
    if move.to is None:
        return report(flags["output"], f"{move.entry.name} runs {move.before}: no newer patch is known.")
    if flags["dry_run"]:
        return report(flags["output"], f"{move.words}; nothing was written.")
    if not move.begun:
        _ask(session, mesh, move, flags["yes"])
    if not flags["wait"]:
        words = f"{move.words}." if move.begun else f"{move.entry.name}: {move.to} was asked for."
        return report(flags["output"], words, then="pilotage status")
    how = Following.of(f"patch start {move.entry.name}", flags)
    made = _followed(session, mesh, how, move)
    if made.patch is not None:
        cause = f"{made.patch.to} was taken back, {move.entry.name} runs {made.patch.before} again"
        refuse(Finding("PatchFailed", f"{cause}: {made.patch.failed}", move.entry.name, "pilotage check"))
    _refuse_unless_there(session, move, made)
    words = f"{move.entry.name} runs {move.to}; proxies follow when their workloads restart."
    return report(flags["output"], words, then="pilotage restart -n NAMESPACE --all")


@options.command()
@click.option("--release", is_flag=True, help="Let patches start again.")
@options.dry_run
@options.output
def hold(session: Session, release: bool, dry_run: bool, output: str) -> None:
    """Start no patch until it is released. One that is under way is finished."""
    mesh = enabled_mesh(session)
    policy = structs.replace(policy_of(mesh), hold=not release)
    edit(session, mesh, structs.replace(mesh.spec, patches=policy), {}, dry_run=dry_run)
    state = "released" if release else "held"
    words = f"patches would be {state}; nothing was written." if dry_run else f"patches are {state}."
    report(output, words, then="pilotage maintenance next" if release else "pilotage patch hold --release")


def _followed(session: Session, mesh: ServiceMesh, how: Following, move: Move) -> Plan:
    """Raises what following raises; a refused write leaves the patch on its way, and there are two ways on."""
    try:
        return follow(session, mesh, how, _over)
    except Refused as refused:
        patch = under_way(read_mesh(session.kube) or mesh)
        if patch is None or patch.failed:
            raise
        back = f"pilotage enable --revision {move.entry.name} --version {patch.before}"
        fix = f"mend that and run this again, or go back: {back}"
        raise Refused(str(refused), fix=f"{refused.fix}; {fix}" if refused.fix else fix) from refused


def _ask(session: Session, mesh: ServiceMesh, move: Move, yes: bool) -> None:
    """The person first, then the loop."""
    pin = f" It is kept at {move.entry.version} by the resource; that is taken out." if move.entry.version else ""
    confirm(_QUESTION.format(move=move.words, pin=pin), yes)
    mark = Mark(session.kube.whoami(), session.now.replace(microsecond=0), move.entry.name)
    edit(session, mesh, move.mesh.spec, patch_annotation(mark), dry_run=False)


def _refuse_unless_there(session: Session, move: Move, made: Plan) -> None:
    """A loop that did not begin it says why: an operator may know another catalog, or the budget is in the way."""
    mesh = read_mesh(session.kube) or move.mesh
    runs = versions_of(mesh, {}, session.catalog).get(move.entry.name)
    if runs == move.before:
        held = next((each for each in made.findings if each.code == "PatchHeld"), None)
        refuse(held or Finding("PatchHeld", f"{move.to} was not begun", move.entry.name, "pilotage check"))


def _over(made: Plan) -> bool:
    """At rest, with the patch in place or gone back."""
    return made.phase == "Settled" and made.settled and (made.patch is None or bool(made.patch.failed))


def _move(session: Session, mesh: ServiceMesh, revision: str | None) -> Move:
    """Raises Refused where the revision takes no patches, or they are held."""
    patch = under_way(mesh)
    if patch and not patch.failed and revision in (None, patch.revision):
        entry = next(each for each in mesh.spec.revisions if each.name == patch.revision)
        return Move(entry, mesh, Version.parse(patch.before), Version.parse(patch.to), begun=True)
    if len(mesh.spec.revisions) > 1:
        way = "pilotage upgrade complete, or rollback"
        refuse(Finding("PatchHeld", "a canary is in progress", mesh.spec.revisions[0].name, way))
    if policy_of(mesh).hold:
        refuse(Finding("PatchHeld", "patches are held", fix="pilotage patch hold --release"))
    entry = mesh.spec.revisions[0]
    if revision not in (None, entry.name):
        raise Refused(f"{revision} is not installed, {entry.name} is", fix=f"pilotage patch start -r {entry.name}")
    seen = facts_of(session.snapshot(_PARTS))
    facts = seen or Facts(mesh, {}, session.catalog, session.now)
    before = versions_of(mesh, facts.running, session.catalog)[entry.name]
    asked = structs.replace(mesh, spec=with_revisions(mesh.spec, [structs.replace(entry, version=None)]))
    if not takes_patches(asked, asked.spec.revisions[0]):
        words = f"{entry.name} takes no patches: its name, its owner or its values say which version it runs"
        raise Refused(words, fix="kubectl get smesh default -o yaml")
    held = next((each for each in due(facts._replace(mesh=asked)) if each.held.startswith(CLASH)), None)
    if held:
        refuse(Finding("PatchHeld", f"{held.to} is out, and {held.held}", entry.name, way_out(held)))
    return Move(entry, asked, before, newest(facts, before, any_age=True))
