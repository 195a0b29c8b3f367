"""What a gateway's Service stands for: the entry of `spec.gateways` that it was last brought to, written on it.

The resource says what is asked for; only this says what stands. So a gateway that an edit took out comes back as it
was, and one that comes back with another type keeps its address. Called by `gateway_service`, `gateway_rules`, faces.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from pilotage.decide.inventory import is_ours, part_of
from pilotage.decide.ownership import holds
from pilotage.domain.gateways import PLACES, GatewayPlace
from pilotage.domain.mesh import Gateway, ProfileName
from pilotage.domain.names import BASE, GATEWAY_ENTRY, MANAGERS, gateway_in, revision_in
from pilotage.domain.objects import Obj, annotations_of
from pilotage.domain.state import Snapshot


class Standing(NamedTuple):
    """A Service of ours. `entry`: what it was last asked to be, None where that cannot be read."""

    place: GatewayPlace
    service: Obj
    entry: Gateway | None

    @property
    def deleting(self) -> bool:
        return "deletionTimestamp" in self.service["metadata"]


def entry_annotation(gateway: Gateway) -> dict[str, str]:
    return {GATEWAY_ENTRY: msgspec.json.encode(gateway, order="sorted").decode()}


def entry_of(service: Obj) -> Gateway | None:
    """Of a gateway's Service; None where there is none, one of a newer Pilotage, or one that somebody else wrote."""
    if not _ours(service):
        return None
    try:
        return msgspec.json.decode(annotations_of(service).get(GATEWAY_ENTRY, ""), type=Gateway)
    except msgspec.MsgspecError:
        return None


def _ours(service: Obj) -> bool:
    """Whether the entry on it is as we wrote it: who writes another value takes the field over."""
    path = ("metadata", "annotations", GATEWAY_ENTRY)
    mine = [each for each in service["metadata"].get("managedFields") or () if each.get("manager") in MANAGERS]
    return any(holds(each.get("fieldsV1") or {}, path) for each in mine)


def another_type(service: Obj | None, gateway: Gateway) -> Gateway | None:
    """The entry that the Service stands for, where it has another type: with a change its address would be lost.

    None for a Service that is being deleted: that loses it anyway, and the next one comes as it is asked for.
    """
    if service is None or "deletionTimestamp" in service["metadata"]:
        return None
    entry = entry_of(service)
    return entry if entry is not None and entry.type is not gateway.type else None


def address_of(service: Obj) -> str:
    """Of its load balancer, or of the cluster; "" until there is one."""
    spec = service.get("spec", {})
    if spec.get("type") != "LoadBalancer":
        return str(spec.get("clusterIP", ""))
    given = (service.get("status") or {}).get("loadBalancer", {}).get("ingress") or ()
    return ", ".join(each.get("ip") or each.get("hostname", "") for each in given)


def standing_services(snapshot: Snapshot) -> Iterator[Standing]:
    """Of every gateway of ours that has one, asked for or not."""
    for ref, obj in snapshot.live.items():
        part = part_of(obj)
        if ref.kind == "Service" and is_ours(obj) and gateway_in(part) and revision_in(part) == BASE:
            yield Standing(GatewayPlace(gateway_in(part), ref.namespace), obj, entry_of(obj))


def enabling(entry: Gateway) -> str:
    """The command that takes it back as it was."""
    return f"pilotage gateway enable --type {entry.type.lower()} --name {entry.name} -n {entry.namespace}"


def as_written(entry: Gateway, profile: ProfileName) -> Gateway:
    """For the resource, where a namespace that is the profile's is left out."""
    usual = PLACES[profile][entry.type].namespace
    return msgspec.structs.replace(entry, namespace=None if entry.namespace == usual else entry.namespace)
