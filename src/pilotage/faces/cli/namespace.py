"""`namespace move`: labels namespaces for a tag or a revision. By itself it changes no running pod."""

from collections.abc import Iterable
from typing import NamedTuple

import click

from pilotage.decide.dataplane import Moves, computed, move_namespaces
from pilotage.decide.selectors import revision_of_name
from pilotage.domain.actions import Patch
from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding
from pilotage.domain.names import INJECTION, REV
from pilotage.domain.state import Snapshot
from pilotage.edge.apply import apply
from pilotage.edge.proof import UNTRIED, Trial, fails, selecting, settled_proof
from pilotage.faces.cli.labels import selector_option
from pilotage.faces.cli.options import command, dry_run, output
from pilotage.faces.cli.session import Session
from pilotage.faces.render.emit import emit
from pilotage.faces.render.findings import document, text

_PARTS = frozenset({"namespaces", "injectors", "control_planes"})
_SETTLES = 5.0  # seconds until an API server's admission has surely learnt of what it has written


class Target(NamedTuple):
    """A tag or revision as it was typed, and the revision behind it."""

    name: str
    revision: str


@command()
@click.argument("names", nargs=-1, metavar="NAME…")
@click.option("--to", "to", required=True, metavar="TAG|REVISION", help="What is to inject their new pods.")
@selector_option("Namespaces with these labels, instead of names.")
@click.option("--remove-injection-label", is_flag=True, help="Remove istio-injection, which would win over the label.")
@dry_run
@output
def move(session: Session, names: tuple[str, ...], to: str, selector: str | None, **flags: bool | str) -> None:
    """Label namespaces for a tag or a revision. Running pods stay as they are until they are restarted.

    Injection by the target is proven with dry-run pods: in the mesh's namespace, then in each namespace before it moves
    (where a label that it has does not hide the target) and again once it did. Where the proof fails the old label
    stays, or comes back.
    """
    if bool(names) == bool(selector):
        raise click.UsageError("give either names or --selector")
    chosen = names or _selected(session, selector or "")
    snapshot = session.snapshot(_PARTS)
    moves = move_namespaces(snapshot, chosen, to, bool(flags["remove_injection_label"]))
    target = Target(to, revision_of_name(snapshot, to) or to)
    failed = _carry_out(session, snapshot, moves, target, dry_run=bool(flags["dry_run"])) if moves.actions else []
    there = [name for name in dict.fromkeys(chosen) if name not in _touched(moves)]
    tried = (*failed, *_confirm(session, there, target))
    findings = (*moves.findings, *(_explained(snapshot, moves, target, each) for each in tried))
    _report(str(flags["output"]), chosen, moves, findings, dry_run=bool(flags["dry_run"]))
    refused = [finding for finding in findings if fails(finding)]
    if refused:
        raise Refused(
            f"{len(refused)} of {len(chosen)} namespaces were left as they are", fix=refused[0].fix, findings=findings
        )


def _explained(snapshot: Snapshot, moves: Moves, to: Target, finding: Finding) -> Finding:
    """A proof that could not be tried says what is computed instead."""
    if fails(finding):
        return finding
    return computed(
        snapshot, moves, finding, selecting(to.name) if _space(finding) == snapshot.profile.namespace else {}
    )


def _touched(moves: Moves) -> set[str]:
    """Namespaces that move, or that a finding speaks of."""
    return {action.ref.name for action in moves.actions} | {_space(finding) for finding in moves.findings}


def _space(finding: Finding) -> str:
    return finding.subject.removeprefix("namespace ")


def _selected(session: Session, selector: str) -> tuple[str, ...]:
    found = session.kube.list_metadata("v1", "Namespace", labels=selector)
    if not found:
        raise Refused(f"no namespace has labels {selector}", fix="kubectl get namespaces --show-labels")
    return tuple(each["metadata"]["name"] for each in found)


def _carry_out(session: Session, snapshot: Snapshot, moves: Moves, to: Target, *, dry_run: bool) -> list[Finding]:
    """Writes label by label. Returns why a namespace kept its old label or got it back, or what could not be tried.

    Raises Refused before the first write.
    """
    ahead = _proof(session, snapshot.profile.namespace, to, selecting(to.name))
    if fails(ahead):
        raise Refused(f"{to.name} does not inject: {ahead.message}", fix="pilotage check", findings=(ahead,))
    failed = [ahead] if ahead else []
    for action in moves.actions:
        before = _labels(snapshot, action.ref.name)
        finding = None if before else _proof(session, action.ref.name, to, selecting(to.name))
        if not fails(finding):
            apply(session.kube, action, dry_run=dry_run)
            finding = None if dry_run else _proof(session, action.ref.name, to)
            if fails(finding):
                apply(session.kube, _back(snapshot, action))
        failed += [finding] if finding else []
    return failed


def _confirm(session: Session, names: Iterable[str], to: Target) -> list[Finding]:
    """Why namespaces that have the label already do not get the target's proxy: a move may have been killed there."""
    found = (_proof(session, name, to) for name in names)
    return [finding for finding in found if finding]


def _proof(session: Session, namespace: str, to: Target, labels: dict[str, str] | None = None) -> Finding | None:
    """`labels`: of the pod; without, the namespace's own label is on trial."""
    return settled_proof(session.kube, Trial(namespace, labels or {}, to.revision), _SETTLES)


def _labels(snapshot: Snapshot, name: str) -> set[str]:
    """Which labels that choose a revision the namespace has: while there is one, a pod's own label chooses nothing."""
    return next({REV, INJECTION} & space.labels.keys() for space in snapshot.namespaces if space.name == name)


def _back(snapshot: Snapshot, action: Patch) -> Patch:
    """The labels as they were."""
    before = next(space.labels for space in snapshot.namespaces if space.name == action.ref.name)
    labels = {name: before.get(name) for name in action.body["metadata"]["labels"]}
    return Patch(action.ref, {"metadata": {"labels": labels}}, "the new label was not proven")


def _report(
    output: str, chosen: tuple[str, ...], moves: Moves, findings: tuple[Finding, ...], *, dry_run: bool
) -> None:
    refused = {_space(finding) for finding in findings if fails(finding)}
    moved = [action for action in moves.actions if action.ref.name not in refused]
    names = {action.ref.name for action in moved}
    unchanged = [name for name in dict.fromkeys(chosen) if name not in names | refused]
    answer = {
        "moved": [action.ref.name for action in moved],
        "unchanged": unchanged,
        "findings": [document(finding) for finding in findings],
    }

    def lines() -> list[str]:
        would = "would: " if dry_run else ""
        said = [
            *(would + action.why for action in moved),
            *(f"namespace {name} has that label already" for name in unchanged),
        ]
        unknown = text(finding for finding in findings if finding.code == UNTRIED)
        return [*unknown, *said, *(["Nothing was written."] if dry_run else [])]

    emit(output, answer, lines)
