"""`drift`: which proxies are behind what injection would give their pods now."""

import time
from typing import Any

import click

from pilotage.decide.drift import Drift, Row, State, behind
from pilotage.decide.freeing import RESTARTABLE
from pilotage.domain.errors import Retry, Unreachable
from pilotage.faces.cli.drifted import Drifted, drifted
from pilotage.faces.cli.kinds import kind_of
from pilotage.faces.cli.labels import selector_option
from pilotage.faces.cli.options import command, duration
from pilotage.faces.cli.session import Session
from pilotage.faces.render.drift import csv_text, document, lines
from pilotage.faces.render.emit import emit

_BEHIND = 4
_FORMATS = ["table", "json", "yaml", "csv"]


@command()
@click.option(
    "-n", "--namespace", "namespaces", multiple=True, metavar="NAMESPACE", help="Only there; may be repeated."
)
@selector_option("Only pods with these labels.", default="")
@click.option("--revision", default="", metavar="REVISION", help="Only proxies that are of it, or would be.")
@click.option("--workload", default="", metavar="[KIND/]NAME", help="Only this workload.")
@click.option("--behind", is_flag=True, help="Only what is behind.")
@click.option("--proof/--no-proof", default=True, show_default=True, help="Try injection by dry runs, or only compute.")
@click.option("--watch", is_flag=True, help="Look again, and print what changed, until nothing is behind.")
@click.option("--every", type=duration, default="5s", show_default=True, metavar="DURATION", help="Between two looks.")
@click.option("-o", "--output", type=click.Choice(_FORMATS), default="table", show_default=True, help="Format.")
def drift(session: Session, **flags: Any) -> int:
    """Compare every running proxy with the one that injection would give its pod now.

    Targets are read from the injectors' own ConfigMaps. What injection gives is tried by dry runs, one for all pods of
    which it reads the same. Nothing is written. Exit code 4 if a proxy is behind.
    """
    seen = _look(session, flags)
    _print(seen, flags)
    if _narrowed(flags) and not seen.drift.rows:
        click.echo("No pod matches what was asked for.", err=True)
    while flags["watch"] and _behind(seen.drift):
        time.sleep(flags["every"])
        try:
            now = _look(session, flags)
        except (Retry, Unreachable) as silent:
            click.echo(f"looking again: {silent}", err=True)
            continue
        if now != seen:
            _print(now, flags)
        seen = now
    return _BEHIND if _behind(seen.drift) else 0


def _look(session: Session, flags: dict[str, Any]) -> Drifted:
    found = drifted(session.kube, flags["namespaces"], flags["selector"], prove=flags["proof"])
    return found._replace(drift=found.drift.only(lambda row: _wanted(row, flags)))


def _wanted(row: Row, flags: dict[str, Any]) -> bool:
    kind, _, name = flags["workload"].rpartition("/")
    return (
        (not flags["behind"] or row.state is State.BEHIND)
        and flags["revision"] in ("", row.running.revision, row.expected.revision)
        and name in ("", row.running.name)
        and (kind_of(kind) or kind).lower() in ("", row.running.kind.lower())
    )


def _narrowed(flags: dict[str, Any]) -> bool:
    return bool(flags["selector"] or flags["workload"] or flags["revision"])


def _restarts(found: Drift, flags: dict[str, Any]) -> list[str]:
    """Commands that restart what is behind of what was asked for, and nothing else."""
    able: dict[str, list[str]] = {}
    for kind, namespace, name in behind(found):
        if kind in RESTARTABLE:
            able.setdefault(namespace, []).append(f"{kind.lower()}/{name}")
    if _narrowed(flags):
        return [f"pilotage restart {' '.join(names)} -n {namespace}" for namespace, names in able.items()]
    if flags["namespaces"]:
        return [f"pilotage restart --outdated -n {namespace}" for namespace in able]
    return ["pilotage restart --outdated"] if able else []


def _behind(found: Drift) -> bool:
    return any(row.state is State.BEHIND for row in found.rows)


def _print(seen: Drifted, flags: dict[str, Any]) -> None:
    if flags["output"] == "csv":
        click.echo(csv_text(seen.drift), nl=False)
        return

    def words() -> list[str]:
        return [*lines(seen.drift, seen.untried), *(f"Next: {each}" for each in _restarts(seen.drift, flags))]

    emit(flags["output"], document(seen.drift, seen.untried), words)
