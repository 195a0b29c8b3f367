"""Verbs of intent write the resource, then follow it. Called by `enable` and `upgrade`.

Where an operator holds the Lease it does the work and the verb only looks; else the verb runs the same loop under the
same Lease until its step is done.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple, NoReturn

import click
from msgspec import to_builtins

from pilotage.decide.ownership import owner_of
from pilotage.domain.actions import Plan
from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding, Verb
from pilotage.domain.mesh import Mode, ServiceMesh, ServiceMeshSpec
from pilotage.domain.names import LEASE
from pilotage.domain.objects import ObjectRef
from pilotage.domain.profile import profile_of
from pilotage.edge.lease import Lease, operator_runs, verb_identity
from pilotage.edge.mesh import MESH, edit_mesh, ensure_namespace, parse_mesh, read_mesh
from pilotage.faces.cli.session import Session
from pilotage.faces.render.emit import emit
from pilotage.faces.render.findings import document, text
from pilotage.faces.render.progress import Progress
from pilotage.reconcile import Reconciler, run_until


class Following(NamedTuple):
    """How a verb follows its plan. `local`: run the loop here although an operator could."""

    title: str
    output: str
    timeout: float
    local: bool = False


def enabled_mesh(session: Session, *, leaving: bool = False) -> ServiceMesh:
    """The ServiceMesh. Raises Refused where none is there, or (but with `leaving`) it is being disabled."""
    mesh = read_mesh(session.kube)
    if mesh is not None and mesh.spec.mode is Mode.DISABLED and not leaving:
        refuse(Finding("MeshNotEnabled", "the mesh is disabled", fix="pilotage enable"))
    if mesh is None:
        refuse(Finding("MeshNotEnabled", "no ServiceMesh is in this cluster", fix="pilotage enable -r REVISION"))
    return mesh


def edit(
    session: Session, mesh: ServiceMesh, spec: ServiceMeshSpec, annotations: dict[str, str | None], *, dry_run: bool
) -> None:
    """Writes the intent. Raises Refused with the patch where Git, or another that would put it back, owns the list."""
    resource = session.kube.get(MESH)
    fresh = parse_mesh(resource) if resource else mesh
    owner = owner_of(resource, ("spec", "revisions")) if resource else None
    if owner and fresh.spec != spec:  # to confirm what was asked for there already is no change of it
        patch = json.dumps({"spec": {"revisions": to_builtins(spec.revisions), "mode": spec.mode}})
        fix = f"have this patch applied there: {patch}"
        refuse(Finding("FieldOwned", f"spec.revisions of ServiceMesh {MESH.name} is kept by {owner}", MESH.name, fix))
    # Only its status moved since it was read: what the edit was decided on still holds.
    current = fresh if fresh.generation == mesh.generation and fresh.uid == mesh.uid else mesh
    edit_mesh(session.kube, current, spec, annotations, dry_run=dry_run)


def refuse(finding: Finding) -> NoReturn:
    """Raises Refused with the one finding."""
    raise Refused(finding.message, fix=finding.fix, findings=(finding,))


def refuse_if_blocked(findings: Iterable[Finding], verb: Verb, words: str) -> None:
    """Raises Refused carrying every finding where one of them blocks the verb."""
    every = tuple(findings)
    blocking = [finding for finding in every if finding.blocks(verb)]
    if blocking:
        cause = blocking[0].message if len(blocking) == 1 else f"{len(blocking)} findings are against it"
        raise Refused(f"{words}: {cause}", fix=blocking[0].fix, findings=every)


def follow(session: Session, mesh: ServiceMesh, how: Following, reached: Callable[[Plan], bool]) -> Plan:
    """Runs or follows the loop until `reached`.

    Raises TimedOut naming the stuck object, Retry where another verb holds the Lease.
    """
    namespace = profile_of(mesh.spec).namespace

    def over(made: Plan) -> bool:
        if made.phase == "NotEnabled":
            raise Refused("the ServiceMesh was deleted meanwhile", fix="pilotage enable, to take the mesh back")
        if loop.follow and not _operator_acts(session, namespace):
            raise Refused("the operator no longer renews its Lease", fix="the same command with --local")
        return reached(made)

    with Progress(how.title, how.output) as progress, _loop(session, namespace, how.local) as loop:
        return run_until(loop, over, timeout=how.timeout, watch=progress.update)


def _operator_acts(session: Session, namespace: str) -> bool:
    held = session.kube.get(ObjectRef("coordination.k8s.io/v1", "Lease", namespace, LEASE))
    return operator_runs(held, datetime.now(UTC))


@contextmanager
def _loop(session: Session, namespace: str, local: bool) -> Iterator[Reconciler]:
    """The loop with the right to write, or only looking where an operator acts."""
    kube = session.kube
    loop = Reconciler(kube, session.catalog, lambda: session.now)
    if not local and _operator_acts(session, namespace):
        loop.follow = True
        yield loop
        return
    ensure_namespace(kube, namespace)
    lease = Lease(kube, namespace, verb_identity())
    with lease.kept():
        loop.before_write = lease.check
        yield loop


def settled(*phases: str) -> Callable[[Plan], bool]:
    """Reached when the plan is in one of the phases with nothing left to do or to wait for."""
    return lambda plan: plan.phase in phases and plan.settled


def report(output: str, words: str, *, then: str = "", findings: Iterable[Finding] = ()) -> None:
    """The answer of a verb: one sentence and the next step, or a document of both and every finding."""
    every = tuple(findings)
    answer = {"message": words, "next": then, "findings": [document(finding) for finding in every]}

    def lines() -> list[str]:
        return [*text(every), words, *([f"Next: {then}"] if then else [])]

    emit(output, answer, lines)


def say(findings: Iterable[Finding], output: str) -> None:
    """Findings ahead of a question; in a document they come with the answer."""
    for line in text(findings) if output == "table" else ():
        click.echo(line, err=True)


def local_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--local, as parameter `local`."""
    words = "Run the loop here, under the Lease, although an operator may be installed."
    return click.option("--local", is_flag=True, help=words)(function)
