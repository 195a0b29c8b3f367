"""`restart`: workloads get their new proxy, one by one or a few at a time, each waited for until its pods are Ready."""

from collections.abc import Sequence
from typing import Any

import click

from pilotage.decide.dataplane import Key, Selection, restart_findings, to_restart
from pilotage.decide.drift import State, behind
from pilotage.domain.cluster import Workload
from pilotage.domain.errors import Refused, TimedOut
from pilotage.domain.findings import Finding
from pilotage.domain.state import Snapshot
from pilotage.faces.cli.drifted import drifted
from pilotage.faces.cli.kinds import KINDS, kind_of
from pilotage.faces.cli.options import command, dry_run, output, waiting
from pilotage.faces.cli.restarts import PARTS, Outcome, Pace, Restarts
from pilotage.faces.cli.session import Session
from pilotage.faces.render.emit import emit
from pilotage.faces.render.findings import document, text
from pilotage.faces.render.progress import Progress
from pilotage.faces.render.table import counted


@command()
@click.argument("names", nargs=-1, metavar="[KIND/NAME]…")
@click.option("-n", "--namespace", metavar="NAMESPACE", help="Where the workloads are; all in it if none is named.")
@click.option("--all", "everything", is_flag=True, help="All with a proxy: of the namespace, or of every namespace.")
@click.option("--not-on", default="", metavar="REVISION", help="Only those with a proxy of another revision.")
@click.option("--outdated", is_flag=True, help="Only those that `pilotage drift` finds behind.")
@click.option(
    "--parallel", type=click.IntRange(min=1), default=1, metavar="NUMBER", show_default=True, help="How many at a time."
)
@dry_run
@output
@waiting("10m")
def restart(session: Session, names: tuple[str, ...], namespace: str | None, **flags: Any) -> None:
    """Restart workloads one by one onto the proxy that injection gives them now.

    By name, as in deployment/web, or all that an option chooses.

    Each is waited for, --timeout long, until its pods are Ready with the new proxy; the first that gets stuck is named
    with its cause, and no other is begun.
    """
    selection = _selection(session, names, namespace, flags)
    keys = _outdated(session, selection) if flags["outdated"] else None
    snapshot = session.snapshot(PARTS)
    workloads, findings = _chosen(snapshot, selection, keys)
    if findings and (names or not workloads):
        words = f"a restart would not do for {counted(len(findings), 'workload')}"
        raise Refused(words, fix=findings[0].fix, findings=findings)
    if flags["dry_run"] or not workloads:
        return _report(flags["output"], Outcome((), (), workloads), findings, dry_run=flags["dry_run"])
    pace = Pace(flags["parallel"], flags["timeout"], flags["wait"])
    with Progress(f"restart of {counted(len(workloads), 'workload')}", flags["output"]) as progress:
        outcome = Restarts(session, pace, progress).run(snapshot, workloads)
    _report(flags["output"], outcome, findings)
    if outcome.stuck:
        stuck = "; ".join(f"{_named(each)} is stuck: {cause}" for each, cause in outcome.stuck)
        first = outcome.stuck[0][0]
        look = f"kubectl describe {first.kind.lower()}/{first.name} -n {first.namespace}"
        raise TimedOut(f"{stuck}. Look at it with: {look}; with --not-on REVISION a second run leaves out what is done")
    return None


def _selection(session: Session, names: tuple[str, ...], namespace: str | None, flags: dict[str, Any]) -> Selection:
    """Raises UsageError unless exactly one way of choosing is used."""
    everything, not_on, outdated = flags["everything"], flags["not_on"], flags["outdated"]
    if names and (everything or not_on or outdated):
        raise click.UsageError("names exclude --all, --not-on and --outdated")
    if not_on and outdated:
        raise click.UsageError("--outdated excludes --not-on")
    if not (names or namespace or everything or not_on or outdated):
        raise click.UsageError("say which: KIND/NAME, -n NAMESPACE, --not-on REVISION, --outdated, or --all")
    if names:
        place = namespace or session.kube.namespace
        return Selection(names=tuple(_key(name, place) for name in names))
    return Selection(namespaces=(namespace,) if namespace else (), not_on=not_on)


def _chosen(
    snapshot: Snapshot, selection: Selection, keys: Sequence[Key] | None
) -> tuple[tuple[Workload, ...], tuple[Finding, ...]]:
    """What to restart, and why the rest is left. `keys`, where given, are chosen instead, if they still exist."""
    if keys is not None:
        there = {(each.kind, each.namespace, each.name) for each in snapshot.workloads}
        selection = Selection(names=tuple(key for key in keys if key in there))
        if not selection.names:
            return (), ()
    return to_restart(snapshot, selection), restart_findings(snapshot, selection)


def _outdated(session: Session, asked: Selection) -> tuple[Key, ...]:
    """What is behind, by name. What is not known is left alone, and said."""
    drift = drifted(session.kube, asked.namespaces).drift
    unknown = sum(len(row.running.pods) for row in drift.rows if row.state is State.UNKNOWN)
    if unknown:
        click.echo(f"{counted(unknown, 'pod')} left alone: not known what they would get. pilotage drift", err=True)
    return behind(drift)


def _key(name: str, namespace: str) -> Key:
    word, slash, rest = name.partition("/")
    kind = kind_of(word)
    if not slash or not rest or kind is None:
        raise click.UsageError(
            f"{name!r} is not KIND/NAME with one of: {', '.join(words[0] for words in KINDS.values())}"
        )
    return kind, namespace, rest


def _report(output: str, outcome: Outcome, findings: tuple[Finding, ...], *, dry_run: bool = False) -> None:
    answer = {
        "restarted": [_named(each) for each in outcome.done],
        "stuck": [{"name": _named(each), "cause": cause} for each, cause in outcome.stuck],
        "left": [_named(each) for each in outcome.left],
        "findings": [document(finding) for finding in findings],
    }

    def lines() -> list[str]:
        word = "would restart" if dry_run else "not restarted"
        left = [f"{word} {_named(each)}" for each in outcome.left]
        done = f"{counted(len(outcome.done), 'workload')} restarted." if outcome.done else "Nothing was restarted."
        return [*text(findings), *left, "Nothing was written." if dry_run else done]

    emit(output, answer, lines)


def _named(workload: Workload) -> str:
    return f"{workload.kind} {workload.namespace}/{workload.name}"
