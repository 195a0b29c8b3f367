"""A look at the whole mesh now and then, for metrics: proxies by revision, and the findings of all rules.

In a thread of its own while this process leads: the loop looks at less, and must neither wait for it nor wake at every
pod. Made by `loop`.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from msgspec import structs

from pilotage.decide.gauges import Gauge, of_survey
from pilotage.decide.health import check
from pilotage.decide.patches import patch_findings
from pilotage.domain.errors import MeshError, Refused
from pilotage.domain.findings import Finding
from pilotage.domain.profile import profile_of
from pilotage.domain.state import Snapshot
from pilotage.edge.mesh import MESH, parse_mesh
from pilotage.edge.observe import ALL, observe
from pilotage.edge.store import Store
from pilotage.faces.cli.session import Session
from pilotage.faces.operator.beside import Beside
from pilotage.faces.operator.report import Report

_EVERY: Final = 60.0  # seconds; what is watched costs no request, istiods are asked
_SHARE: Final = 200.0  # times what the last one took of the processor: the least rest after it, in a huge mesh
_LONGEST: Final = 600.0  # seconds; `PilotageSurveyOld` comes after 15 minutes
_FIRST: Final = 5.0  # seconds, for the loop to go first
_PARTS: Final = ALL - {"live", "autoscalers", "nodes", "quotas", "leases", "operator"}  # what rules of health look at


class Survey(Beside):
    """Surveys from when it is entered until it is left."""

    thread = "survey"

    def __init__(self, session: Session, store: Store, report: Report) -> None:
        super().__init__()
        self._session, self._store, self._report = session, store.aside(), report
        self._seen: Snapshot | None = None  # with the hour for the time
        self._gauges: tuple[Gauge, ...] = ()

    def _run(self) -> None:
        pause = _FIRST
        while not self._over.wait(pause):
            before = time.process_time()
            try:
                self._survey()
            except MeshError as error:
                self._report.failed("cannot survey", error)
            pause = min(max(_EVERY, (time.process_time() - before) * _SHARE), _LONGEST)

    def _survey(self) -> None:
        resource = self._store.get(MESH)
        if resource is None:
            return
        mesh = parse_mesh(resource)
        profile, catalog = profile_of(mesh.spec), self._session.catalog
        snapshot = observe(self._store, profile, catalog, self._session.now, parts=_PARTS, mesh=mesh)
        hour = structs.replace(snapshot, now=snapshot.now.replace(minute=0, second=0, microsecond=0))
        if hour != self._seen:  # all rules over many pods take a while: not again where nothing changed
            self._seen, self._gauges = hour, tuple(of_survey(snapshot, _findings(snapshot)))
        if not self._over.is_set():
            self._report.surveyed(self._gauges)


def _findings(snapshot: Snapshot) -> Iterator[Finding]:
    """As `pilotage check` has them, but those of who looks."""
    yield from check(snapshot)
    with suppress(Refused):  # a revision without a version: each step of the loop says so
        yield from patch_findings(snapshot)
