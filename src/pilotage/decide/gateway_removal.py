"""Gateways that nobody asks for any more: what uses them, what is lost, since when they wait. Called by `plan`, faces.

One goes as a revision does: nothing may use it, and a person must have decided it, or it soaks. What uses it are Istio
Gateways that select its pods. What is lost is its address: clients know it, and no cloud gives it back.
"""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import structs

from pilotage.decide.force import gateway_confirmed, gateway_forced
from pilotage.decide.gateway_entry import address_of, enabling, standing_services
from pilotage.decide.gateway_rules import asked_for
from pilotage.decide.gateway_stages import leaving_stages, pieces
from pilotage.decide.inventory import is_ours, part_of
from pilotage.decide.soak import soaking, soaks, stamp
from pilotage.decide.stages import unfinished
from pilotage.decide.wording import first_of
from pilotage.domain.actions import Plan
from pilotage.domain.findings import Finding
from pilotage.domain.gateways import GatewayPlace, istio_label, place_of
from pilotage.domain.istio import IstioGateway
from pilotage.domain.mesh import Removal
from pilotage.domain.names import gateway_in
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.domain.state import Snapshot


class Departure(NamedTuple):
    """What is to be said of one gateway that leaves; `removal` is kept in the status while it soaks."""

    place: GatewayPlace
    goes: bool
    findings: tuple[Finding, ...] = ()
    removal: Removal | None = None


def with_departures(made: Plan, snapshot: Snapshot) -> Plan:
    """The plan, and gateways that leave. One that waits keeps nothing else from being done, nor the mesh from Ready."""
    found = departures(snapshot)
    waiting = tuple(each.removal for each in found if each.removal)
    made = structs.replace(
        made,
        findings=(*made.findings, *(finding for each in found for finding in each.findings)),
        leaving=waiting,
        again=min((*(each.until for each in waiting), *([made.again] if made.again else ())), default=None),
    )
    going = {each.place for each in found if each.goes}
    chosen = [piece for piece in pieces(snapshot) if piece.place in going]
    left = unfinished(leaving_stages(snapshot, chosen))
    if not left or made.phase == "Blocked":
        return made
    if made.now or made.phase == "Removing":  # what is under way comes first
        return structs.replace(made, later=(*made.later, *(stage.name for stage in left)))
    phase = "Removing" if made.settled else made.phase
    first, *rest = left
    later = (*(stage.name for stage in rest), *made.later)
    return structs.replace(made, phase=phase, now=first.actions, waits=(*first.waits, *made.waits), later=later)


def with_all(made: Plan, snapshot: Snapshot) -> Plan:
    """The plan of a mesh that is being disabled: while that soaks, all gateways wait with it."""
    if made.removal is None:
        return made
    return structs.replace(made, findings=(*made.findings, *gone_with_all(snapshot)))


def gone_with_all(snapshot: Snapshot) -> Iterator[Finding]:
    """What is lost with the last control plane."""
    for place in places(snapshot):
        message = f"gateway {place.name} goes with the control planes: {lost(snapshot, place)}"
        yield Finding("GatewayLeaving", message, str(place), "to keep it, set spec.mode to Istio")


def all_in_use(snapshot: Snapshot) -> Iterator[Finding]:
    """What keeps a mesh with gateways from being disabled: the same as keeps each of them, forced ones left out."""
    for place in places(snapshot):
        if not gateway_forced(snapshot, str(place)):
            yield from gateway_in_use(snapshot, place)


def places(snapshot: Snapshot) -> tuple[GatewayPlace, ...]:
    """Of all gateways of which something of ours stands."""
    return tuple(sorted({piece.place for piece in pieces(snapshot)}))


def leaving_gateways(snapshot: Snapshot) -> tuple[GatewayPlace, ...]:
    """Those of which something of ours stands and that the resource does not ask for, or not there."""
    if snapshot.mesh is None:
        return ()  # then nobody asks for anything, and nothing goes
    asked = {place_of(gateway) for gateway in asked_for(snapshot)}
    return tuple(place for place in places(snapshot) if place not in asked)


def departures(snapshot: Snapshot) -> tuple[Departure, ...]:
    return tuple(_departure(snapshot, place) for place in leaving_gateways(snapshot))


