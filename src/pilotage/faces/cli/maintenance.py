"""`maintenance show|next|set|delete`: windows in which work may start.

Flags are those of `az aks maintenanceconfiguration`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import click
import msgspec

from pilotage.decide.forecast import not_taken, restarts_in_words, starts
from pilotage.decide.patches import Facts, due, facts_of
from pilotage.decide.windows import DEFAULT, coming, current, parse_window
from pilotage.domain.errors import Refused
from pilotage.domain.maintenance import MaintenanceWindow, Weekday, WeekIndex
from pilotage.domain.mesh import ServiceMesh
from pilotage.faces.cli import options
from pilotage.faces.cli.ask import confirm
from pilotage.faces.cli.drive import NO_MESH, edit, enabled_mesh, refuse, report
from pilotage.faces.cli.judged import operator_of
from pilotage.faces.cli.session import Session
from pilotage.faces.render.emit import emit
from pilotage.faces.render.windows import Next, document, lines, listed, when_open

_PARTS = frozenset({"mesh", "control_planes"})
_KINDS = {
    "daily": ("interval_days",),
    "weekly": ("interval_weeks", "day_of_week"),
    "absolutemonthly": ("interval_months", "day_of_month"),
    "relativemonthly": ("interval_months", "day_of_week", "week_index"),
}
_CAMEL = {
    "daily": "daily",
    "weekly": "weekly",
    "absolutemonthly": "absoluteMonthly",
    "relativemonthly": "relativeMonthly",
}
_NAME = click.argument("name", default=DEFAULT, metavar="[NAME]")


def _schedule(function: Callable[..., Any]) -> Callable[..., Any]:
    """The flags of `set`."""
    kinds = ["Daily", "Weekly", "AbsoluteMonthly", "RelativeMonthly"]
    types = click.Choice(kinds, case_sensitive=False)
    days = click.Choice([each.value for each in Weekday], case_sensitive=False)
    weeks = click.Choice([each.value for each in WeekIndex], case_sensitive=False)
    dates = "FIRST/LAST: days on which nothing starts, the last one included. May be given again."
    for option in (
        click.option("--not-allowed-dates", multiple=True, metavar="FIRST/LAST", help=dates),
        click.option(
            "--week-index",
            type=weeks,
            metavar="First|…|Fourth|Last",
            help="Which of a month's DAY-OF-WEEKs; Last may be the fifth.",
        ),
        click.option("--day-of-month", type=int, help="1 to 31; a month without that day is passed over."),
        click.option("--day-of-week", type=days, metavar="DAY", help="Monday to Sunday."),
        click.option("--interval-months", type=int, help="Every so many months; 1 if not given."),
        click.option("--interval-weeks", type=int, help="Every so many weeks; 1 if not given."),
        click.option("--interval-days", type=int, help="Every so many days; 1 if not given."),
        click.option("--start-date", metavar="YYYY-MM-DD", help="No window opens before that day."),
        click.option("--time-zone", metavar="ZONE", help="IANA zone, as in Europe/Berlin, instead of an offset."),
        click.option("--utc-offset", metavar="±HH:MM", help="Offset of the start time; +00:00 if not given."),
        click.option("--duration", "duration_hours", type=int, default=4, show_default=True, help="Hours, 4 to 24."),
        click.option("--start-time", required=True, metavar="HH:MM", help="When it opens, in its zone."),
        click.option(
            "--schedule-type", "kind", type=types, metavar="|".join(kinds), required=True, help="How it comes again."
        ),
        _NAME,
    ):
        function = option(function)
    return function


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
        refuse(NO_MESH)
    window = _find(facts.mesh, name)
    if window is None and name != DEFAULT:
        raise Refused(f"there is no maintenance window {name}", fix="pilotage maintenance show")
    found = starts(facts, parse_window(window)) if window else ()
    told = Next(window, found, () if window else tuple(due(facts)), tuple(_notes(session, facts, name)))
    emit(output, document(told), lambda: lines(told))


@options.command()
@_schedule
@options.dry_run
@options.output
def set_(session: Session, name: str, dry_run: bool, output: str, **flags: Any) -> None:
    """Create a maintenance window, or replace the one of that name.

    Work starts only inside it and may finish after it. NAME is default if it is not given: the window that gates
    patches. Another is for spec.proxyRestarts to name.
    """
    window = _window(name, flags)
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
    return session.mesh or refuse(NO_MESH)


def _find(mesh: ServiceMesh, name: str) -> MaintenanceWindow | None:
    return next((each for each in mesh.spec.maintenance_windows or [] if each.name == name), None)


def _write(session: Session, mesh: ServiceMesh, windows: list[MaintenanceWindow], dry_run: bool) -> None:
    spec = msgspec.structs.replace(mesh.spec, maintenance_windows=windows or None)
    edit(session, mesh, spec, {}, dry_run=dry_run)


def _window(name: str, flags: dict[str, Any]) -> MaintenanceWindow:
    """What the flags ask for. Raises Refused for a flag that does not fit the schedule, or a value that is none."""
    kind = flags.pop("kind").lower()
    every = {flag for flags_of in _KINDS.values() for flag in flags_of}
    given = {flag: value for flag in every if (value := flags.pop(flag)) is not None}
    strange = sorted(set(given) - set(_KINDS[kind]))
    if strange:
        words = f"--{strange[0].replace('_', '-')} does not go with --schedule-type {_CAMEL[kind]}"
        raise Refused(words, fix="pilotage maintenance set --help")
    blocked = [
        dict(zip(("start", "end"), text.partition("/")[::2], strict=True)) for text in flags.pop("not_allowed_dates")
    ]
    rest = {key: value for key, value in flags.items() if value is not None}
    fields = {**rest, "schedule": {_CAMEL[kind]: _camel(given)}, "not_allowed_dates": blocked, "name": name}
    try:
        return msgspec.convert(_camel(fields), MaintenanceWindow)
    except msgspec.ValidationError as wrong:
        raise Refused(f"maintenance window {name}: {wrong}", fix="pilotage maintenance set --help") from wrong


def _camel(fields: dict[str, Any]) -> dict[str, Any]:
    def camel(name: str) -> str:
        first, *rest = name.split("_")
        return first + "".join(map(str.title, rest))

    return {camel(name): value for name, value in fields.items()}
