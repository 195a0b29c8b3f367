"""Restarts outdated workloads while the window for that is open, at the pace of the resource. Made by `loop`.

In a thread of its own while this process leads: the loop must not wait for pods of applications.
"""

import time
from collections.abc import Sequence
from typing import Final

from pilotage.decide.dataplane import restart_action
from pilotage.decide.proxyrestarts import Underway, next_ones, opening, token_of, underway
from pilotage.domain.errors import MeshError, TimedOut
from pilotage.domain.profile import profile_of
from pilotage.domain.state import Snapshot
from pilotage.edge.apply import apply
from pilotage.edge.kube import Kube
from pilotage.edge.mesh import MESH, parse_mesh
from pilotage.edge.observe import observe, refuse_blind
from pilotage.edge.store import Store
from pilotage.faces.cli.drifted import drifted
from pilotage.faces.cli.session import Session
from pilotage.faces.operator.beside import Beside
from pilotage.faces.operator.report import Report

_PARTS: Final = frozenset({"pods", "workloads", "namespaces", "injectors"})
_CLOSED: Final = 30.0  # seconds between looks at the clock and the resource, and at what drifts
_MOVING: Final = 2.0  # seconds between looks while pods are replaced
_STUCK: Final = 600.0  # seconds after which a workload holds up all others of its opening


class ProxyRestarting(Beside):
    """From when it is entered until it is left. `kube` writes, fenced by the Lease."""

    thread = "restarts"

    def __init__(self, session: Session, store: Store, kube: Kube, report: Report) -> None:
        super().__init__()
        self._session, self._store, self._kube, self._report = session, store.aside(), kube, report
        self._begun: dict[tuple[str, str, str, str], float] = {}  # when what is under way was first seen
        self._last = 0.0  # when one was begun

    def _run(self) -> None:
        pause = _CLOSED
        while not self._over.wait(pause):
            try:
                pause = self.turn()
            except MeshError as error:
                self._report.failed("cannot restart what is outdated", error)
                pause = _CLOSED

    def turn(self) -> float:
        """Begins what may begin now; seconds until the next look. Raises as looking and writing do."""
        resource = self._store.get(MESH)
        spec = parse_mesh(resource).spec if resource else None
        found = opening(spec, self._session.now) if spec else None
        pace = spec.proxy_restarts if spec else None
        if spec is None or pace is None or found is None:
            return _CLOSED
        profile, token = profile_of(spec), token_of(found)
        snapshot = observe(self._store, profile, self._session.catalog, self._session.now, parts=_PARTS)
        refuse_blind(snapshot, _PARTS)
        running = underway(snapshot, token)
        self._refuse_stuck(token, running)
        free = pace.parallel - len(running)
        if free <= 0 or time.monotonic() < self._last + pace.pause_seconds:
            return _MOVING
        begun = self._begin(snapshot, token, 1 if pace.pause_seconds else free)
        return _MOVING if begun or running else _CLOSED

    def _begin(self, snapshot: Snapshot, token: str, free: int) -> int:
        """How many were begun."""
        chosen = next_ones(snapshot, drifted(self._session.kube).drift, token, free)
        for workload in chosen:
            action = restart_action(workload, token)
            apply(self._kube, action)
            self._report.log.say("wrote", object=str(action.ref), why=f"{action.why}: its proxy is behind")
            self._last = time.monotonic()
        return len(chosen)

    def _refuse_stuck(self, token: str, running: Sequence[Underway]) -> None:
        """Raises TimedOut for one that has been under way for long: no other is begun until it is done."""
        now = time.monotonic()
        seen = {(token, each.workload.kind, each.workload.namespace, each.workload.name): each for each in running}
        self._begun = {key: self._begun.get(key, now) for key in seen}
        for key, since in self._begun.items():
            if now - since > _STUCK:
                _, kind, namespace, name = key
                raise TimedOut(f"{kind} {namespace}/{name} is stuck: {seen[key].cause}; no other is begun")
