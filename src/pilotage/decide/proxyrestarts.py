"""Restarts of outdated workloads by the operator, inside a window that the user chose for them. Called by the operator.

Nothing is remembered but in the cluster: a template that carries this opening's token was restarted in it, and is not
restarted in it again, whatever became of it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from pilotage.decide.dataplane import Key, Selection, to_restart
from pilotage.decide.drift import Drift, State
from pilotage.decide.restart_state import Waiting, restart_state
from pilotage.decide.windows import Opening, current, parse_window
from pilotage.domain.cluster import Workload
from pilotage.domain.errors import Refused
from pilotage.domain.mesh import Mode, RestartMode, ServiceMeshSpec
from pilotage.domain.names import RESTARTED_FOR
from pilotage.domain.state import Snapshot

_FIX: Final = "edit spec.proxyRestarts of the ServiceMesh"


class Underway(NamedTuple):
    """A workload that was restarted in this opening and is not done, and why."""

    workload: Workload
    cause: str


def opening(spec: ServiceMeshSpec, now: datetime) -> Opening | None:
    """The one in which restarts may begin now. Raises Refused for a window that is not there or makes no sense."""
    policy = spec.proxy_restarts
    if policy is None or policy.mode is RestartMode.NEVER or spec.mode is not Mode.ISTIO:
        return None
    windows = {window.name: window for window in spec.maintenance_windows or ()}
    if policy.window not in windows:
        named = f'there is no maintenance window "{policy.window}"' if policy.window else "proxyRestarts name no window"
        raise Refused(f"{named} (there: {', '.join(windows) or 'none'})", fix=_FIX)
    return current(parse_window(windows[policy.window]), now)


def token_of(found: Opening) -> str:
    """What templates are marked with that were restarted in it."""
    return f"{found.window}-{found.start:%Y%m%dT%H%MZ}"


def underway(snapshot: Snapshot, token: str) -> tuple[Underway, ...]:
    """What was begun in this opening and whose pods are not all new and Ready.

    Which proxy they have is no matter here: labels may have moved on meanwhile, and that must hold up no other.
    """
    begun = (each for each in snapshot.workloads if each.annotations.get(RESTARTED_FOR) == token)
    states = ((each, restart_state(snapshot, _key(each), None, token)) for each in begun)
    return tuple(Underway(each, state.cause) for each, state in states if isinstance(state, Waiting))


def next_ones(snapshot: Snapshot, drift: Drift, token: str, free: int) -> tuple[Workload, ...]:
    """The next workloads, `free` at most. Only what a dry run has proven: a restart must bring what was promised."""
    proven = (
        row.running for row in drift.rows if row.state is State.BEHIND and row.expected.proven and row.restartable
    )
    keys = dict.fromkeys((each.kind, each.asked.namespace, each.name) for each in proven)
    there = _there(snapshot, keys)
    chosen = to_restart(snapshot, Selection(names=there)) if there else ()
    return tuple(each for each in chosen if each.annotations.get(RESTARTED_FOR) != token)[:free]


def _there(snapshot: Snapshot, keys: Iterable[Key]) -> tuple[Key, ...]:
    known = {_key(each) for each in snapshot.workloads}
    return tuple(key for key in keys if key in known)


def _key(workload: Workload) -> Key:
    return workload.kind, workload.namespace, workload.name
