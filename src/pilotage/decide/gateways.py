"""Gateways in every managed revision, behind one Service each: how they come and how they go. Called by `plan`.

They come after their istiod is proven, and go before it: an Envoy that drains still has its istiod. The Service stays
through both, so the address does; Kubernetes sends requests to the pods of it that are ready.
"""

from collections.abc import Iterable, Iterator

from pilotage.decide.gateway_rules import foreign_objects
from pilotage.decide.gateway_service import service_writes
from pilotage.decide.install import object_actions, readiness
from pilotage.decide.inventory import is_ours, part_of
from pilotage.decide.stages import RUNNING, Stage
from pilotage.domain.actions import Action, Apply, Delete, Wait
from pilotage.domain.findings import Finding
from pilotage.domain.gateways import gateways_of
from pilotage.domain.mesh import Gateway
from pilotage.domain.names import (
    BASE,
    CREATE_MANAGER,
    GATEWAY,
    PART,
    gateway_in,
    gateway_part,
    in_words,
    revision_in,
    suffixed,
)
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
            yield from _unready(snapshot, gateway, revision.name)


def _unready(snapshot: Snapshot, gateway: Gateway, revision: str) -> Iterator[Wait]:
    ref = ObjectRef("apps/v1", "Deployment", str(gateway.namespace), suffixed(gateway.name, revision))
    live = snapshot.live.get(ref)
    subject = f"Deployment {ref.namespace}/{ref.name}"
    if live is None:
        yield Wait(subject, "is not there yet")
        return
    least = _least(snapshot, ref, live)
    status = live.get("status") or {}
    seen = status.get("observedGeneration", 0) >= live["metadata"].get("generation", 0)
    ready = min(status.get("availableReplicas", 0), status.get("updatedReplicas", 0)) if seen else 0
    if ready < least:
        yield Wait(subject, _failure(status) or f"{ready} of {least} gateway pods are ready")


def _least(snapshot: Snapshot, ref: ObjectRef, live: Obj) -> int:
    """Replicas to wait for: what the HPA keeps at least; more may come and go with the traffic."""
    scaler = snapshot.live.get(ref._replace(api_version="autoscaling/v2", kind="HorizontalPodAutoscaler"))
    least: int = scaler["spec"].get("minReplicas", 1) if scaler else live["spec"].get("replicas", 1)
    return max(least, 1)


def _failure(status: Obj) -> str:
    failed = (each for each in status.get("conditions") or () if each["type"] == "ReplicaFailure")
    return next((str(each.get("message", "")) for each in failed if each["status"] == "True"), "")


def survivor_findings(snapshot: Snapshot, revision: str, survivor: Revision) -> Iterator[Finding]:
    """Why the gateways of `revision` may not go: those that are to take over are not ready."""
    leaving = {gateway_in(part) for part in parts_of_revision(snapshot, revision)}
    for gateway in gateways_of(snapshot.mesh.spec) if snapshot.mesh else ():
        for wait in _unready(snapshot, gateway, survivor.name) if gateway.name in leaving else ():
            message = f"{survivor.name} would take all traffic of {gateway.name}, but {wait.subject}: {wait.cause}"
            fix = f"kubectl get pods -n {gateway.namespace} -l {GATEWAY}={gateway.name}"
            yield Finding("GatewayNotReady", message, survivor.name, fix)


def left_over(desired: Desired, snapshot: Snapshot) -> tuple[str, ...]:
    """Parts of gateways that are no longer asked for in revisions that stay. Their Service goes last."""
    wanted = {BASE, *(revision.name for revision in desired.revisions if revision.managed)}
    parts = (part for part in _parts(snapshot) if part not in desired.gateway_objects and revision_in(part) in wanted)
    return tuple(sorted(parts, key=lambda part: (revision_in(part) == BASE, part)))


def parts_of_revision(snapshot: Snapshot, revision: str) -> tuple[str, ...]:
    """Parts of gateways in one revision."""
    return tuple(sorted(part for part in _parts(snapshot) if revision_in(part) == revision))


def every_part(snapshot: Snapshot) -> tuple[str, ...]:
    return tuple(sorted(_parts(snapshot), key=lambda part: (revision_in(part) == BASE, part)))


def leaving_stages(snapshot: Snapshot, parts: Iterable[str]) -> Iterator[Stage]:
    """Deployments go, their pods drain, then account and role go, which they need to the end; a Service goes last."""
    for revision, of in _by_revision(parts):
        refs = [(ref, part) for part in of for ref in _refs(snapshot, part)]
        name = "gateways" if revision == BASE else f"gateways of {revision}"
        yield Stage(f"stop {name}", tuple(_deletes(pair for pair in refs if pair[0].kind in RUNNING)))
        yield Stage(f"wait for the {name} to drain", waits=tuple(_draining(snapshot, of)))
        what = "Services of gateways" if revision == BASE else f"what is left of the {name}"
        yield Stage(f"delete {what}", tuple(_deletes(pair for pair in refs if pair[0].kind not in RUNNING)))


def _deletes(refs: Iterable[tuple[ObjectRef, str]]) -> Iterator[Action]:
    for ref, part in refs:
        what = f"gateway {gateway_in(part)}" if revision_in(part) == BASE else in_words(part)
        yield Delete(ref, f"{what} is removed")


def _by_revision(parts: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Services, which are no revision's, come last."""
    groups: dict[str, list[str]] = {}
    for part in parts:
        groups.setdefault(revision_in(part), []).append(part)
    services = groups.pop(BASE, [])
    yield from groups.items()
    if services:
        yield BASE, services


def _draining(snapshot: Snapshot, parts: Iterable[str]) -> Iterator[Wait]:
    wanted = frozenset(parts)
    if "pods" in snapshot.unknown:
        yield Wait("pods of gateways", snapshot.unknown["pods"])
    for pod in snapshot.pods:
        if pod.labels.get(PART) in wanted and not pod.finished:
            yield Wait(f"pod {pod.namespace}/{pod.name}", "is still draining" if pod.deleting else "is still there")


def _taken(desired: Desired, snapshot: Snapshot, gateway: Gateway) -> bool:
    """A gateway is installed whole or not at all."""
    return any(foreign_objects(snapshot, gateway, [revision.name for revision in desired.revisions]))


def _namespaces(desired: Desired, snapshot: Snapshot) -> Iterator[Action]:
    """Made where they are not there. Never ours to delete: certificates and resources of users are in them."""
    there = {space.name for space in snapshot.namespaces}
    for name in sorted({str(gateway.namespace) for gateway in desired.gateways} - there):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        yield Apply(body, "namespace of gateways", CREATE_MANAGER)


def _revisions(desired: Desired, gateway: Gateway) -> tuple[Revision, ...]:
    """Those that the gateway was rendered for: what others install gets none of ours."""
    return tuple(each for each in desired.revisions if gateway_part(each.name, gateway.name) in desired.gateway_objects)


def _parts(snapshot: Snapshot) -> frozenset[str]:
    ours = (part_of(obj) for obj in snapshot.live.values() if is_ours(obj))
    return frozenset(part for part in ours if gateway_in(part))


def _refs(snapshot: Snapshot, part: str) -> tuple[ObjectRef, ...]:
    return tuple(ref for ref, obj in snapshot.live.items() if is_ours(obj) and part_of(obj) == part)
