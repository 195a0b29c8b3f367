"""Who changes the canary's autoscaler again and again, and when it is put back next. Called by `autoscaling`.

The count is an annotation of that autoscaler, written in the same patch that puts it back: so it is the cluster's, and
a restarted operator goes on with it. A manager that is quiet for as long as `_FORGOTTEN` starts anew.
"""

from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from pilotage.domain.mesh import Moment
from pilotage.domain.names import PUT_BACK
from pilotage.domain.objects import Obj, annotations_of

_PATIENCE: Final = 5  # corrections against one manager, each at once
_FIRST, _LONGEST = timedelta(seconds=30), timedelta(minutes=5)  # pauses after them, each twice the one before
_FORGOTTEN: Final = timedelta(minutes=10)


class Tally(msgspec.Struct, frozen=True):
    """Corrections against one manager, and when the last was."""

    count: Annotated[int, Meta(ge=1)]
    last: Moment

    @property
    def contested(self) -> bool:
        return self.count >= _PATIENCE

    @property
    def pause(self) -> timedelta:
        """Between the last correction and the next."""
        if not self.contested:
            return timedelta(0)
        doubled = 1 << min(self.count - _PATIENCE, 8)  # far beyond the longest
        return min(_FIRST * doubled, _LONGEST)

    @property
    def due(self) -> datetime:
        return self.last + self.pause

    @property
    def over(self) -> datetime:
        """When it is forgotten."""
        return self.last + _FORGOTTEN


Tallies = dict[str, Tally]  # by field manager; "" for one that cannot be told


def tallies(hpa: Obj, now: datetime) -> Tallies:
    """Those that are not forgotten. An annotation that is not ours to read any more counts nothing."""
    try:
        found = msgspec.json.decode(annotations_of(hpa).get(PUT_BACK, "{}"), type=Tallies)
    except msgspec.DecodeError:  # somebody wrote into it: the count starts anew, and stable still wins
        return {}
    past = {manager: msgspec.structs.replace(tally, last=min(tally.last, now)) for manager, tally in found.items()}
    return {manager: tally for manager, tally in past.items() if now < tally.over}


def counted(known: Tallies, managers: set[str], now: datetime) -> Obj:
    """The annotation after one more correction against each of these."""
    more = {name: Tally(known[name].count + 1 if name in known else 1, now) for name in managers}
    return {PUT_BACK: msgspec.json.encode(known | more, order="sorted").decode()}
