"""Gateways in every managed revision, behind one Service each: how they come, when they are ready. For `plan`.

They come after their istiod is proven, and go before it (`gateway_stages`). The Service stays through both, so the
address does; Kubernetes sends requests to the pods of it that are ready.
"""

from collections.abc import Iterator

from pilotage.decide.gateway_rules import asked_for, in_the_way
from pilotage.decide.gateway_service import service_writes
from pilotage.decide.gateway_stages import pieces_of_revision
from pilotage.decide.install import object_actions, readiness
from pilotage.decide.inventory import is_ours
from pilotage.domain.actions import Action, Apply, Wait
from pilotage.domain.findings import Finding
from pilotage.domain.gateways import GatewayPlace, place_of
from pilotage.domain.mesh import Gateway
from pilotage.domain.names import CREATE_MANAGER, GATEWAY, gateway_part, suffixed
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.domain.state import Desired, Revision, Snapshot


def gateway_actions(desired: Desired, snapshot: Snapshot, busy: frozenset[str]) -> Iterator[Action]:
    """Namespaces and Services at once; Deployments where istiod of their revision is ready and not `busy` changing."""
    yield from _namespaces(desired, snapshot)
    for gateway in desired.gateways:
        if _taken(desired, snapshot, gateway):
            continue  # `foreign_gateways` says so
        service = ObjectRef("v1", "Service", str(gateway.namespace), gateway.name)
        yield from service_writes(desired, gateway, snapshot.live.get(service))
        for revision in _revisions(desired, gateway):
            part = gateway_part(revision.name, gateway.name)
            if revision.name not in busy and not any(readiness(snapshot, revision)):
                yield from object_actions(desired.gateway_objects[part], part, desired.newest, snapshot)


def gateway_waits(desired: Desired, snapshot: Snapshot, revision: Revision) -> Iterator[Wait]:
    """Gateways of a revision that could not take over yet: fewer pods are ready than its HPA keeps at least."""
    for gateway in desired.gateways:
        if revision in _revisions(desired, gateway) and not _taken(desired, snapshot, gateway):
            yield from _unready(snapshot, place_of(gateway), revision.name)


def _unready(snapshot: Snapshot, place: GatewayPlace, revision: str) -> Iterator[Wait]:
    ref = _deployment(place, revision)
    live = snapshot.live.get(ref)
    subject = f"Deployment {ref.namespace}/{ref.name}"
    if live is not None and not is_ours(live):
        yield Wait(subject, "is somebody else's")
        return
    if live is None:
        yield Wait(subject, "is not there yet")
        return
    least = _least(snapshot, ref, live)
    status = live.get("status") or {}
    seen = status.get("observedGeneration", 0) >= live["metadata"].get("generation", 0)
    ready = min(status.get("availableReplicas", 0), status.get("updatedReplicas", 0)) if seen else 0
    if ready < least:
        yield Wait(subject, _failure(status) or f"{ready} of {least} gateway pods are ready")


def _deployment(place: GatewayPlace, revision: str) -> ObjectRef:
    return ObjectRef("apps/v1", "Deployment", place.namespace, suffixed(place.name, revision))


def _least(snapshot: Snapshot, ref: ObjectRef, live: Obj) -> int:
    """Replicas to wait for: what the HPA keeps at least; more may come and go with the traffic."""
    scaler = snapshot.live.get(ref._replace(api_version="autoscaling/v2", kind="HorizontalPodAutoscaler"))
    least: int = scaler["spec"].get("minReplicas", 1) if scaler else live["spec"].get("replicas", 1)
    return max(least, 1)


def _failure(status: Obj) -> str:
    failed = (each for each in status.get("conditions") or () if each["type"] == "ReplicaFailure")
    return next((str(each.get("message", "")) for each in failed if each["status"] == "True"), "")


def survivor_findings(snapshot: Snapshot, revision: str, survivor: Revision) -> Iterator[Finding]:
    """Why the gateways of `revision` may not go: those that are to take over are not ready.

    One that nobody asks for any more still takes traffic, until it goes itself.
    """
    asked = {place_of(gateway) for gateway in asked_for(snapshot)}
    pieces = pieces_of_revision(snapshot, revision)
    running = {piece.place for piece in pieces if _deployment(piece.place, revision) in snapshot.live}
    for place in sorted({piece.place for piece in pieces} & asked | running):
        for wait in _unready(snapshot, place, survivor.name):
            message = f"{survivor.name} would take all traffic of {place.name}, but {wait.subject}: {wait.cause}"
            fix = f"kubectl get pods -n {place.namespace} -l {GATEWAY}={place.name}"
            leaves = f"first remove the gateway: pilotage gateway disable {place}"
            yield Finding("GatewayNotReady", message, survivor.name, fix if place in asked else leaves)


def _taken(desired: Desired, snapshot: Snapshot, gateway: Gateway) -> bool:
    return bool(in_the_way(snapshot, gateway, [revision.name for revision in desired.revisions]))


def _namespaces(desired: Desired, snapshot: Snapshot) -> Iterator[Action]:
    """Made where they are not there. Never ours to delete: certificates and resources of users are in them."""
    there = {space.name for space in snapshot.namespaces}
    for name in sorted({str(gateway.namespace) for gateway in desired.gateways} - there):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        yield Apply(body, "namespace of gateways", CREATE_MANAGER)


def _revisions(desired: Desired, gateway: Gateway) -> tuple[Revision, ...]:
    """Those that the gateway was rendered for: what others install gets none of ours."""
    return tuple(each for each in desired.revisions if gateway_part(each.name, gateway.name) in desired.gateway_objects)
