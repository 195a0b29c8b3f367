"""Maintenance windows: a table of the days that calendars are got wrong on, and a walk over every minute."""

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.decide.windows import coming, current, openings, parse_window
from pilotage.domain.errors import Refused
from pilotage.domain.maintenance import MaintenanceWindow, Schedule
from pilotage.domain.objects import Obj

DAILY: Obj = {"daily": {"intervalDays": 1}}


def window(schedule: Obj, start: str = "02:00", hours: int = 4, **rest: Any) -> MaintenanceWindow:
    fields = {"name": "default", "schedule": schedule, "startTime": start, "durationHours": hours, **rest}
    return msgspec.convert(fields, MaintenanceWindow)


def absolute(day: int, months: int = 1) -> Obj:
    return {"absoluteMonthly": {"dayOfMonth": day, "intervalMonths": months}}


def relative(index: str, day: str, months: int = 1) -> Obj:
    return {"relativeMonthly": {"weekIndex": index, "dayOfWeek": day, "intervalMonths": months}}


def weekly(day: str, weeks: int = 1) -> Obj:
    return {"weekly": {"dayOfWeek": day, "intervalWeeks": weeks}}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def zoned(zone: str) -> Obj:
    return {"timeZone": zone}


BERLIN, LORD_HOWE, HAVANA = map(zoned, ("Europe/Berlin", "Australia/Lord_Howe", "America/Havana"))


@pytest.mark.parametrize(
    ("asked", "since", "starts"),
    [
        # the clock goes forward: 02:00 does not come, so the window opens at 03:00, the first moment past it
        (window(DAILY, **BERLIN), "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:00"]),
        (window(DAILY, "02:30", **BERLIN), "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:30"]),
        # the clock goes back: 02:30 comes twice, and opens once
        (window(DAILY, "02:30", **BERLIN), "2026-10-24T12:00", ["2026-10-25T00:30", "2026-10-26T01:30"]),
        # a change of half an hour, and a midnight that does not come
        (window(DAILY, "02:15", **LORD_HOWE), "2026-10-03T00:00", ["2026-10-03T15:30", "2026-10-04T15:15"]),
        (window(DAILY, "00:00", **HAVANA), "2026-03-07T12:00", ["2026-03-08T05:00", "2026-03-09T04:00"]),
        # an offset knows no daylight saving
        (window(DAILY, utcOffset="+05:45"), "2026-03-28T21:00", ["2026-03-29T20:15", "2026-03-30T20:15"]),
        (window(DAILY, utcOffset="-03:30"), "2026-03-28T12:00", ["2026-03-29T05:30"]),
        # leap days and months without the day
        (window(absolute(29)), "2028-02-01T00:00", ["2028-02-29T02:00", "2028-03-29T02:00"]),
        (window(absolute(29)), "2027-02-01T00:00", ["2027-03-29T02:00"]),
        (window(absolute(31)), "2026-03-31T12:00", ["2026-05-31T02:00", "2026-07-31T02:00"]),
        (window(absolute(29, 12), startDate="2024-02-01"), "2026-01-01T00:00", ["2028-02-29T02:00"]),
        # Last is the fifth where there is one, Fourth never is
        (window(relative("Last", "Friday")), "2026-05-01T00:00", ["2026-05-29T02:00", "2026-06-26T02:00"]),
        (window(relative("Fourth", "Friday")), "2026-05-01T00:00", ["2026-05-22T02:00", "2026-06-26T02:00"]),
        (window(relative("First", "Sunday", 3), startDate="2026-01-05"), "2026-01-05T00:00", ["2026-02-01T02:00"]),
        # intervals count from the first day that fits, on or after startDate
        (
            window(weekly("Tuesday", 2), startDate="2026-11-04"),
            "2026-10-01T00:00",
            ["2026-11-10T02:00", "2026-11-24T02:00"],
        ),
        (
            window({"daily": {"intervalDays": 3}}, startDate="2026-11-04"),
            "2026-11-05T00:00",
            ["2026-11-07T02:00", "2026-11-10T02:00"],
        ),
        (window(DAILY, startDate="2026-12-24"), "2026-11-01T00:00", ["2026-12-24T02:00"]),
    ],
)
def test_a_window_opens_when_its_calendar_says(asked: MaintenanceWindow, since: str, starts: list[str]) -> None:
    seen = coming(parse_window(asked), utc(since), len(starts))
    assert [opening.start for opening in seen] == [utc(start) for start in starts]


