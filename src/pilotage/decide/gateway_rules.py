"""What speaks against gateways: names that are taken, labels of their namespace, pods without a proxy.

Called by `preflight`, `health`, `plan` and the verbs of gateways.
"""

from collections.abc import Iterable, Iterator

from pilotage.decide.gateway_entry import address_of, another_type, enabling
from pilotage.decide.inventory import is_ours
from pilotage.domain.cluster import Pod
from pilotage.domain.findings import Finding
from pilotage.domain.gateways import gateways_of, place_of
from pilotage.domain.mesh import Gateway
from pilotage.domain.names import GATEWAY_TEMPLATES, INJECTION, REV, suffixed
from pilotage.domain.objects import ObjectRef
from pilotage.domain.state import Snapshot

_TO_BE_INJECTED = "auto"  # the image of a proxy that no istiod has completed
_SHOWN = 5


def asked_for(snapshot: Snapshot) -> tuple[Gateway, ...]:
    """By the resource, each with its namespace."""
    return gateways_of(snapshot.mesh.spec) if snapshot.mesh else ()


def foreign_objects(snapshot: Snapshot, gateway: Gateway, revisions: Iterable[str]) -> Iterator[ObjectRef]:
    """What stands where the gateway's objects would be and is not ours."""
    names = {suffixed(gateway.name, revision) for revision in revisions}
    for ref, obj in snapshot.live.items():
        ours_to_be = ref.name in names or (ref.kind, ref.name) == ("Service", gateway.name)
        if ours_to_be and ref.namespace == gateway.namespace and not is_ours(obj):
            yield ref


def foreign_gateways(snapshot: Snapshot, gateways: Iterable[Gateway], revisions: Iterable[str]) -> Iterator[Finding]:
    """Gateways that cannot be installed because somebody else's are there under their names."""
    names = tuple(revisions)
    for gateway in gateways:
        theirs = tuple(foreign_objects(snapshot, gateway, names))
        if theirs:
            listed = ", ".join(map(str, theirs[:_SHOWN])) + (
                f" and {len(theirs) - _SHOWN} more" if theirs[_SHOWN:] else ""
            )
            message = f"gateway {gateway.name} cannot be installed: somebody else's stands there: {listed}"
            fix = "give the gateway another name, or remove that installation with the tool that made it"
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
        kept = f" and its address {address}" if address else ""
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
