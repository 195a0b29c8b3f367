"""Maintenance windows as text and as data: their list, and what they start next. Called by `cli.maintenance`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from pilotage.decide.forecast import Start, in_words, restarts_in_words
from pilotage.decide.patches import Due
from pilotage.decide.windows import DEFAULT, Opening
from pilotage.domain.maintenance import MaintenanceWindow
from pilotage.domain.mesh import ServiceMesh
from pilotage.faces.render.table import table

ANY = "No maintenance window is set: work starts at any time."
_HEADS = ("NAME", "SCHEDULE", "START", "DURATION", "FROM", "NOT ON", "FOR")
_UTC = "+00:00"
_STAMP = "%Y-%m-%d %H:%M UTC"


class Next(NamedTuple):
    """The next starts of `window`; without one, what is due at any time. `notes`: what else is to be known."""

    window: MaintenanceWindow | None
    starts: Sequence[Start]
    due: Sequence[Due]
    notes: Sequence[str]


def listed(mesh: ServiceMesh) -> list[str]:
    """A row per window; columns that no window fills are left out."""
    rows = [_row(mesh, each) for each in mesh.spec.maintenance_windows or ()]
    if not rows:
        return [ANY]
    filled = [at for at, head in enumerate(_HEADS) if any(row[at] for row in rows)]
    return table([_HEADS[at] for at in filled], [[row[at] for at in filled] for row in rows])


def when_open(opening: Opening | None, now: datetime) -> str:
    """Of the one that is open, or comes next."""
    if opening is None:
        return "it does not open in the next ten years"
    if opening.start <= now:
        return f"it is open now, until {opening.end:{_STAMP}}"
    return f"it opens {opening.start:{_STAMP}}"


def document(told: Next) -> Any:
    rows = [{"start": each.opening.start, "end": each.opening.end, "work": each.work} for each in told.starts]
    at_once = [in_words(each) for each in told.due]
    answer = {"window": told.window, "starts": rows, "atAnyTime": at_once, "notes": list(told.notes)}
    return msgspec.to_builtins(answer)


def lines(told: Next) -> list[str]:
    if told.window is None:
        due = [f"Due now: {in_words(each)}" for each in told.due] or ["Nothing is due."]
        return [ANY, *due, *_notes(told)]
    if not told.starts:
        return [f"Window {told.window.name} does not open in the next ten years."]
    rows = [
        (f"{each.opening.start:{_STAMP}}", f"{each.opening.end:{_STAMP}}", each.work or "nothing")
        for each in told.starts
    ]
    return [*table(("START", "END", "WHAT WOULD START"), rows), *_notes(told)]


def _notes(told: Next) -> list[str]:
    return [f"{note[0].upper()}{note[1:]}." for note in told.notes]


def _row(mesh: ServiceMesh, window: MaintenanceWindow) -> tuple[str, ...]:
    """FOR: what starts in it; a window that nothing names starts nothing."""
    blocked = ", ".join(f"{dates.start} to {dates.end}" for dates in window.not_allowed_dates)
    restarts = restarts_in_words(mesh.spec.proxy_restarts, window.name)
    work = [*(["patches"] if window.name == DEFAULT else []), *(["proxy restarts"] if restarts else [])]
    return (
        window.name,
        _when(window),
        f"{window.start_time} {window.time_zone or f'UTC{window.utc_offset or _UTC}'}",
        f"{window.duration_hours} h",
        window.start_date or "",
        blocked,
        " and ".join(work) or "nothing",
    )


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
