"""The whole cluster and every finding about it. Called by `status` and `check`."""

from collections.abc import Iterator

import msgspec

from pilotage.decide.entrants import held_findings
from pilotage.decide.gateway_removal import all_in_use, departures, gone_with_all
from pilotage.decide.health import check
from pilotage.decide.hpa_findings import hpa_findings
from pilotage.decide.inventory import parts_present
from pilotage.decide.patches import patch_findings
from pilotage.decide.removal import judge, unless_confirmed
from pilotage.decide.skew import skew
from pilotage.decide.soak import soaking_finding
from pilotage.decide.usage import proxies_exist
from pilotage.desired import revisions_of
from pilotage.domain.crd import schema_version
from pilotage.domain.errors import Denied
from pilotage.domain.findings import Finding
from pilotage.domain.mesh import Mode
from pilotage.domain.names import EVERY_REVISION
from pilotage.domain.roles import TO_LOOK
from pilotage.domain.state import Snapshot
from pilotage.edge.crds import installed
from pilotage.edge.operators import SELECTOR, Operator, find_operator, real_now
from pilotage.faces.cli.session import Session
from pilotage.faces.render.findings import by_weight


def judged(session: Session) -> tuple[Snapshot, list[Finding]]:
    """A Snapshot that knows whether an operator runs, and the findings of all rules, errors first."""
    operator = operator_of(session)
    snapshot = msgspec.structs.replace(session.snapshot(), operator=operator.runs)
    return snapshot, by_weight(
        (
            *check(snapshot),
            *skewed(session),
            *_no_operator(snapshot, operator),
            *_leaving(session, snapshot),
            *_held(session, snapshot),
            *_leaving_gateways(snapshot),
            *patch_findings(snapshot),
            *_scaling(session, snapshot),
            *_blind(snapshot),
        )
    )


def skewed(session: Session) -> Iterator[Finding]:
    """Whether this pilotage or the resource is the newer one; nothing where there is no resource."""
    if session.mesh is not None:
        yield from skew(schema_version(), installed(session.kube), session.newer_fields)


def operator_of(session: Session) -> Operator:
    """Of this mesh; as if there were none where that may not be seen."""
    try:
        return find_operator(session.kube, session.profile.namespace, real_now())
    except Denied:
        return Operator()


def _leaving(session: Session, snapshot: Snapshot) -> Iterator[Finding]:
    """Of revisions that are no longer asked for and still there: what holds them, until when, or who forced them."""
    mesh = snapshot.mesh
    if mesh is None or "live" in snapshot.unknown:
        return
    if mesh.removal and _sees_less(snapshot):
        yield soaking_finding(mesh.removal)  # who runs the loop could ask: what it published is better known
        return
    there = set(parts_present(snapshot.live))
    if mesh.spec.mode is Mode.DISABLED:
        blocking = (*proxies_exist(snapshot, tuple(there)), *all_in_use(snapshot)) if there else ()
        yield from blocking
        if there and not blocking:
            soaking = unless_confirmed(snapshot, EVERY_REVISION).findings
            yield from (*soaking, *(gone_with_all(snapshot) if soaking else ()))
        return
    wanted = revisions_of(mesh, session.catalog)
    for name in there - {revision.name for revision in wanted}:
        yield from judge(snapshot, name, wanted[0]).findings


def _leaving_gateways(snapshot: Snapshot) -> Iterator[Finding]:
    """Of gateways that are no longer asked for and still there."""
    mesh = snapshot.mesh
    if mesh is not None and mesh.spec.mode is Mode.ISTIO and "live" not in snapshot.unknown:
        yield from (finding for each in departures(snapshot) for finding in each.findings)


def _held(session: Session, snapshot: Snapshot) -> Iterator[Finding]:
    """Of revisions that the resource asks for and that are not brought about."""
    mesh = snapshot.mesh
    if mesh is not None and mesh.spec.mode is Mode.ISTIO and "live" not in snapshot.unknown:
        yield from held_findings(revisions_of(mesh, session.catalog), snapshot)


def _scaling(session: Session, snapshot: Snapshot) -> Iterator[Finding]:
    """Of the autoscalers of revisions that are asked for."""
    mesh = snapshot.mesh
    if mesh is None or mesh.spec.mode is Mode.DISABLED or {"live", "autoscalers"} & snapshot.unknown.keys():
        return
    stable, *canary = (revision.name for revision in revisions_of(mesh, session.catalog))
    yield from hpa_findings(snapshot, stable, *canary)


def _sees_less(snapshot: Snapshot) -> bool:
    """Whether this user may not look, or ask istiods, so that the guard of a removal cannot be judged."""
    return bool(snapshot.unknown) or any(report.error for report in snapshot.istiods)


def _no_operator(snapshot: Snapshot, operator: Operator) -> Iterator[Finding]:
    """Only where Pilotage manages the mesh: what others installed needs no operator of ours."""
    if snapshot.mesh is not None and not snapshot.operator:
        what = f"{operator.where} does not run ({operator.cause})" if operator.where else "no operator runs here"
        fix = f"kubectl get pods -A -l {SELECTOR}" if operator.where else "pilotage operator"
        message = f"{what}: nothing is mended, and no edit of the resource is acted upon, between verbs"
        yield Finding("NoOperator", message, fix=fix)


def _blind(snapshot: Snapshot) -> Iterator[Finding]:
    """What may not be read is not healthy: the rules about it have said nothing."""
    if snapshot.unknown:
        facts, why = ", ".join(snapshot.unknown), next(iter(snapshot.unknown.values()))
        yield Finding("HealthUnknown", f"cannot read {facts}: {why}", fix=TO_LOOK)
