"""Lead, step, rest: what `pilotage operator` does for ever. Called by `command`."""

import time
from typing import NoReturn

from pilotage.domain.actions import Action, Plan
from pilotage.domain.errors import MeshError
from pilotage.domain.profile import profile_of
from pilotage.edge.kube import Kube
from pilotage.edge.lease import Lease, operator_identity
from pilotage.edge.mesh import MESH, ensure_namespace, parse_mesh
from pilotage.faces.cli.session import Session
from pilotage.faces.operator.logs import log
from pilotage.reconcile import Reconciler, pause_after

_MOVING, _RESTING, _FAILED = 0.5, 15.0, 5.0  # seconds until the next look


def run(session: Session) -> NoReturn:
    """Never returns: what fails is said, and tried again."""
    while True:
        try:
            _lead(session)
        except MeshError as error:
            log("cannot go on", error=type(error).__name__, message=str(error))
            time.sleep(_FAILED)


def _lead(session: Session) -> None:
    """Waits for a ServiceMesh, takes the Lease of its namespace, and reconciles while it holds it."""
    resource = session.kube.get(MESH)
    if resource is None:
        _rest(session.kube, 0, _RESTING)
        return
    namespace = profile_of(parse_mesh(resource).spec).namespace
    ensure_namespace(session.kube, namespace)
    lease = Lease(session.kube, namespace, operator_identity())
    with lease.kept():
        log("leads", lease=namespace)
        loop = Reconciler(session.kube, session.catalog, lambda: session.now)
        loop.before_write = lease.check
        while True:
            lease.check()
            pause = _step(loop)
            _rest(session.kube, loop.generation, pause)


def _step(loop: Reconciler) -> float:
    """One look; seconds until the next, at the latest."""
    try:
        made = loop.step(_say_wrote)
    except MeshError as error:
        log("cannot reconcile", error=type(error).__name__, message=str(error))
        return _FAILED
    _say_looked(made)
    return pause_after(loop, made, _MOVING if made.waits and not made.due else _RESTING)


def _rest(kube: Kube, generation: int, seconds: float) -> None:
    """Until the resource is another than the one of `generation` (0: none), but no longer than `seconds`."""
    if seconds <= _MOVING:
        time.sleep(seconds)
        return
    for _, resource in kube.watch(MESH.api_version, MESH.kind, seconds=seconds):
        if resource["metadata"].get("generation") != generation:
            return


def _say_wrote(action: Action) -> None:
    log("wrote", action=type(action).__name__, object=str(action.ref), why=action.why)


def _say_looked(made: Plan) -> None:
    log("looked", phase=made.phase, waits="; ".join(f"{wait.subject}: {wait.cause}" for wait in made.waits))
