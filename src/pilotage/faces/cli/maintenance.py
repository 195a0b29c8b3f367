"""`maintenance show|next|set|delete`: windows in which work may start."""

from collections.abc import Iterator
from typing import Any, NoReturn

import click
import msgspec

from pilotage.decide.forecast import not_taken, restarts_in_words, starts
from pilotage.decide.patches import Facts, due, facts_of
from pilotage.decide.windows import DEFAULT, coming, current, parse_window
from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding
from pilotage.domain.maintenance import MaintenanceWindow
from pilotage.domain.mesh import Mode, ServiceMesh
from pilotage.domain.roles import TO_LOOK
from pilotage.faces.cli import options
from pilotage.faces.cli.answer import refuse, report
from pilotage.faces.cli.ask import confirm
from pilotage.faces.cli.drive import NO_MESH, edit, enabled_mesh
from pilotage.faces.cli.judged import operator_of
from pilotage.faces.cli.session import Session
from pilotage.faces.cli.windowflags import schedule_flags, window_of
from pilotage.faces.render.emit import emit
from pilotage.faces.render.windows import Next, document, lines, listed, when_open

_PARTS = frozenset({"mesh", "control_planes"})
_NAME = click.argument("name", default=DEFAULT, metavar="[NAME]")


@options.command()
@options.output
def show(session: Session, output: str) -> None:
    """List the maintenance windows of the mesh."""
    mesh = _mesh(session)
    answer = {"maintenanceWindows": msgspec.to_builtins(mesh.spec.maintenance_windows or [])}
    emit(output, answer, lambda: listed(mesh))


@options.command()
@_NAME
@options.output
def next_(session: Session, name: str, output: str) -> None:
    """Show the next three starts of a window, and what would start then as things are now.

    NAME is default if it is not given: the window that gates patches.
    """
    facts = facts_of(session.snapshot(_PARTS))
    if facts is None:
        _none(session)
    if facts.mesh.spec.mode is Mode.DISABLED:
        refuse(Finding("MeshNotEnabled", "the mesh is disabled: nothing starts", fix="pilotage enable"))
    window = _find(facts.mesh, name)
    if window is None and name != DEFAULT:
        raise Refused(f"there is no maintenance window {name}", fix="pilotage maintenance show")
    found = starts(facts, parse_window(window)) if window else ()
    told = Next(window, found, () if window else tuple(due(facts)), tuple(_notes(session, facts, name)))
    emit(output, document(told), lambda: lines(told))


@options.command()
@_NAME
@schedule_flags
@options.dry_run
@options.output
def set_(session: Session, name: str, dry_run: bool, output: str, **flags: Any) -> None:
    """Create a maintenance window, or replace the one of that name.

    Work starts only inside it and may finish after it. NAME is default if it is not given: the window that gates
    patches. Another is for spec.proxyRestarts to name.
    """
    window = window_of(name, flags)
    parsed = parse_window(window)
    mesh = enabled_mesh(session)
    windows = [each for each in mesh.spec.maintenance_windows or [] if each.name != name]
    _write(session, mesh, [*windows, window], dry_run)
    now = session.now
    opens = when_open(current(parsed, now) or next(iter(coming(parsed, now, 1)), None), now)
    words = f"maintenance window {name} {'would be' if dry_run else 'is'} set; {opens}."
    report(output, words, then=" ".join(("pilotage maintenance next", *([name] if name != DEFAULT else []))))


@options.command()
@_NAME
@options.dry_run
@options.output
@options.yes
def delete(session: Session, name: str, dry_run: bool, output: str, yes: bool) -> None:
    """Delete a maintenance window. NAME is default if it is not given; without it patches start at any time."""
    mesh = enabled_mesh(session)
    if _find(mesh, name) is None:
        raise Refused(f"there is no maintenance window {name}", fix="pilotage maintenance show")
    without = _without(mesh, name)
    if without and not dry_run:
        confirm(f"Without the window {name} {without}. Go on?", yes)
    _write(session, mesh, [each for each in mesh.spec.maintenance_windows or [] if each.name != name], dry_run)
    report(output, f"maintenance window {name} {'would be' if dry_run else 'was'} deleted.")


def _notes(session: Session, facts: Facts, name: str) -> Iterator[str]:
    """Why less starts than one might think."""
    if name == DEFAULT:
        yield from not_taken(facts)
    if not operator_of(session).runs:
        yield "no operator runs here: nothing starts by itself, and pilotage patch start takes a patch by hand"


def _without(mesh: ServiceMesh, name: str) -> str:
    """What changes for work that starts in the window, "" where none does."""
    patches = ["patches may start at any time"] if name == DEFAULT else []
    restarts = ["the operator restarts no workload"] if restarts_in_words(mesh.spec.proxy_restarts, name) else []
    return ", and ".join((*patches, *restarts))


def _mesh(session: Session) -> ServiceMesh:
    return session.mesh or _none(session)


def _none(session: Session) -> NoReturn:
    """Raises Refused: there is no resource, or it may not be read."""
    if "mesh" in session.unknown:
        raise Refused(f"cannot read the ServiceMesh: {session.unknown['mesh']}", fix=TO_LOOK)
    refuse(NO_MESH)


def _find(mesh: ServiceMesh, name: str) -> MaintenanceWindow | None:
    return next((each for each in mesh.spec.maintenance_windows or [] if each.name == name), None)


def _write(session: Session, mesh: ServiceMesh, windows: list[MaintenanceWindow], dry_run: bool) -> None:
    spec = msgspec.structs.replace(mesh.spec, maintenance_windows=windows or None)
    edit(session, mesh, spec, {}, dry_run=dry_run)
