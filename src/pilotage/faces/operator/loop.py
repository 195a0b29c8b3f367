"""Lead, step, rest: what `pilotage operator` does for ever. Called by `command`.

It looks where something changed, in what `Store` keeps by watches; else it rests. What no watch tells (time, and what
istiods know of their proxies) is looked for now and then.
"""

import time
from collections.abc import Callable
from contextlib import closing
from typing import NoReturn

from pilotage.domain.errors import Denied, MeshError
from pilotage.domain.profile import profile_of
from pilotage.edge import crds
from pilotage.edge.charts import warmed
from pilotage.edge.holder import operator_identity
from pilotage.edge.kube import Kube
from pilotage.edge.lease import Lease, LeaseHeld
from pilotage.edge.mesh import MESH, ensure_namespace, parse_mesh
from pilotage.edge.store import Store
from pilotage.faces.cli.session import Session
from pilotage.faces.operator.catalogs import Catalogs
from pilotage.faces.operator.proxyrestarts import ProxyRestarting
from pilotage.faces.operator.report import Report
from pilotage.faces.operator.survey import Survey
from pilotage.reconcile import Reconciler, pause_after

_WAITING, _RESTING, _FAILED = 5.0, 180.0, 5.0  # seconds until the next look, where nothing changes before
_IDLE = 30.0  # the same while there is no ServiceMesh
_SHARE = 5.0  # times what the last step took of the processor: the least rest after it, where changes never end


def run(session: Session, report: Report) -> NoReturn:
    """Never returns: what fails is said, and tried again."""
    with closing(Store(session.kube, report.follows)) as store:
        _lead_for_ever(session, store, report)


def _lead_for_ever(session: Session, store: Store, report: Report) -> NoReturn:
    while True:
        report.turn()
        try:
            _lead(session, store, report)
        except LeaseHeld as held:
            report.stands_by(held.holder)
        except MeshError as error:
            report.failed("cannot go on", error)
            time.sleep(_FAILED)


def _lead(session: Session, store: Store, report: Report) -> None:
    """Waits for a ServiceMesh, takes the Lease of its namespace, and reconciles while it holds it."""
    serial = store.begin()
    resource = store.get(MESH)
    if resource is None:
        report.idle("waits for a ServiceMesh")
        store.rest(serial, _IDLE)
        store.kube.version()  # a sign of life: without a Lease nothing else is asked for minutes
        return
    profile = profile_of(parse_mesh(resource).spec)
    ensure_namespace(store.kube, profile.namespace)
    lease = Lease(store.kube, profile.namespace, operator_identity())
    with (
        lease.kept(report.stands_by, store.wake) as kube,
        report.leading(lease.identity),
        Catalogs(session, store, kube, report) as catalogs,
        ProxyRestarting(session, store, kube, report),
        Survey(session, store, report),
        warmed() as warm,
    ):
        _update_crd(kube, report)
        loop = Reconciler(kube, session.catalog, lambda: session.now, store)
        loop.failed = report.not_written
        loop.begin_patches()
        while True:
            lease.check()
            _step_and_rest(loop, catalogs, store, report, warm)


def _update_crd(kube: Kube, report: Report) -> None:
    """An upgrade of the operator is one of the CRD. Without the right to write it the old one will do."""
    try:
        if crds.update(kube):
            report.log.say("wrote", object=crds.CRD, why="the CRD was of an earlier Pilotage")
    except Denied as denied:
        report.failed("cannot update the CRD", denied)


def _step_and_rest(
    loop: Reconciler, catalogs: Catalogs, store: Store, report: Report, warm: Callable[[], None]
) -> None:
    """One look, then rest until something changed, it is time, or somebody's undoing has had its pause."""
    serial, began = store.begin(), time.process_time()
    pause = _step(loop, catalogs, report)
    took = time.process_time() - began
    if pause:  # after a write the next look comes first
        warm()
    if loop.contested:
        time.sleep(pause)
    else:
        time.sleep(min(pause, took * _SHARE))
        store.rest(serial, pause)


def _step(loop: Reconciler, catalogs: Catalogs, report: Report) -> float:
    """One look; seconds until the next, at the latest. Raises LeaseHeld, for then another one looks."""
    try:
        loop.use(catalogs.now())
        made = report.step(loop)
    except LeaseHeld:
        raise
    except MeshError as error:
        report.failed("cannot reconcile", error)
        return _FAILED
    return pause_after(loop, made, _WAITING if made.waits and not made.due else _RESTING)
