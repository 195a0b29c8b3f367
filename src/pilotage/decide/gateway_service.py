"""The one Service of a gateway: whole for its creation, and the little of it that is held. Called by `gateways`.

It outlives every revision, and with it its address. Held are type, selector and what the resource asks for; ports, node
ports, families, traffic policies and every other field or annotation are the user's and the load balancer's.
An entry of another type than the one that stands changes nothing of it, for the address would be lost.
"""

from collections.abc import Iterator
from typing import Any, Final

from pilotage.decide.gateway_entry import another_type, entry_annotation
from pilotage.decide.inventory import digested, stamped, stands
from pilotage.domain.actions import Action, Apply, Patch
from pilotage.domain.errors import Refused
from pilotage.domain.gateways import istio_label
from pilotage.domain.mesh import Gateway, GatewayType, ProfileName
from pilotage.domain.names import APPLIED, BASE, CREATE_MANAGER, GATEWAY, MANAGER, gateway_part
from pilotage.domain.objects import Obj, annotations_of, ref_of
from pilotage.domain.state import Desired

_OURS: Final = ("type", "selector")
_PORTS: Final = (("status-port", 15021), ("http2", 80), ("https", 443))
# What keeps a load balancer off the internet. One that another provider reads does no harm.
_AZURE: Final = {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}
_INTERNAL: Final = {
    ProfileName.AKS: _AZURE,
    ProfileName.ISTIO: _AZURE
    | {
        "networking.gke.io/load-balancer-type": "Internal",
        "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
        "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
    },
}


def gateway_service(gateway: Gateway, profile: ProfileName) -> Obj:
    """The whole Service. Its selector names no revision. Raises Refused for a field that is not the user's."""
    taken = next((field for field in _OURS if field in gateway.service.spec), "")
    if taken:
        words = f"service.spec.{taken} of gateway {gateway.name} is set by Pilotage"
        raise Refused(words, fix="remove it from spec.gateways")
    label = istio_label(gateway.name)
    internal = _INTERNAL[profile] if gateway.type is GatewayType.INTERNAL else {}
    annotations = internal | gateway.service.annotations | entry_annotation(gateway)
    ports = [{"name": name, "port": port, "protocol": "TCP", "targetPort": port} for name, port in _PORTS]
    kind = "ClusterIP" if gateway.type is GatewayType.EGRESS else "LoadBalancer"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": gateway.name,
            "namespace": gateway.namespace,
            "labels": {"app": gateway.name, "istio": label, GATEWAY: gateway.name},
            "annotations": annotations,
        },
        "spec": {"type": kind, "ports": ports} | gateway.service.spec | {"selector": {"istio": label}},
    }


def service_writes(desired: Desired, gateway: Gateway, live: Obj | None) -> Iterator[Action]:
    """Creates it whole, then holds its part of it. A field that is asked for no longer is taken back once."""
    part = gateway_part(BASE, gateway.name)
    (service,) = desired.gateway_objects[part]
    stands_as = another_type(live, gateway)
    if stands_as:
        gateway, service = stands_as, gateway_service(stands_as, desired.profile.name)
    whole = stamped(service, part, desired.newest)
    fields = {*_OURS, *gateway.service.spec}
    spec = {field: value for field, value in whole["spec"].items() if field in fields}
    body = digested(whole | {"spec": spec})
    why = f"Service of gateway {gateway.name}"
    if live is None:
        yield Apply(whole, f"create: {why}", CREATE_MANAGER)
    elif stands(body, live) and live["spec"].get("selector") == spec["selector"]:  # one more label would narrow it
        return
    elif lost := _given_up(body, live):
        yield Patch(ref_of(body), lost, f"{why}: no longer asked for")
    yield Apply(body, why)


def _given_up(body: Obj, live: Obj) -> Obj:
    """A merge patch that takes away what we held and hold no more: whoever created the object holds it too."""
    entries = live["metadata"].get("managedFields") or ()
    ours = [each for each in entries if each.get("manager") == MANAGER and not each.get("subresource")]
    fields = [each.get("fieldsV1") or {} for each in ours if each.get("operation") == "Apply"]
    held = {_named(of.get("f:metadata", {}).get("f:annotations", {})) for of in fields}
    annotations = frozenset().union(*held) - annotations_of(body).keys() - {APPLIED}
    spec = frozenset().union(*(_named(of.get("f:spec", {})) for of in fields)) - body["spec"].keys() - {"ports"}
    lost: Obj = {}
    if annotations:
        lost["metadata"] = {"annotations": dict.fromkeys(sorted(annotations))}
    if spec:
        lost["spec"] = dict.fromkeys(sorted(spec))
    return lost


def _named(fields: dict[str, Any]) -> frozenset[str]:
    return frozenset(key.removeprefix("f:") for key in fields if key.startswith("f:"))