def _departure(snapshot: Snapshot, place: GatewayPlace) -> Departure:
    """The guard is asked at every step, whoever confirmed it."""
    force = gateway_forced(snapshot, str(place))
    if force:
        said = Finding("RemovalForced", f"removal of gateway {place.name} was forced by {force.by}", str(place))
        return Departure(place, goes=True, findings=(said,))
    blocking = tuple(gateway_in_use(snapshot, place))
    if blocking:
        runs = any(_deployments(snapshot, place))
        what = (
            f"gateway {place.name}"
            if runs
            else f"Service {place}, whose pods are gone already and which serves nothing,"
        )
        message = f"{what} stays until nothing uses it: {blocking[0].message}"
        return Departure(place, goes=False, findings=(_leaving(snapshot, place, message), *blocking))
    if gateway_confirmed(snapshot, str(place)):
        return Departure(place, goes=True)
    removal = soaking(snapshot, str(place))
    if not soaks(snapshot, removal):
        return Departure(place, goes=True)
    message = (
        f"gateway {place.name} will be removed at {stamp(removal)} unless it is added back: {lost(snapshot, place)}"
    )
    return Departure(place, goes=False, findings=(_leaving(snapshot, place, message),), removal=removal)


def _leaving(snapshot: Snapshot, place: GatewayPlace, message: str) -> Finding:
    known = (each.entry for each in standing_services(snapshot) if each.place == place and each.entry)
    elsewhere = [of.namespace for of in map(place_of, asked_for(snapshot)) if of.name == place.name]
    first = f"take {place.name} in {elsewhere[0]} out of spec.gateways, then " if elsewhere else ""
    keep = first + next(map(enabling, known), "put it back into spec.gateways as it was")
    fix = f"to keep it: {keep}; to remove it now: pilotage gateway disable {place}"
    return Finding("GatewayLeaving", message, str(place), fix)


def lost(snapshot: Snapshot, place: GatewayPlace) -> str:
    """What no one gets back: in words, for a question and for a finding."""
    service = snapshot.live.get(ObjectRef("v1", "Service", place.namespace, place.name))
    if service is None or not is_ours(service):
        return "no Service of ours goes with it"
    address = address_of(service)
    return f"Service {place} and its address {address} are lost" if address else f"Service {place} is lost"


def gateway_in_use(snapshot: Snapshot, place: GatewayPlace) -> Iterator[Finding]:
    """Istio Gateways that select its pods: they, and the routes bound to them, would be served by nobody."""
    if "istio_gateways" in snapshot.unknown:
        words = f"what uses gateway {place.name} is not known: {snapshot.unknown['istio_gateways']}"
        yield Finding("GatewayInUse", words, str(place), "kubectl auth can-i list gateways.networking.istio.io -A")
    labels = tuple(_labels(snapshot, place))
    users = [each for each in snapshot.istio_gateways if any(_selects(each, pods) for pods in labels)]
    if users:
        names = [f"{each.namespace}/{each.name} ({', '.join(each.hosts[:2]) or 'no host'})" for each in users]
        words = f"gateway {place.name} is selected by Gateway {first_of(names)}"
        fix = f"kubectl edit -n {users[0].namespace} gateways.networking.istio.io {users[0].name}, or delete it"
        yield Finding("GatewayInUse", words, str(place), fix)


def _labels(snapshot: Snapshot, place: GatewayPlace) -> Iterator[dict[str, str]]:
    """Of its pods, from each of its Deployments; what the chart gives them where none is left."""
    yield {"istio": istio_label(place.name)}
    for obj in _deployments(snapshot, place):
        template = (obj.get("spec") or {}).get("template") or {}
        yield (template.get("metadata") or {}).get("labels") or {}


def _deployments(snapshot: Snapshot, place: GatewayPlace) -> Iterator[Obj]:
    for ref, obj in snapshot.live.items():
        mine = ref.namespace == place.namespace and ref.kind == "Deployment" and is_ours(obj)
        if mine and gateway_in(part_of(obj)) == place.name:
            yield obj


def _selects(gateway: IstioGateway, labels: dict[str, str]) -> bool:
    """As istiod reads it: without a selector it is for every gateway."""
    return gateway.selector.items() <= labels.items()
