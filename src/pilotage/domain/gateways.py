"""A gateway's names: what a profile gives by type, what follows from its name. Used by `decide`, `edge` and faces."""

from typing import Final, NamedTuple

import msgspec

from pilotage.domain.mesh import Gateway, GatewayType, ProfileName, ServiceMeshSpec


class GatewayPlace(NamedTuple):
    name: str
    namespace: str


# The provider's own names, and those of Istio's documentation.
PLACES: Final = {
    ProfileName.AKS: {
        GatewayType.EXTERNAL: GatewayPlace("aks-istio-ingressgateway-external", "aks-istio-ingress"),
        GatewayType.INTERNAL: GatewayPlace("aks-istio-ingressgateway-internal", "aks-istio-ingress"),
        GatewayType.EGRESS: GatewayPlace("aks-istio-egressgateway", "aks-istio-egress"),
    },
    ProfileName.ISTIO: {
        GatewayType.EXTERNAL: GatewayPlace("istio-ingressgateway", "istio-ingress"),
        GatewayType.INTERNAL: GatewayPlace("istio-ingressgateway-internal", "istio-ingress"),
        GatewayType.EGRESS: GatewayPlace("istio-egressgateway", "istio-egress"),
    },
}


def gateways_of(spec: ServiceMeshSpec) -> tuple[Gateway, ...]:
    """Those asked for, each with its namespace."""
    places = PLACES[spec.profile]
    return tuple(
        msgspec.structs.replace(gateway, namespace=gateway.namespace or places[gateway.type].namespace)
        for gateway in spec.gateways or ()
    )


def istio_label(name: str) -> str:
    """What Istio's Gateway resources and the Service select: label `istio`, as the chart derives it."""
    return name.removeprefix("istio-")
