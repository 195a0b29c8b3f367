"""How long a removal waits that nobody confirmed: an edit of the resource is one wrong line in Git away.

Called by `removal` and `gateway_removal` once their guard holds. Since when it holds is kept in the status of the
resource; a status that was wiped, another revision, or a clock that went back behind it make the soak start anew: never
shorter.
"""

import re
from datetime import datetime, timedelta

from pilotage.domain.actions import Wait
from pilotage.domain.findings import Finding
from pilotage.domain.mesh import Removal, RemovalPolicy
from pilotage.domain.names import EVERY_REVISION
from pilotage.domain.state import Snapshot

_PART = re.compile(r"(\d+)([smh])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


def soak_of(policy: RemovalPolicy) -> timedelta:
    return span_of(policy.soak)


def span_of(text: str) -> timedelta:
    """`1h30m` -> a timedelta; the CRD holds the pattern."""
    return sum((timedelta(**{_UNITS[unit]: int(count)}) for count, unit in _PART.findall(text)), timedelta())


def soaking(snapshot: Snapshot, revision: str) -> Removal:
    """The removal of `revision`, or of that gateway, whose guard holds now: since when, and until when it waits."""
    mesh = snapshot.mesh
    policy = mesh.spec.removal if mesh else RemovalPolicy()
    known = (mesh.removal, *mesh.leaving) if mesh else ()
    kept = next((each for each in known if each and each.revision == revision), None)
    whole = soak_of(policy)
    if kept is not None and kept.since <= snapshot.now:
        return Removal(revision, kept.since, kept.since + whole)
    # The status keeps whole seconds: rounded down, the soak would be shorter by what was cut off.
    since = next_second(snapshot.now) if whole else snapshot.now
    return Removal(revision, since, since + whole)


def soaks(snapshot: Snapshot, removal: Removal) -> bool:
    """Whether it still waits."""
    return snapshot.now < removal.until


def soaking_wait(removal: Removal) -> Wait:
    """It ends by itself, at a known time."""
    what, undo = _words(removal)
    return Wait(what, f"will be removed at {stamp(removal)} unless {undo}", removal.until)


def soaking_finding(removal: Removal) -> Finding:
    """What waits, until when, and both ways out."""
    what, undo = _words(removal)
    every = removal.revision == EVERY_REVISION
    now = "pilotage disable" if every else "pilotage upgrade complete, or rollback"
    back = "set spec.mode to Istio" if every else f"add {removal.revision} to spec.revisions"
    message = f"{what} will be removed at {stamp(removal)} unless {undo}"
    return Finding("RemovalSoaking", message, removal.revision, f"to cancel, {back}; to remove it now: {now}")


def _words(removal: Removal) -> tuple[str, str]:
    if removal.revision == EVERY_REVISION:
        return "every control plane", "spec.mode is set back to Istio"
    return removal.revision, "it is added back"


def stamp(removal: Removal) -> str:
    """Until when it waits."""
    return f"{removal.until:%Y-%m-%dT%H:%M:%SZ}"


def next_second(moment: datetime) -> datetime:
    """`moment`, or the whole second after it: what a status keeps."""
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)