def test_a_window_across_midnight_and_across_a_change_of_the_clock_lasts_as_many_hours_as_it_says() -> None:
    (night,) = coming(parse_window(window(DAILY, "22:00", 8, **BERLIN)), utc("2026-03-28T12:00"), 1)
    assert (night.start, night.end) == (utc("2026-03-28T21:00"), utc("2026-03-29T05:00"))
    assert current(parse_window(window(DAILY, "22:00", 8, **BERLIN)), utc("2026-03-29T04:59")) == night
    assert current(parse_window(window(DAILY, "22:00", 8, **BERLIN)), utc("2026-03-29T05:00")) is None


def test_days_that_are_not_allowed_end_with_their_last_day_in_the_zone_of_the_window() -> None:
    holidays = [{"start": "2026-12-23", "end": "2027-01-03"}]
    always = parse_window(window(DAILY, "00:00", 24, utcOffset="+02:00", notAllowedDates=holidays))
    assert current(always, utc("2026-12-22T21:59"))
    assert current(always, utc("2026-12-22T22:00")) is None
    assert current(always, utc("2027-01-03T21:59")) is None
    assert current(always, utc("2027-01-03T22:00"))


def test_a_day_that_is_not_allowed_cuts_a_window_across_midnight() -> None:
    asked = window(DAILY, "22:00", 8, notAllowedDates=[{"start": "2026-12-24", "end": "2026-12-24"}])
    seen = coming(parse_window(asked), utc("2026-12-23T12:00"), 2)
    assert [(each.start, each.end) for each in seen] == [
        (utc("2026-12-23T22:00"), utc("2026-12-24T00:00")),
        (utc("2026-12-25T00:00"), utc("2026-12-25T06:00")),
    ]


def test_a_window_that_never_opens_has_no_next_start() -> None:
    asked = window(DAILY, notAllowedDates=[{"start": "2026-01-01", "end": "2099-12-31"}])
    assert coming(parse_window(asked), utc("2026-06-01T00:00"), 3) == ()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (window({}), "exactly one of daily"),
        (window({**DAILY, **absolute(3)}), "exactly one of daily"),
        (window(DAILY, utcOffset="+01:00", timeZone="Europe/Berlin"), "not both"),
        (window(DAILY, timeZone="Europe/Atlantis"), "not a time zone"),
        (window(DAILY, timeZone="Europe"), "not a time zone"),
        (window(DAILY, startDate="2026-02-29"), "not a day of the calendar"),
        (window(DAILY, notAllowedDates=[{"start": "2026-02-02", "end": "2026-02-01"}]), "before they start"),
    ],
)
def test_a_window_that_means_nothing_is_refused_by_name(asked: MaintenanceWindow, words: str) -> None:
    with pytest.raises(Refused, match=f"maintenance window default: .*{words}"):
        parse_window(asked)


# Against every minute: what is open is told by looking at the clock on the wall, minute by minute, from days before.

_CHANGES = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Havana", date(2026, 3, 8)),
    ("Africa/Cairo", date(2026, 4, 24)),
    ("America/Santiago", date(2026, 9, 6)),
    ("Asia/Kathmandu", date(2028, 2, 29)),
    ("UTC", date(2026, 12, 31)),
]
_OFFSETS = [{}, {"utcOffset": "+05:45"}, {"utcOffset": "-11:30"}, {"utcOffset": "+14:00"}]
_WEEKDAYS = list(calendar.day_name)
_SCHEDULES = st.one_of(
    st.builds(lambda days: {"daily": {"intervalDays": days}}, st.integers(1, 5)),
    st.builds(weekly, st.sampled_from(_WEEKDAYS), st.integers(1, 2)),
    st.builds(absolute, st.integers(1, 31), st.integers(1, 2)),
    st.builds(
        relative,
        st.sampled_from(["First", "Second", "Third", "Fourth", "Last"]),
        st.sampled_from(_WEEKDAYS),
        st.integers(1, 2),
    ),
)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[MaintenanceWindow, date]:
    """A window, and a day to look around."""
    zone, around = draw(st.sampled_from(_CHANGES))
    start = f"{draw(st.integers(0, 23)):02}:{draw(st.sampled_from([0, 15, 30, 59])):02}"
    rest: Obj = draw(st.sampled_from([{"timeZone": zone}, {"timeZone": zone}, *_OFFSETS]))
    if draw(st.booleans()):
        rest["startDate"] = str(around - timedelta(days=draw(st.integers(-2, 400))))
    blocked = draw(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2)), max_size=3))  # unsorted, one in another
    days = [(around + timedelta(days=first), around + timedelta(days=first + more)) for first, more in blocked]
    rest["notAllowedDates"] = [{"start": str(first), "end": str(last)} for first, last in days]
    return window(draw(_SCHEDULES), start, draw(st.integers(4, 24)), **rest), around


