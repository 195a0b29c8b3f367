"""Verbs of intent write the resource, then follow it. Called by `enable`, `upgrade`, `patch`, `gateway`, `maintenance`.

Where an operator is installed it does the work and the verb only looks; else, or with --local, the verb runs the same
loop under the same Lease until its step is done.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple, Self

import click
from msgspec import structs, to_builtins

from pilotage.decide.ownership import owner_of
from pilotage.domain.actions import Plan
from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding
from pilotage.domain.mesh import Mode, ServiceMesh, ServiceMeshSpec
from pilotage.domain.names import LEASE
from pilotage.domain.objects import Obj
from pilotage.domain.profile import profile_of
from pilotage.edge.holder import describe, is_operator, verb_identity
from pilotage.edge.kube import Conflict
from pilotage.edge.lease import Lease, LeaseHeld
from pilotage.edge.mesh import MESH, edit_mesh, ensure_namespace, parse_mesh, read_mesh
from pilotage.edge.operators import SELECTOR, Operator, Renewals, find_operator, real_now
from pilotage.faces.cli.answer import refuse
from pilotage.faces.cli.session import Session
from pilotage.faces.cli.until import run_until, until_ready
from pilotage.faces.render.progress import Progress
from pilotage.reconcile import Reconciler

NO_MESH: Final = Finding("MeshNotEnabled", "no ServiceMesh is in this cluster", fix="pilotage enable -r REVISION")
_WITHOUT_I: Final = "the same command without --istioNamespace"
_QUIET: Final = 12.0  # seconds without a renewal of the operator's Lease after which it is said; a restart takes less
_GONE: Final = 60.0  # after which it is not waited for any more
_DOWN: Final = 15.0  # the same, where it had been quiet for longer than that before
_TRIES: Final = 10  # of an edit, while somebody publishes the status at the same moment


class Following(NamedTuple):
    """How a verb follows its plan. `local`: run the loop here although an operator could.

    `operator`: as found ahead of the edit, by a verb that is in a hurry; see `who_acts`.
    """

    title: str
    output: str
    timeout: float
    local: bool = False
    operator: Operator | None = None

    @classmethod
    def of(cls, title: str, flags: Mapping[str, Any]) -> Self:
        """As the flags of a verb that takes --output, --timeout and --local say."""
        return cls(title, flags["output"], flags["timeout"], flags["local"])


def enabled_mesh(session: Session, *, leaving: bool = False) -> ServiceMesh:
    """The ServiceMesh. Raises Refused where none is there, it is not in `-i` or, but with `leaving`, it goes."""
    mesh = read_mesh(session.kube)
    if mesh is not None and mesh.spec.mode is Mode.DISABLED and not leaving:
        refuse(Finding("MeshNotEnabled", "the mesh is disabled", fix="pilotage enable"))
    if mesh is None:
        refuse(NO_MESH)
    here = profile_of(mesh.spec).namespace
    if session.istio_namespace not in (None, here):
        raise Refused(f"the mesh that Pilotage keeps is in {here}, not in {session.istio_namespace}", fix=_WITHOUT_I)
    return mesh


def edit(
    session: Session, mesh: ServiceMesh, spec: ServiceMeshSpec, annotations: dict[str, str | None], *, dry_run: bool
) -> None:
    """Writes the intent. Raises Refused with the patch where Git, or another that would put it back, owns a field.

    Raises Conflict where the spec was edited since `mesh` was read. Its status may move.
    """
    for left in reversed(range(_TRIES)):
        resource = session.kube.get(MESH)
        fresh = parse_mesh(resource) if resource else mesh
        _refuse_owned(resource, fresh, spec)
        # Only its status moved since it was read: what the edit was decided on still holds.
        same = fresh.generation == mesh.generation and fresh.uid == mesh.uid
        try:
            edit_mesh(session.kube, fresh if same else mesh, spec, annotations, dry_run=dry_run)
            return
        except Conflict:  # of another edit; or of this very one, sent again after its answer was lost
            stands = read_mesh(session.kube)
            if stands is not None and stands.spec == spec:
                return
            if not left or stands is None or stands.generation != mesh.generation:
                raise


def _refuse_owned(resource: Obj | None, fresh: ServiceMesh, spec: ServiceMeshSpec) -> None:
    for field, wanted in _changed(fresh.spec, spec):
        owner = owner_of(resource, ("spec", field)) if resource else None
        if owner:
            fix = f"have this patch applied there: {json.dumps({'spec': wanted})}"
            refuse(Finding("FieldOwned", f"spec.{field} of ServiceMesh {MESH.name} is kept by {owner}", MESH.name, fix))


def _changed(before: ServiceMeshSpec, spec: ServiceMeshSpec) -> Iterator[tuple[str, dict[str, Any]]]:
    """Fields that the edit changes, each with its patch; to confirm what was asked for already changes none."""
    windows, patches, gateways = spec.maintenance_windows, spec.patches, spec.gateways
    if gateways != before.gateways:
        yield "gateways", {"gateways": to_builtins(gateways)}
    if windows != before.maintenance_windows:
        yield "maintenanceWindows", {"maintenanceWindows": to_builtins(windows)}
    if patches != before.patches:
        yield "patches", {"patches": to_builtins(patches)}
    if spec != structs.replace(before, maintenance_windows=windows, patches=patches, gateways=gateways):
        yield "revisions", {"revisions": to_builtins(spec.revisions), "mode": spec.mode}


def follow(session: Session, mesh: ServiceMesh, how: Following, reached: Callable[[Plan], bool]) -> Plan:
    """Runs or follows the loop until `reached`.

    Raises TimedOut naming the stuck object, LeaseHeld where another works here, Refused where the operator is gone.
    """
    namespace = profile_of(mesh.spec).namespace
    operator = how.operator or who_acts(session, mesh, how.local)
    with Progress(how.title, how.output) as progress:
        if not operator.where:
            why = "as --local asks" if how.local else "no operator is installed"
            progress.say(f"{why}: the loop runs here, under Lease {namespace}/{LEASE}")
            try:
                with _leading(session, namespace, how.timeout) as loop:
                    return run_until(loop, _over(reached), timeout=how.timeout, watch=progress.update)
            except LeaseHeld as held:
                if how.local or not is_operator(held.holder):
                    raise
                operator = Operator(describe(held.holder), runs=True)  # it came between the look for one and the Lease
                progress.say(f"{operator.where} works here now and is followed")
        loop = Reconciler(session.kube, session.catalog, lambda: session.now)
        loop.follow = True
        still = _attended(session, namespace, operator, progress)
        return run_until(loop, _over(reached, still), timeout=how.timeout, watch=progress.update)


def who_acts(session: Session, mesh: ServiceMesh, local: bool) -> Operator:
    """Who will act on an edit; with `local`, nobody does.

    Between two writes this costs a tenth of a second: the API server's cache catches up with etcd ten times a second,
    and a list waits for that as often as something was written since the list before it.
    """
    return Operator() if local else find_operator(session.kube, profile_of(mesh.spec).namespace, real_now())


def _over(reached: Callable[[Plan], bool], still: Callable[[], None] = lambda: None) -> Callable[[Plan], bool]:
    def over(made: Plan) -> bool:
        if made.phase == "NotEnabled":
            raise Refused("the ServiceMesh was deleted meanwhile", fix="pilotage enable, to take the mesh back")
        if reached(made):
            return True
        still()
        return False

    return over


def _attended(session: Session, namespace: str, operator: Operator, progress: Progress) -> Callable[[], None]:
    """Says once that the operator is waited for, and raises Refused when it is gone: words, then the next command."""
    renewals, patience = Renewals(session.kube, namespace), _GONE if operator.runs else _DOWN
    said = not operator.runs
    if not operator.runs:
        progress.say(f"waiting for {operator.where}, which does not run: {operator.cause}")

    def still() -> None:
        nonlocal said
        quiet = renewals.quiet()
        if quiet < _QUIET:
            return
        now = find_operator(session.kube, namespace, real_now())
        where, cause = now.where or operator.where, now.cause or "its Lease is not renewed"
        if quiet > patience:
            fix = f"kubectl get pods -A -l {SELECTOR}; or the same command with --local, which does the work here"
            raise Refused(f"what you asked for is written, but {where} does not act on it: {cause}", fix=fix)
        if not said:
            said = True
            progress.say(f"waiting for {where}: no renewal of Lease {namespace}/{LEASE} for {quiet:.0f} s")

    return still


@contextmanager
def _leading(session: Session, namespace: str, timeout: float) -> Iterator[Reconciler]:
    """The loop with the right to write."""
    lease = Lease(session.kube, namespace, verb_identity())

    def led(stack: ExitStack) -> Reconciler:
        ensure_namespace(session.kube, namespace)
        kube = stack.enter_context(lease.kept())
        return Reconciler(kube, session.catalog, lambda: session.now)

    with ExitStack() as stack:
        yield until_ready(lambda: led(stack), timeout)


def settled(*phases: str) -> Callable[[Plan], bool]:
    """Reached when the plan is in one of the phases with nothing left to do or to wait for."""
    return lambda plan: plan.phase in phases and plan.settled


def local_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--local, as parameter `local`."""
    words = "Run the loop here, under the Lease, although an operator may be installed."
    return click.option("--local", is_flag=True, help=words)(function)
