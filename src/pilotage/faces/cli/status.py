"""`status`: the mesh at a glance, and the next step."""

from pilotage.decide.eligibility import get_upgrades
from pilotage.decide.support import installed_revisions, support_of
from pilotage.decide.usage import in_use_findings
from pilotage.domain.findings import Severity, Verb
from pilotage.domain.mesh import Mode
from pilotage.domain.profile import PROFILES
from pilotage.domain.state import Snapshot
from pilotage.faces.cli.judged import judged
from pilotage.faces.cli.options import command, output
from pilotage.faces.cli.session import Session
from pilotage.faces.render.emit import emit
from pilotage.faces.render.status import lines, status_of


@command()
@output
def status(session: Session, output: str) -> None:
    """Show revisions with their proxies, the tags and labels that lead to them, findings, and the next step."""
    snapshot, findings = judged(session)
    then = next_step(snapshot) or next((finding.fix for finding in findings if finding.severity is Severity.ERROR), "")
    document = status_of(snapshot, findings, then or "nothing: no upgrade is available")
    emit(output, document, lambda: lines(document, findings))


def next_step(snapshot: Snapshot) -> str:
    """One line: what a user would do now, "" where the mesh is settled and no upgrade is available."""
    if "control_planes" in snapshot.unknown:
        return "ask for the right to read Deployments, then: pilotage status"
    if begun := _begun(snapshot):
        return begun
    if orphaned := _orphaned(snapshot):
        return orphaned
    revisions = installed_revisions(snapshot)
    if not revisions:
        return "pilotage check" if snapshot.control_planes else "pilotage enable"
    if len(revisions) > 1:
        return _during_canary(snapshot, revisions[0].name, revisions[-1].name)
    offered = get_upgrades(revisions, support_of(snapshot))[0].upgrades
    if offered and _of_others(snapshot):
        return f"install {offered[0]} beside {revisions[0].name} with what installed that, then: pilotage status"
    return f"pilotage upgrade start --revision {offered[0]}" if offered else ""


def _orphaned(snapshot: Snapshot) -> str:
    """Control planes of ours whose resource was deleted: no verb of intent works before it is there again."""
    places = {plane.namespace for plane in snapshot.control_planes if plane.managed}
    if snapshot.mesh is not None or "mesh" in snapshot.unknown or not places:
        return ""
    known = next((each.name.value for each in PROFILES.values() if {each.namespace} == places), None)
    flag = f"--profile {known}" if known else f"-i {min(places)}"
    return f"pilotage enable {flag} takes the mesh back into a ServiceMesh"


def _begun(snapshot: Snapshot) -> str:
    """What an `enable` or `disable` that was stopped has left to do, "" if nothing."""
    if snapshot.mesh is None:
        return ""
    if snapshot.mesh.spec.mode is Mode.DISABLED:
        return "pilotage disable goes on" if snapshot.control_planes else "pilotage enable"
    names = [entry.name for entry in snapshot.mesh.spec.revisions]
    there = {plane.revision for plane in snapshot.control_planes if plane.available}
    return f"pilotage enable --revision {names[0]} goes on" if len(names) == 1 and not there else ""


def _during_canary(snapshot: Snapshot, stable: str, canary: str) -> str:
    asked = [entry.name for entry in snapshot.mesh.spec.revisions] if snapshot.mesh else []
    if asked and canary not in asked:
        return f"pilotage upgrade rollback goes on with the removal of {canary}"
    if asked and stable not in asked:
        return f"pilotage upgrade complete goes on with the removal of {stable}"
    if not any(plane.available for plane in snapshot.control_planes if plane.revision == canary):
        return f"pilotage upgrade start --revision {canary} goes on, pilotage upgrade rollback goes back"
    left = sum(pod.revision == stable and not pod.finished and not pod.ours for pod in snapshot.pods)
    if left:
        moved = f"move tags or namespaces to {canary}"
        return f"{moved}; then pilotage restart --not-on {canary} replaces the {left} pods left on {stable}"
    if _of_others(snapshot):
        return f"see that no label leads to {stable} any more, then remove it with what installed it"
    return _decision(snapshot, stable, canary)


def _decision(snapshot: Snapshot, stable: str, canary: str) -> str:
    """Of the two verbs only what would not be refused for what is in use."""
    holds = {name: _in_use(snapshot, name, other) for name, other in ((stable, canary), (canary, stable))}
    if holds[stable]:
        return f"pilotage upgrade complete --dry-run lists what still depends on {stable}"
    if holds[canary]:
        back = f"to go back instead, move the applications to {stable}, then pilotage upgrade rollback"
        return f"pilotage upgrade complete ({back})"
    return "pilotage upgrade complete, or pilotage upgrade rollback"


def _in_use(snapshot: Snapshot, revision: str, survivor: str) -> bool:
    return any(finding.blocks(Verb.COMPLETE) for finding in in_use_findings(snapshot, revision, survivor))


def _of_others(snapshot: Snapshot) -> bool:
    """Pilotage installs and removes nothing here, so no verb that would is a next step."""
    return snapshot.mesh is None and not any(plane.managed for plane in snapshot.control_planes)