@settings(max_examples=25, deadline=None)
@given(worlds())
def test_what_is_open_is_what_a_walk_over_every_minute_finds(world: tuple[MaintenanceWindow, date]) -> None:
    asked, around = world
    zone = _zone(asked)
    begin = datetime(around.year, around.month, around.day, tzinfo=UTC) - timedelta(days=4)
    walked = {minute for minute, is_open in _walk(asked, zone, begin, 7) if is_open}
    since, until = begin + timedelta(days=3), begin + timedelta(days=7)
    found: set[datetime] = set()
    for opening in openings(parse_window(asked), since):
        if opening.start >= until:
            break
        minutes = int((opening.end - opening.start).total_seconds() // 60)
        found.update(opening.start + timedelta(minutes=each) for each in range(minutes))
    assert {each for each in found if since <= each < until} == {each for each in walked if each >= since}


@settings(max_examples=25, deadline=None)
@given(_SCHEDULES, st.dates(date(2020, 1, 1), date(2032, 1, 1)))
def test_the_days_of_a_schedule_are_those_that_counting_through_the_calendar_finds(schedule: Obj, start: date) -> None:
    asked = window(schedule, "12:00", startDate=str(start))
    counted = [day for day in _days(asked) if day < start + timedelta(days=900)][:20]
    seen = coming(parse_window(asked), utc("2019-01-01T00:00"), len(counted))
    assert [opening.start.date() for opening in seen] == counted


def _walk(asked: MaintenanceWindow, zone: tzinfo, begin: datetime, days: int) -> Iterator[tuple[datetime, bool]]:
    """Every minute, and whether work may start in it. Windows that opened before `begin` are not known."""
    last = begin.date() + timedelta(days=days + 2)
    hour, minute = map(int, asked.start_time.split(":"))
    due = [datetime(day.year, day.month, day.day, hour, minute) for day in _days(asked, last)]
    due = [wall for wall in due if wall >= begin.astimezone(zone).replace(tzinfo=None)]
    opened: list[datetime] = []
    for step in range(days * 24 * 60):
        now = begin + timedelta(minutes=step)
        wall = now.astimezone(zone).replace(tzinfo=None)
        while due and wall >= due[0]:
            opened.append(now)
            due.pop(0)
        inside = any(now - start < timedelta(hours=asked.duration_hours) for start in opened[-2:])
        blocked = any(each.start <= str(wall.date()) <= each.end for each in asked.not_allowed_dates)
        yield now, inside and not blocked


def _days(asked: MaintenanceWindow, last: date = date(2036, 1, 1)) -> Iterator[date]:
    """The days on which it opens, by counting days, weeks or months from its first one on."""
    day = date.fromisoformat(asked.start_date) if asked.start_date else date(2001, 1, 1)
    schedule = asked.schedule
    every = next(getattr(each, name) for each, name in _intervals(schedule) if each)
    left, month = 0, (0, 0)
    while day <= last:
        counts = True
        if schedule.absolute_monthly or schedule.relative_monthly:
            if month == (0, 0):
                month = (day.year, day.month) if _fits(asked, day) else month
            elif (day.year, day.month) != month:
                month, left = (day.year, day.month), (left + 1) % every
            counts = month != (0, 0) and left == 0
            if counts and _fits(asked, day):
                yield day
        elif _fits(asked, day):
            if left == 0:
                yield day
            left = (left + 1) % every
        day += timedelta(days=1)


def _intervals(schedule: Schedule) -> list[tuple[Any, str]]:
    return [
        (schedule.daily, "interval_days"),
        (schedule.weekly, "interval_weeks"),
        (schedule.absolute_monthly, "interval_months"),
        (schedule.relative_monthly, "interval_months"),
    ]


def _fits(asked: MaintenanceWindow, day: date) -> bool:
    schedule = asked.schedule
    if schedule.weekly:
        return _WEEKDAYS[day.weekday()] == schedule.weekly.day_of_week
    if schedule.absolute_monthly:
        return day.day == schedule.absolute_monthly.day_of_month
    if schedule.relative_monthly:
        column = _WEEKDAYS.index(schedule.relative_monthly.day_of_week)
        weeks = [week[column] for week in calendar.monthcalendar(day.year, day.month) if week[column]]
        at = {"First": 0, "Second": 1, "Third": 2, "Fourth": 3, "Last": -1}[schedule.relative_monthly.week_index]
        return weeks[at] == day.day
    return True


def _zone(asked: MaintenanceWindow) -> tzinfo:
    if asked.time_zone:
        return ZoneInfo(asked.time_zone)
    return datetime.strptime(asked.utc_offset or "+00:00", "%z").tzinfo or UTC
