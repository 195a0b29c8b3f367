"""Maintenance windows: whether work may start now, and when next. Pure; called by `patches` and by `maintenance`.

A window opens at the first moment at which the clock of its zone shows its day and start time or later: in a gap of
daylight saving that is when the gap ends, in an hour that comes twice it is the first of the two. It stays open for
its duration in hours that pass, so one across a change of the clock is neither longer nor shorter.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from itertools import islice
from typing import Final, NamedTuple, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pilotage.domain.errors import Refused
from pilotage.domain.maintenance import AbsoluteMonthly, MaintenanceWindow, RelativeMonthly, Schedule, WeekIndex, Weekly

DEFAULT: Final = "default"  # the window that gates patches
_ANCHOR: Final = date(2001, 1, 1)  # a Monday: what intervals count from where there is no startDate
_HORIZON: Final = 3660  # days that are looked through: a 29 February comes every eighth year at the worst
_FIX: Final = "pilotage maintenance set NAME, or edit spec.maintenanceWindows"


class Opening(NamedTuple):
    """One stretch of time in which work may start: from `start` to before `end`, both in UTC."""

    window: str
    start: datetime
    end: datetime


class Window(NamedTuple):
    """A window whose text was understood. `occurs`: whether it opens on a day, `anchor` or later."""

    name: str
    zone: tzinfo
    clock: time
    duration: timedelta
    anchor: date
    occurs: Callable[[date], bool]
    blocked: tuple[tuple[date, date], ...]


def parse_window(text: MaintenanceWindow) -> Window:
    """Raises Refused naming the window and what is wrong with it."""
    kinds = [kind for kind in text.schedule.__struct_fields__ if getattr(text.schedule, kind) is not None]
    if len(kinds) != 1:
        _refuse(text, "give exactly one of daily, weekly, absoluteMonthly, relativeMonthly")
    if text.utc_offset and text.time_zone:
        _refuse(text, "give utcOffset or timeZone, not both")
    first = _day(text, text.start_date) if text.start_date else None
    blocked = tuple((_day(text, dates.start), _day(text, dates.end)) for dates in text.not_allowed_dates)
    for start, end in blocked:
        if end < start:
            _refuse(text, f"notAllowedDates end on {end}, before they start on {start}")
    anchor = first or _ANCHOR
    duration = timedelta(hours=text.duration_hours)
    clock = time.fromisoformat(text.start_time)
    return Window(text.name, _zone(text), clock, duration, anchor, _rule(text.schedule, anchor), blocked)


def openings(window: Window, since: datetime) -> Iterator[Opening]:
    """Ascending: the one that is open at `since`, then those to come; none after ten years."""
    first = max(window.anchor, since.astimezone(window.zone).date() - timedelta(days=2))
    for offset in range(_HORIZON):
        day = first + timedelta(days=offset)
        if not window.occurs(day):
            continue
        start = moment(day, window.clock, window.zone)
        for opening in _allowed(window, Opening(window.name, start, start + window.duration)):
            if opening.end > since:
                yield opening


def current(window: Window, now: datetime) -> Opening | None:
    """The opening in which `now` lies."""
    first = next(openings(window, now), None)
    return first if first and first.start <= now else None


def coming(window: Window, now: datetime, count: int) -> tuple[Opening, ...]:
    """The next `count` openings that start after `now`."""
    return tuple(islice((opening for opening in openings(window, now) if opening.start > now), count))


def moment(day: date, clock: time, zone: tzinfo) -> datetime:
    """The first moment, in UTC, at which the clock of `zone` shows `day` and `clock` or later."""
    wanted = datetime.combine(day, clock)
    early, late = (wanted.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early <= late:
        return early
    low, high = late, early  # in a gap `fold` is the wrong way round: the change lies between the two
    while high - low > timedelta(minutes=1):
        middle = low + (high - low) / 2
        middle = middle.replace(second=0, microsecond=0)
        reached = middle.astimezone(zone).replace(tzinfo=None) >= wanted
        low, high = (low, middle) if reached else (middle, high)
    return high


def _allowed(window: Window, opening: Opening) -> Iterator[Opening]:
    """What days on which nothing may start leave of it, in pieces."""
    start = opening.start
    for first, last in sorted(window.blocked):
        from_, until = (moment(day, time(), window.zone) for day in (first, last + timedelta(days=1)))
        if until <= start or from_ >= opening.end:
            continue
        if from_ > start:
            yield opening._replace(start=start, end=from_)
        start = max(start, until)
    if start < opening.end:
        yield opening._replace(start=start)


def _rule(schedule: Schedule, anchor: date) -> Callable[[date], bool]:
    """Intervals count from the first day on or after `anchor` that fits."""
    if schedule.daily:
        days = schedule.daily.interval_days
        return lambda day: (day - anchor).days % days == 0
    if schedule.weekly:
        return _weekly(schedule.weekly, anchor)
    monthly = schedule.absolute_monthly or schedule.relative_monthly
    assert monthly is not None  # `parse_window` has counted
    fits = _in_month(monthly)
    first = next(day for offset in range(366) if fits(day := anchor + timedelta(days=offset)))
    return lambda day: fits(day) and _months(first, day) % monthly.interval_months == 0


def _weekly(weekly: Weekly, anchor: date) -> Callable[[date], bool]:
    first = anchor + timedelta(days=(weekly.day_of_week.number - anchor.weekday()) % 7)
    return lambda day: (day - first).days % (7 * weekly.interval_weeks) == 0


def _in_month(monthly: AbsoluteMonthly | RelativeMonthly) -> Callable[[date], bool]:
    if isinstance(monthly, AbsoluteMonthly):
        number = monthly.day_of_month
        return lambda day: day.day == number
    weekday, index = monthly.day_of_week.number, list(WeekIndex).index(monthly.week_index)
    if monthly.week_index is WeekIndex.LAST:
        return lambda day: day.weekday() == weekday and (day + timedelta(days=7)).month != day.month
    return lambda day: day.weekday() == weekday and (day.day - 1) // 7 == index


def _months(first: date, day: date) -> int:
    return (day.year - first.year) * 12 + day.month - first.month


def _zone(text: MaintenanceWindow) -> tzinfo:
    if text.time_zone:
        try:
            return ZoneInfo(text.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            _refuse(text, f"{text.time_zone} is not a time zone, as Europe/Berlin is")
    offset = text.utc_offset or "+00:00"
    hours, minutes = int(offset[1:3]), int(offset[4:])
    ahead = timedelta(hours=hours, minutes=minutes)
    return timezone(-ahead if offset[0] == "-" else ahead)


def _day(text: MaintenanceWindow, day: str) -> date:
    try:
        return date.fromisoformat(day)
    except ValueError:
        _refuse(text, f"{day} is not a day of the calendar")


def _refuse(text: MaintenanceWindow, problem: str) -> NoReturn:
    raise Refused(f"maintenance window {text.name}: {problem}", fix=_FIX)
