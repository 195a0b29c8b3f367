"""What is still waited for between two whole looks, while control planes get ready. Called by `looking`."""

from msgspec import structs

from pilotage.decide.install import control_plane, readiness
from pilotage.domain.actions import Plan
from pilotage.domain.state import Desired, Snapshot

_INSTALLING = ("Installing", "CanaryStarting")


def getting_ready(before: Plan, desired: Desired, snapshot: Snapshot) -> Plan | None:
    """`before` once it is done, while control planes get ready: what of them is waited for now.

    None where nothing is, where one is not there at all, or where more than that has to be looked at.
    """
    managed = [revision for revision in desired.revisions if revision.managed]
    if before.phase not in _INSTALLING or desired.course.patch:
        return None
    if any(control_plane(snapshot, revision.name) is None for revision in managed):
        return None
    waits = tuple(wait for revision in managed for wait in readiness(snapshot, revision))
    return structs.replace(before, now=(), waits=waits, events=()) if waits else None
