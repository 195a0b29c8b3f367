"""Lead, step, rest: what `pilotage operator` does for ever. Called by `command`.

It looks where something changed, in what `Store` keeps by watches; else it rests. What no watch tells (time, and what
istiods know of their proxies) is looked for now and then.
"""

import time
from typing import NoReturn

from pilotage.domain.actions import Action, Plan
from pilotage.domain.errors import MeshError
from pilotage.domain.profile import profile_of
from pilotage.edge.lease import Lease, operator_identity
from pilotage.edge.mesh import MESH, ensure_namespace, parse_mesh
from pilotage.edge.store import Store
from pilotage.faces.cli.session import Session
from pilotage.faces.operator.logs import log
from pilotage.reconcile import Reconciler, pause_after

_WAITING, _RESTING, _FAILED = 5.0, 180.0, 5.0  # seconds until the next look, where nothing changes before
_SHARE = 5.0  # times what the last step took: the least rest before the next, so that a busy cluster is not chased


def run(session: Session) -> NoReturn:
    """Never returns: what fails is said, and tried again."""
    store = Store(session.kube, _say_followed)
    while True:
        try:
            _lead(session, store)
        except MeshError as error:
            log("cannot go on", error=type(error).__name__, message=str(error))
            time.sleep(_FAILED)


def _lead(session: Session, store: Store) -> None:
    """Waits for a ServiceMesh, takes the Lease of its namespace, and reconciles while it holds it."""
    serial = store.serial
    resource = store.get(MESH)
    if resource is None:
        store.rest(serial, _RESTING)
        return
    namespace = profile_of(parse_mesh(resource).spec).namespace
    ensure_namespace(store.kube, namespace)
    lease = Lease(store.kube, namespace, operator_identity())
    with lease.kept():
        log("leads", lease=namespace)
        loop = Reconciler(store.kube, session.catalog, lambda: session.now, store)
        loop.before_write = lease.check
        while True:
            lease.check()
            _step_and_rest(loop, store)


def _step_and_rest(loop: Reconciler, store: Store) -> None:
    """One look, then rest until something changed, it is time, or somebody's undoing has had its pause."""
    serial, began = store.serial, time.monotonic()
    pause = _step(loop)
    took = time.monotonic() - began
    if loop.contested:
        time.sleep(pause)
    else:
        time.sleep(min(pause, took * _SHARE))
        store.rest(serial, pause)


def _step(loop: Reconciler) -> float:
    """One look; seconds until the next, at the latest."""
    try:
        made = loop.step(_say_wrote)
    except MeshError as error:
        log("cannot reconcile", error=type(error).__name__, message=str(error))
        return _FAILED
    _say_looked(made)
    return pause_after(loop, made, _WAITING if made.waits and not made.due else _RESTING)


def _say_followed(collection: str, cause: str) -> None:
    log("cannot follow" if cause else "follows again", collection=collection, message=cause)


def _say_wrote(action: Action) -> None:
    log("wrote", action=type(action).__name__, object=str(action.ref), why=action.why)


def _say_looked(made: Plan) -> None:
    log("looked", phase=made.phase, waits="; ".join(f"{wait.subject}: {wait.cause}" for wait in made.waits))
