"""What speaks against gateways: names that are taken, labels of their namespace, pods without a proxy.

Called by `preflight`, `health`, `plan` and the verbs of gateways.
"""

from collections.abc import Iterable, Iterator

from pilotage.decide.gateway_entry import address_of, another_type, enabling, standing_services
from pilotage.decide.inventory import is_ours, part_of
from pilotage.decide.wording import first_of
from pilotage.domain.cluster import Pod
from pilotage.domain.findings import Finding
from pilotage.domain.gateways import GatewayPlace, gateways_of, istio_label, place_of
from pilotage.domain.mesh import Gateway
from pilotage.domain.names import GATEWAY_TEMPLATES, INJECTION, REV, gateway_in, suffixed
from pilotage.domain.objects import ObjectRef
from pilotage.domain.state import Snapshot

_TO_BE_INJECTED = "auto"  # the image of a proxy that no istiod has completed
_SHOWN = 5


def asked_for(snapshot: Snapshot) -> tuple[Gateway, ...]:
    """By the resource, each with its namespace."""
    return gateways_of(snapshot.mesh.spec) if snapshot.mesh else ()


def in_the_way(snapshot: Snapshot, gateway: Gateway, revisions: Iterable[str]) -> str:
    """Why the gateway may not be written, "" where nothing speaks against it: it is installed whole or not at all."""
    if gateway.namespace == snapshot.profile.namespace and f"{gateway.name}-".startswith("istiod-"):
        return f"names of istiod are not for gateways in {gateway.namespace}"
    theirs = tuple(_others(snapshot, gateway, revisions))
    if theirs:
        return f"somebody else's stands there: {first_of(theirs)}"
    twin = _twin(snapshot, place_of(gateway))
    label = istio_label(gateway.name)
    return f"it and {twin.name} would get each other's pods, for both have label istio={label}" if twin else ""


def _others(snapshot: Snapshot, gateway: Gateway, revisions: Iterable[str]) -> Iterator[ObjectRef]:
    """What stands where the gateway's objects would be and is not of it."""
    names = {suffixed(gateway.name, revision) for revision in revisions}
    for ref, obj in snapshot.live.items():
        ours_to_be = ref.name in names or (ref.kind, ref.name) == ("Service", gateway.name)
        of_it = is_ours(obj) and gateway_in(part_of(obj)) == gateway.name
        if ours_to_be and ref.namespace == gateway.namespace and not of_it:
            yield ref


def _twin(snapshot: Snapshot, place: GatewayPlace) -> GatewayPlace | None:
    """Another gateway beside it whose pods have the same label and that comes first: it stands, or is listed before."""
    asked = [place_of(gateway) for gateway in asked_for(snapshot)]
    standing = {each.place for each in standing_services(snapshot)}

    def rank(of: GatewayPlace) -> tuple[bool, int]:
        return of not in standing, asked.index(of) if of in asked else len(asked)

    label = istio_label(place.name)
    same = (of for of in (*asked, *standing) if of.namespace == place.namespace and istio_label(of.name) == label)
    first = min(same, key=rank, default=place)
    return first if rank(first) < rank(place) else None


def foreign_gateways(snapshot: Snapshot, gateways: Iterable[Gateway], revisions: Iterable[str]) -> Iterator[Finding]:
    """Gateways that cannot be installed because their names are taken."""
    names = tuple(revisions)
    for gateway in gateways:
        why = in_the_way(snapshot, gateway, names)
        if why:
            message = f"gateway {gateway.name} cannot be installed: {why}"
            fix = "give the gateway another name, or remove what is in its way with the tool that made it"
            yield Finding("ForeignGateway", message, gateway.name, fix)


def type_held(snapshot: Snapshot, gateways: Iterable[Gateway]) -> Iterator[Finding]:
    """Gateways that came back with another type than their Service has: its address would be lost with a change."""
    for gateway in gateways:
        place = place_of(gateway)
        service = snapshot.live.get(ObjectRef("v1", "Service", place.namespace, place.name))
        entry = another_type(service, gateway)
        if service is None or entry is None or not is_ours(service):
            continue
        address = address_of(service)
        kept = f", with its address {address}" if address else ""
        message = f"gateway {place.name} is asked for as {gateway.type}: its Service stays {entry.type} as it was{kept}"
        given_up = f"pilotage gateway disable {place}"
        fix = f"take it out of spec.gateways, then {enabling(entry)}; or give its address up: {given_up}"
        yield Finding("GatewayTypeHeld", message, place.name, fix)


def namespace_labelled(snapshot: Snapshot, gateways: Iterable[Gateway]) -> Iterator[Finding]:
    """A namespace's label beats that of a pod: both revisions' gateways would get the same proxy."""
    wanted = {gateway.namespace for gateway in gateways}
    for space in snapshot.namespaces:
        labels = [f"{key}={space.labels[key]}" for key in (REV, INJECTION) if key in space.labels]
        if space.name in wanted and labels:
            message = f"namespace {space.name} has {' and '.join(labels)}, which beats what each gateway's pods ask for"
            fix = f"kubectl label namespace {space.name} {REV}- {INJECTION}-"
            yield Finding("GatewayNamespaceLabelled", message, space.name, fix)


def not_injected(snapshot: Snapshot) -> Iterator[Finding]:
    """Gateway pods, whoever runs them, that no istiod made a proxy of: they never start."""
    found: dict[tuple[str, str], list[Pod]] = {}
    for pod in snapshot.pods:
        asks = "gateway" in pod.annotations.get(GATEWAY_TEMPLATES, "")
        if asks and not pod.finished and pod.proxy and pod.proxy.image == _TO_BE_INJECTED:
            found.setdefault((pod.namespace, pod.workload[1] or pod.name), []).append(pod)
    for (space, name), pods in found.items():
        names = [pod.name for pod in pods]
        message = f"no istiod injected gateway pods of {space}/{name}: the image of {', '.join(names[:_SHOWN])} is auto"
        fix = f"see that {_asked(pods[0])} is there, then kubectl delete pod -n {space} {' '.join(names[:_SHOWN])}"
        yield Finding("GatewayNotInjected", message, name, fix)


def _asked(pod: Pod) -> str:
    return f"revision or tag {pod.labels[REV]}" if REV in pod.labels else "the default revision"
