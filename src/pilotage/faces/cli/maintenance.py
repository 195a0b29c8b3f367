"""`maintenance show|next|set|delete`: windows in which work may start.

Flags are those of `az aks maintenanceconfiguration`.
"""

from collections.abc import Callable
from typing import Any

import click
import msgspec

from pilotage.decide.forecast import Start, in_words, starts
from pilotage.decide.patches import Facts, due, facts_of
from pilotage.decide.windows import DEFAULT, parse_window
from pilotage.domain.errors import Refused
from pilotage.domain.maintenance import MaintenanceWindow, Weekday, WeekIndex
from pilotage.domain.mesh import ServiceMesh
from pilotage.faces.cli import options
from pilotage.faces.cli.ask import confirm
from pilotage.faces.cli.drive import NO_MESH, edit, enabled_mesh, refuse, report
from pilotage.faces.cli.session import Session
from pilotage.faces.render.emit import emit
from pilotage.faces.render.table import table

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
    types = click.Choice(["Daily", "Weekly", "AbsoluteMonthly", "RelativeMonthly"], case_sensitive=False)
    days = click.Choice([each.value for each in Weekday], case_sensitive=False)
    weeks = click.Choice([each.value for each in WeekIndex], case_sensitive=False)
    dates = "FIRST/LAST: days on which nothing starts, the last one included. May be given again."
    for option in (
        click.option("--not-allowed-dates", multiple=True, metavar="FIRST/LAST", help=dates),
        click.option("--week-index", type=weeks, help="Which of a month's DAY-OF-WEEKs; Last may be the fifth."),
        click.option("--day-of-month", type=int, help="1 to 31; a month without that day is passed over."),
        click.option("--day-of-week", type=days, help="Monday to Sunday."),
        click.option("--interval-months", type=int, help="Every so many months; 1 if not given."),
        click.option("--interval-weeks", type=int, help="Every so many weeks; 1 if not given."),
        click.option("--interval-days", type=int, help="Every so many days; 1 if not given."),
        click.option("--start-date", metavar="YYYY-MM-DD", help="No window opens before that day."),
        click.option("--time-zone", metavar="ZONE", help="IANA zone, as in Europe/Berlin, instead of an offset."),
        click.option("--utc-offset", metavar="±HH:MM", help="Offset of the start time; +00:00 if not given."),
        click.option("--duration", "duration_hours", type=int, default=4, show_default=True, help="Hours, 4 to 24."),
        click.option("--start-time", required=True, metavar="HH:MM", help="When it opens, in its zone."),
        click.option("--schedule-type", "kind", type=types, required=True, help="How it comes again."),
        _NAME,
    ):
        function = option(function)
    return function


@options.command()
@options.output
def show(session: Session, output: str) -> None:
    """List the maintenance windows of the mesh."""
    windows = _mesh(session).spec.maintenance_windows or []
    rows = [
        (each.name, _when(each), f"{each.start_time} {_zone(each)}", f"{each.duration_hours} h") for each in windows
    ]

    def lines() -> list[str]:
        return table(("NAME", "SCHEDULE", "START", "DURATION"), rows) if rows else [_ANY]

    emit(output, {"maintenanceWindows": msgspec.to_builtins(windows)}, lines)


@options.command()
@_NAME
@options.output
def next_(session: Session, name: str, output: str) -> None:
    """Show the next three starts of a window, and what would start then as things are now."""
    facts = facts_of(session.snapshot(_PARTS))
    if facts is None:
        refuse(NO_MESH)
    window = _find(facts.mesh, name)
    if window is None and name != DEFAULT:
        raise Refused(f"there is no maintenance window {name}", fix="pilotage maintenance show")
    found = starts(facts, parse_window(window)) if window else ()
    emit(output, _document(facts, window, found), lambda: _lines(facts, window, found))


@options.command()
@_schedule
@options.dry_run
@options.output
def set_(session: Session, name: str, dry_run: bool, output: str, **flags: Any) -> None:
    """Create a maintenance window, or replace the one of that name.

    Work starts only inside it and may finish after it. The window default gates patches.
    """
    window = _window(name, flags)
    parsed = parse_window(window)
    mesh = enabled_mesh(session)
    windows = [each for each in mesh.spec.maintenance_windows or [] if each.name != name]
    _write(session, mesh, [*windows, window], dry_run)
    first = next(iter(starts(Facts(mesh, {}, session.catalog, session.now), parsed)), None)
    opens = f"it opens {first.opening.start:%Y-%m-%d %H:%M} UTC" if first else "it does not open in the next ten years"
    words = f"maintenance window {name} {'would be' if dry_run else 'is'} set; {opens}."
    report(output, words, then="pilotage maintenance next")


@options.command()
@_NAME
@options.dry_run
@options.output
@options.yes
def delete(session: Session, name: str, dry_run: bool, output: str, yes: bool) -> None:
    """Delete a maintenance window. Without the window default patches start at any time."""
    mesh = enabled_mesh(session)
    if _find(mesh, name) is None:
        raise Refused(f"there is no maintenance window {name}", fix="pilotage maintenance show")
    if name == DEFAULT and not dry_run:
        confirm("Without the window default patches may start at any time. Go on?", yes)
    _write(session, mesh, [each for each in mesh.spec.maintenance_windows or [] if each.name != name], dry_run)
    report(output, f"maintenance window {name} {'would be' if dry_run else 'was'} deleted.")


_ANY = "No maintenance window is set: work starts at any time."


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


def _when(window: MaintenanceWindow) -> str:
    schedule = window.schedule
    if schedule.daily:
        return _every(schedule.daily.interval_days, "day")
    if schedule.weekly:
        return f"{_every(schedule.weekly.interval_weeks, 'week')} on {schedule.weekly.day_of_week}"
    if schedule.absolute_monthly:
        monthly = schedule.absolute_monthly
        return f"{_every(monthly.interval_months, 'month')} on day {monthly.day_of_month}"
    relative = schedule.relative_monthly
    if relative is None:
        return "no schedule"
    return f"{_every(relative.interval_months, 'month')} on the {relative.week_index} {relative.day_of_week}"


def _every(count: int, unit: str) -> str:
    return f"every {unit}" if count == 1 else f"every {count} {unit}s"


def _zone(window: MaintenanceWindow) -> str:
    return window.time_zone or f"UTC{window.utc_offset or '+00:00'}"


def _document(facts: Facts, window: MaintenanceWindow | None, found: tuple[Start, ...]) -> Any:
    rows = [{"start": each.opening.start, "end": each.opening.end, "work": each.work} for each in found]
    at_once = [] if window else [in_words(each) for each in due(facts)]
    return msgspec.to_builtins({"window": window, "starts": rows, "atAnyTime": at_once})


def _lines(facts: Facts, window: MaintenanceWindow | None, found: tuple[Start, ...]) -> list[str]:
    if window is None:
        return [_ANY, *([f"Due now: {in_words(each)}" for each in due(facts)] or ["Nothing is due."])]
    if not found:
        return [f"Window {window.name} does not open in the next ten years."]
    stamp = "%Y-%m-%d %H:%M UTC"
    rows = [(f"{each.opening.start:{stamp}}", f"{each.opening.end:{stamp}}", each.work or "nothing") for each in found]
    return table(("START", "END", "WHAT WOULD START"), rows)
