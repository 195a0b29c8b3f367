"""Gateways as `gateway list` and `status` show them: asked for, or still there. From what Pilotage installed alone."""

from collections.abc import Iterator

import msgspec

from pilotage.decide.gateway_entry import address_of
from pilotage.decide.gateway_rules import asked_for
from pilotage.decide.inventory import is_ours, part_of
from pilotage.domain.mesh import Gateway
from pilotage.domain.names import gateway_in, revision_in
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.domain.state import Snapshot


class GatewayPods(msgspec.Struct):
    """Pods of one revision behind the gateway's Service: `ready` of `desired`."""

    revision: str
    ready: int
    desired: int


class GatewayRow(msgspec.Struct):
    """`address`: of the load balancer, or of the cluster for Egress; "" until there is one. `type`: "" once it goes."""

    name: str
    namespace: str
    type: str
    address: str
    revisions: list[GatewayPods]


def list_gateways(snapshot: Snapshot) -> tuple[GatewayRow, ...]:
    """By namespace and name."""
    asked = {(str(each.namespace), each.name): each for each in asked_for(snapshot)}
    there = {(ref.namespace, name) for ref, name, _ in _ours(snapshot)}
    return tuple(_row(snapshot, place, asked.get(place)) for place in sorted(asked.keys() | there))


def _row(snapshot: Snapshot, place: tuple[str, str], asked: Gateway | None) -> GatewayRow:
    namespace, name = place
    mine = [(ref, obj) for ref, of, obj in _ours(snapshot) if (ref.namespace, of) == place]
    pods = [_pods(obj) for ref, obj in mine if ref.kind == "Deployment"]
    service = next((obj for ref, obj in mine if ref.kind == "Service"), {})
    kind = str(asked.type) if asked else ""
    return GatewayRow(name, namespace, kind, address_of(service), sorted(pods, key=lambda each: each.revision))


def _pods(deployment: Obj) -> GatewayPods:
    ready = (deployment.get("status") or {}).get("readyReplicas", 0)
    return GatewayPods(revision_in(part_of(deployment)), ready, deployment["spec"].get("replicas", 1))


def _ours(snapshot: Snapshot) -> Iterator[tuple[ObjectRef, str, Obj]]:
    """What is part of a gateway, and its name."""
    for ref, obj in snapshot.live.items():
        name = gateway_in(part_of(obj)) if is_ours(obj) else ""
        if name:
            yield ref, name, obj
