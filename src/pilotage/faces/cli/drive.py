"""Verbs of intent write the resource, then follow it. Called by `enable` and `upgrade`.

Where an operator holds the Lease it does the work and the verb only looks; else the verb runs the same loop under the
same Lease until its step is done.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pilotage.domain.actions import Plan
from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding
from pilotage.domain.mesh import ServiceMesh
from pilotage.edge.lease import Lease, operator_holds
from pilotage.edge.mesh import read_mesh
from pilotage.faces.cli.session import Session
from pilotage.faces.render.progress import Progress
from pilotage.reconcile import Reconciler, run_until


def enabled_mesh(session: Session) -> ServiceMesh:
    """The ServiceMesh. Raises Refused where none is there: nothing can be upgraded then."""
    mesh = read_mesh(session.kube)
    if mesh is None:
        finding = Finding(
            "MeshNotEnabled", "no ServiceMesh is in this cluster", fix="pilotage enable --revision REVISION"
        )
        raise Refused(finding.message, fix=finding.fix, findings=(finding,))
    return mesh


@contextmanager
def reconciler(session: Session, namespace: str) -> Iterator[Reconciler]:
    """The loop, with the right to write: under the Lease, or only following where an operator holds it."""
    loop = Reconciler(session.kube, session.catalog, lambda: session.now)
    if operator_holds(session.kube, namespace):
        loop.follow = True
        yield loop
        return
    with Lease(session.kube, namespace) as lease:
        loop.before_write = lease.check
        yield loop


def follow(
    session: Session, namespace: str, progress: Progress, reached: Callable[[Plan], bool], timeout: float
) -> Plan:
    """Runs or follows the loop until `reached`. Raises TimedOut naming the stuck object, Retry where another verb writes."""
    with reconciler(session, namespace) as loop:
        return run_until(loop, reached, timeout=timeout, watch=progress.update)


def settled(*phases: str) -> Callable[[Plan], bool]:
    """Reached when the plan is in one of the phases with nothing left to do or to wait for."""
    return lambda plan: plan.phase in phases and plan.settled
