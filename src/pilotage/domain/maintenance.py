"""Maintenance windows and the policy of patches as Python types: a part of ServiceMesh, used by `mesh`.

The provider's schema: a schedule, how long, from which day on, in which zone, and days on which nothing starts.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

Interval = Annotated[int, Meta(ge=1, le=366)]
Months = Annotated[int, Meta(ge=1, le=120)]
Day = Annotated[str, Meta(pattern=r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}$", max_length=10)]
Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5)]
Offset = Annotated[str, Meta(pattern=r"^[+-]([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=6)]
Zone = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$", max_length=64)]
WindowName = Annotated[str, Meta(pattern="^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$", min_length=1, max_length=63)]
MinAge = Annotated[str, Meta(pattern="^[0-9]{1,3}d$", max_length=4)]
Timeout = Annotated[str, Meta(pattern="^([0-9]{1,5}[smh])+$", max_length=20)]


class Weekday(StrEnum):
    MONDAY = "Monday"
    TUESDAY = "Tuesday"
    WEDNESDAY = "Wednesday"
    THURSDAY = "Thursday"
    FRIDAY = "Friday"
    SATURDAY = "Saturday"
    SUNDAY = "Sunday"

    @property
    def number(self) -> int:
        """As `date.weekday()`: Monday is 0."""
        return list(Weekday).index(self)


class WeekIndex(StrEnum):
    """Which of a weekday's days in a month. `Last` is the fifth where there is one, else the fourth."""

    FIRST = "First"
    SECOND = "Second"
    THIRD = "Third"
    FOURTH = "Fourth"
    LAST = "Last"


class _Spec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    pass


class Daily(_Spec, frozen=True):
    interval_days: Annotated[Interval, Meta(description="1 is every day.")] = 1


class Weekly(_Spec, frozen=True):
    day_of_week: Weekday
    interval_weeks: Annotated[Interval, Meta(description="1 is every week.")] = 1


class AbsoluteMonthly(_Spec, frozen=True):
    day_of_month: Annotated[int, Meta(ge=1, le=31, description="A month without that day is passed over.")]
    interval_months: Months = 1


class RelativeMonthly(_Spec, frozen=True):
    week_index: WeekIndex
    day_of_week: Weekday
    interval_months: Months = 1


class Schedule(_Spec, frozen=True):
    """Exactly one of them."""

    daily: Daily | None = None
    weekly: Weekly | None = None
    absolute_monthly: AbsoluteMonthly | None = None
    relative_monthly: RelativeMonthly | None = None


class Dates(_Spec, frozen=True):
    """From the first moment of `start` to the last of `end`, in the window's zone."""

    start: Day
    end: Annotated[Day, Meta(description="The last day; included.")]


class MaintenanceWindow(_Spec, frozen=True):
    name: Annotated[WindowName, Meta(description="default gates patches.")]
    schedule: Schedule
    duration_hours: Annotated[int, Meta(ge=4, le=24, description="Hours in which work may start.")]
    start_time: Annotated[Clock, Meta(description="HH:mm in the window's zone.")]
    utc_offset: Annotated[Offset | None, Meta(description="+HH:mm or -HH:mm; +00:00 if there is no zone either.")] = (
        None
    )
    time_zone: Annotated[Zone | None, Meta(description="IANA zone, as in Europe/Berlin, instead of utcOffset.")] = None
    start_date: Annotated[Day | None, Meta(description="YYYY-MM-DD; no window opens before that day.")] = None
    not_allowed_dates: Annotated[list[Dates], Meta(max_length=100, description="When nothing may start.")] = []


class PatchPolicy(StrEnum):
    """`Automatic`: as soon as a patch is due and a window is open. `Manual`: only by `pilotage patch start`."""

    AUTOMATIC = "Automatic"
    MANUAL = "Manual"


class Patches(_Spec, frozen=True):
    """How revisions without `version` take patches of their minor."""

    policy: Annotated[PatchPolicy, Meta(description="Automatic or Manual.")] = PatchPolicy.AUTOMATIC
    min_age: Annotated[MinAge, Meta(description="Age of a patch before it is taken, unless it fixes CVSS >= 8.")] = "7d"
    timeout: Annotated[Timeout, Meta(description="How long a patch may take to be ready before it goes back.")] = "10m"
    hold: Annotated[bool, Meta(description="Starts no patch while it is true.")] = False
