"""The flags of `maintenance set`, those of `az aks maintenanceconfiguration`, and the window that they make."""

from collections.abc import Callable
from typing import Any

import click
import msgspec

from pilotage.domain.errors import Refused
from pilotage.domain.maintenance import MaintenanceWindow, Weekday, WeekIndex

_HELP = "pilotage maintenance set --help"
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
# Field -> its flag, and what is to be written there.
_WANTED = {
    "startTime": "--start-time HH:MM, as in 22:00",
    "durationHours": "--duration 4 to 24, in hours",
    "utcOffset": "--utc-offset +HH:MM or -HH:MM, as in +01:00",
    "timeZone": "--time-zone with the name of a zone, as Europe/Berlin is",
    "startDate": "--start-date YYYY-MM-DD",
    "notAllowedDates": "--not-allowed-dates FIRST/LAST, each YYYY-MM-DD",
    "intervalDays": "--interval-days 1 to 366",
    "intervalWeeks": "--interval-weeks 1 to 366",
    "intervalMonths": "--interval-months 1 to 120",
    "dayOfMonth": "--day-of-month 1 to 31",
    "dayOfWeek": "--day-of-week Monday to Sunday",
    "weekIndex": "--week-index First to Fourth, or Last",
    "name": "a name of letters, digits and dashes, 63 at most",
}


def schedule_flags(function: Callable[..., Any]) -> Callable[..., Any]:
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
    ):
        function = option(function)
    return function


def window_of(name: str, flags: dict[str, Any]) -> MaintenanceWindow:
    """What the flags ask for. Raises Refused for a flag that does not fit the schedule, or a value that is none."""
    kind = flags.pop("kind").lower()
    every = {flag for flags_of in _KINDS.values() for flag in flags_of}
    given = {flag: value for flag in every if (value := flags.pop(flag)) is not None}
    strange = sorted(set(given) - set(_KINDS[kind]))
    if strange:
        words = f"--{strange[0].replace('_', '-')} does not go with --schedule-type {_CAMEL[kind]}"
        raise Refused(words, fix=_HELP)
    blocked = [
        dict(zip(("start", "end"), text.partition("/")[::2], strict=True)) for text in flags.pop("not_allowed_dates")
    ]
    rest = {key: value for key, value in flags.items() if value is not None}
    fields = {**rest, "schedule": {_CAMEL[kind]: _camel(given)}, "not_allowed_dates": blocked, "name": name}
    try:
        return msgspec.convert(_camel(fields), MaintenanceWindow)
    except msgspec.ValidationError as wrong:
        raise Refused(f"maintenance window {name}: {_in_words(str(wrong))}", fix=_HELP) from wrong


def _camel(fields: dict[str, Any]) -> dict[str, Any]:
    def camel(name: str) -> str:
        first, *rest = name.split("_")
        return first + "".join(map(str.title, rest))

    return {camel(name): value for name, value in fields.items()}


def _in_words(wrong: str) -> str:
    """The decoder names fields and patterns; a person has flags."""
    wanted = next((text for field, text in _WANTED.items() if field in wrong), None)
    return f"write {wanted}" if wanted else wrong
