"""Restarts outdated workloads while the window for that is open, at the pace of the resource. Made by `loop`.

In a thread of its own while this process leads: the loop must not wait for pods of applications. What it does, what is
stuck and why is told in the status of the ServiceMesh and by Events.
"""

import time
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from pilotage.decide.dataplane import restart_action
from pilotage.decide.proxyrestarts import (
    Candidate,
    apart,
    begun,
    events,
    last_opening,
    named,
    next_ones,
    opening,
    progress,
    telling,
    token_of,
    wanted,
    without,
)
from pilotage.decide.windows import Opening
from pilotage.domain.errors import MeshError, Refused
from pilotage.domain.mesh import ProxyRestarts, ServiceMesh, ServiceMeshSpec
from pilotage.domain.objects import Obj
from pilotage.domain.profile import profile_of
from pilotage.domain.restarts import Restarts
from pilotage.domain.state import Snapshot
from pilotage.edge.apply import apply
from pilotage.edge.budgets import budgets
from pilotage.edge.kube import Kube
from pilotage.edge.mesh import MESH, parse_mesh
from pilotage.edge.observe import observe, refuse_blind
from pilotage.edge.restarts import tell
from pilotage.edge.store import Store
from pilotage.faces.cli.drifted import followed
from pilotage.faces.cli.session import Session
from pilotage.faces.operator.beside import Beside
from pilotage.faces.operator.report import Report

_PARTS: Final = frozenset({"pods", "workloads", "namespaces", "injectors"})
_SOON: Final = 2.0  # seconds between looks while pods are replaced, and at the clock while the window is closed
_IDLE: Final = 30.0  # the same while it is open, and at what drifts


class ProxyRestarting(Beside):
    """From when it is entered until it is left. `kube` writes, fenced by the Lease."""

    thread = "restarts"

    def __init__(self, session: Session, store: Store, kube: Kube, report: Report) -> None:
        super().__init__()
        self._session, self._store, self._kube, self._report = session, store.aside(), kube, report
        self._last = 0.0  # when one was begun
        self._refused: dict[str, dict[str, str]] = {}  # of the last opening: workload -> why it may not be written

    def _run(self) -> None:
        pause = _SOON
        while not self._over.wait(pause):
            try:
                pause = self.turn()
            except MeshError as error:
                self._report.failed("cannot restart what is outdated", error)
                pause = _IDLE

    def turn(self) -> float:
        """Begins what may begin now; seconds until the next look. Raises as looking and writing do."""
        resource = self._store.get(MESH)
        if resource is None:
            return _SOON
        mesh = parse_mesh(resource)
        spec, told = mesh.spec, mesh.restarts
        try:
            found = opening(spec, self._session.now)
        except Refused as refused:
            self._tell(resource, replace(told or Restarts(), stopped=str(refused)))
            raise
        if found is None and not (told and told.underway):
            self._tell(resource, replace(told, stopped="") if told and wanted(spec) else None)
            return _SOON
        return self._go_on(resource, mesh, found)

    def _go_on(self, resource: Obj, mesh: ServiceMesh, found: Opening | None) -> float:
        """`found` None: the window is closed, and something that it began is under way."""
        told, pace, snapshot = mesh.restarts, mesh.spec.proxy_restarts, self._look(mesh.spec)
        last = last_opening(told) if told else None
        if last is not None and last != found:
            before = progress(told, last, snapshot)
            if before.underway or found is None:
                self._tell(resource, before)
                return self._pause(before, pace) if before.underway else _SOON
        if found is None or pace is None:
            return _SOON
        now, chosen = self._begin(snapshot, progress(told, found, snapshot), pace, token_of(found))
        self._tell(resource, now, chosen)
        return self._pause(now, pace)

    def _look(self, spec: ServiceMeshSpec) -> Snapshot:
        seen = observe(self._store, profile_of(spec), self._session.catalog, self._session.now, parts=_PARTS)
        refuse_blind(seen, _PARTS)
        return seen

    def _begin(
        self, snapshot: Snapshot, now: Restarts, pace: ProxyRestarts, token: str
    ) -> tuple[Restarts, Sequence[Candidate]]:
        """As many as the pace allows; what drifts is looked at only where there is room for one."""
        free = pace.parallel - len(now.underway)
        if now.stopped or free <= 0 or time.monotonic() < self._last + pace.pause_seconds:
            return now, ()
        limits = budgets(self._store)
        found = without(next_ones(snapshot, followed(self._store), limits, token), self._refused.get(token, {}))
        done: list[Candidate] = []
        while not done and (chosen := apart(found, snapshot, now, limits, 1 if pace.pause_seconds else free)):
            done = [each for each in chosen if self._restart(each, token)]
            found = without(found, self._refused.get(token, {}))
        return begun(telling(now, found), done, snapshot.now), done

    def _restart(self, candidate: Candidate, token: str) -> bool:
        """False where the API server has something against it: the others need not wait for that."""
        action = restart_action(candidate.workload, token)
        try:
            apply(self._kube, action)
        except Refused as refused:
            self._refused = {token: self._refused.get(token, {}) | {named(candidate.workload): str(refused)}}
            self._report.failed("cannot restart", refused)
            return False
        self._report.log.say("wrote", object=str(action.ref), why=f"{action.why}: {candidate.why}")
        self._last = time.monotonic()
        return True

    def _pause(self, now: Restarts, pace: ProxyRestarts | None) -> float:
        if now.underway and not now.stopped:
            return _SOON
        left = self._last + pace.pause_seconds - time.monotonic() if pace and now.behind else _IDLE
        return left if _SOON < left < _IDLE else _IDLE

    def _tell(self, resource: Obj, now: Restarts | None, chosen: Sequence[Candidate] = ()) -> None:
        tell(self._kube, resource, now, events(now, chosen), self._session.now)
