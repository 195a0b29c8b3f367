"""Restarts of outdated workloads by the operator, inside a window that the user chose for them. Called by the operator.

Nothing is remembered but in the cluster: a template that carries this opening's token was restarted in it, and is not
restarted in it again, whatever became of it. What all that comes to is told in the status, as `Restarts`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from msgspec.structs import replace

from pilotage.decide.budget import below_any, budgets_of
from pilotage.decide.dataplane import Key, Selection, to_restart
from pilotage.decide.drift import Drift, Row, State
from pilotage.decide.restart_state import Waiting, restart_state
from pilotage.decide.windows import Opening, current, parse_window
from pilotage.domain.cluster import Budget, Pod, Workload
from pilotage.domain.errors import Refused
from pilotage.domain.events import Event
from pilotage.domain.mesh import Mode, RestartMode, ServiceMeshSpec
from pilotage.domain.names import RESTARTED_FOR
from pilotage.domain.objects import ObjectRef
from pilotage.domain.restarts import HeldBack, Restarts, Underway
from pilotage.domain.state import Snapshot

LATE: Final = timedelta(minutes=10)  # progressDeadlineSeconds of a Deployment, unless it is set
_FIX: Final = "edit spec.proxyRestarts of the ServiceMesh"
_NAMED: Final = 10  # workloads held back that the status names


class Candidate(NamedTuple):
    """A workload that is behind and may be restarted now. `why`: what its proxy is, and what it would be."""

    workload: Workload
    why: str


class Next(NamedTuple):
    """What is behind and was not restarted in this opening, in order."""

    candidates: tuple[Candidate, ...]
    held: tuple[HeldBack, ...]


def opening(spec: ServiceMeshSpec, now: datetime) -> Opening | None:
    """The one in which restarts may begin now. Raises Refused for a window that is not there or makes no sense."""
    policy = spec.proxy_restarts
    if policy is None or not wanted(spec):
        return None
    windows = {window.name: window for window in spec.maintenance_windows or ()}
    if policy.window not in windows:
        named = f'there is no maintenance window "{policy.window}"' if policy.window else "proxyRestarts name no window"
        raise Refused(f"{named} (there: {', '.join(windows) or 'none'})", fix=_FIX)
    return current(parse_window(windows[policy.window]), now)


def wanted(spec: ServiceMeshSpec) -> bool:
    """Whether somebody asked for restarts."""
    policy = spec.proxy_restarts
    return policy is not None and policy.mode is not RestartMode.NEVER and spec.mode is Mode.ISTIO


def last_opening(told: Restarts) -> Opening | None:
    """The one that was told of, if something of it is under way: work may finish after its window."""
    if told.opened is None or told.until is None or not told.underway:
        return None
    return Opening(told.window, told.opened, told.until)


def token_of(found: Opening) -> str:
    """What templates are marked with that were restarted in it."""
    return f"{found.window}-{found.start:%Y%m%dT%H%MZ}"


def progress(told: Restarts | None, found: Opening, snapshot: Snapshot) -> Restarts:
    """What has become of what this opening began. One that is late stops all others.

    Which proxy they have is no matter here: labels may have moved on meanwhile, and that must hold up no other.
    """
    same = told is not None and (told.window, told.opened) == (found.window, found.start)
    before = told if told is not None and same else Restarts(found.window, found.start)
    since = {each.workload: each.since for each in before.underway}
    token = token_of(found)
    begun = [each for each in snapshot.workloads if each.annotations.get(RESTARTED_FOR) == token]
    pods = _pods_of(snapshot)
    near = ((each, replace(snapshot, workloads=(each,), pods=pods.get(_key(each), ()))) for each in begun)
    states = ((each, restart_state(seen, _key(each), None, token)) for each, seen in near)
    waiting = ((named(each), state.cause) for each, state in states if isinstance(state, Waiting))
    underway = tuple(_underway(name, since.get(name, snapshot.now), cause, snapshot.now) for name, cause in waiting)
    late = [each for each in underway if each.cause]
    words = f"{late[0].workload} is stuck: {late[0].cause}; no other is begun until it is done" if late else ""
    done = len(begun) - len(underway)
    return replace(before, until=found.end, restarted=done, underway=underway, stopped=words)


def begun(told: Restarts, chosen: Iterable[Candidate], now: datetime) -> Restarts:
    """The same once these were restarted."""
    more = tuple(Underway(named(each.workload), now) for each in chosen)
    return replace(told, underway=told.underway + more, behind=told.behind - len(more))


def next_ones(snapshot: Snapshot, drift: Drift, budgets: Iterable[Budget], token: str) -> Next:
    """Only what a dry run has proven to be behind: a restart must bring what was promised.

    `budgets`: PodDisruptionBudgets. A rollout does not ask them, so what it may take away is counted here.
    """
    rows = {_row_key(row): row for row in reversed(drift.rows) if _promised(row)}
    there = tuple(key for each in snapshot.workloads if (key := _key(each)) in rows)
    chosen = to_restart(snapshot, Selection(names=there)) if there else ()
    fresh = [each for each in chosen if each.annotations.get(RESTARTED_FOR) != token]
    everyone = list(budgets)
    near: dict[str, list[Pod]] = {}
    for pod in snapshot.pods:
        near.setdefault(pod.namespace, []).append(pod)
    judged = [(each, below_any(each, near.get(each.namespace, ()), everyone)) for each in fresh]
    held = tuple(HeldBack(named(each), cause) for each, cause in judged if cause)
    return Next(tuple(Candidate(each, _why(rows[_key(each)])) for each, cause in judged if not cause), held)


def without(found: Next, refused: Mapping[str, str]) -> Next:
    """The same; those that the API server has `refused` to write are held back with its words."""
    held = (HeldBack(name, refused[name]) for each in found.candidates if (name := named(each.workload)) in refused)
    left = tuple(each for each in found.candidates if named(each.workload) not in refused)
    return Next(left, (*found.held, *held))


def apart(
    found: Next, snapshot: Snapshot, now: Restarts, budgets: Iterable[Budget], most: int
) -> tuple[Candidate, ...]:
    """The first that may begin, `most` at most: each was judged alone, so no two take pods of one budget."""
    everyone, moving = list(budgets), {each.workload for each in now.underway}
    begun = (each for each in snapshot.workloads if named(each) in moving)
    busy = {budget for each in begun for budget in budgets_of(each, everyone)}
    chosen: list[Candidate] = []
    for candidate in found.candidates:
        mine = budgets_of(candidate.workload, everyone)
        if len(chosen) < most and busy.isdisjoint(mine):
            chosen.append(candidate)
            busy.update(mine)
    return tuple(chosen)


def telling(told: Restarts, found: Next) -> Restarts:
    """With what is left to do."""
    left = len(found.candidates) + len(found.held)
    return replace(told, behind=left, held_back=found.held[:_NAMED])


def events(told: Restarts | None, chosen: Iterable[Candidate]) -> tuple[Event, ...]:
    """One for each workload that was begun, once in an opening. What stops all of them is told as a condition."""
    return tuple(
        Event(
            "ProxyRestart",
            f"{named(each)} is restarted in window {told.window}: {why}",
            action="Restart",
            related=ObjectRef(each.api_version, each.kind, each.namespace, each.name),
            key=str(told.opened),
        )
        for each, why in chosen
        if told
    )


def named(workload: Workload) -> str:
    return f"{workload.kind} {workload.namespace}/{workload.name}"


def _pods_of(snapshot: Snapshot) -> dict[Key, tuple[Pod, ...]]:
    """By workload: to ask each of many for its own among all pods would take minutes."""
    found: dict[Key, list[Pod]] = {}
    for pod in snapshot.pods:
        kind, name = pod.workload
        found.setdefault((kind, pod.namespace, name), []).append(pod)
    return {key: tuple(pods) for key, pods in found.items()}


def _underway(name: str, since: datetime, cause: str, now: datetime) -> Underway:
    return Underway(name, since, cause if now - since > LATE else "")


def _promised(row: Row) -> bool:
    return row.state is State.BEHIND and row.expected.proven and row.restartable


def _row_key(row: Row) -> Key:
    return row.running.kind, row.running.asked.namespace, row.running.name


def _why(row: Row) -> str:
    has, gets = row.running, row.expected
    return f"its proxy is {has.revision or 'of no revision'} {has.image}, injection gives {gets.revision} {gets.image}"


def _key(workload: Workload) -> Key:
    return workload.kind, workload.namespace, workload.name
