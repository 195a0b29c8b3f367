"""A gateway's names: what a profile gives by type, what follows from its name. Used by `decide`, `edge` and faces."""

from typing import Final, NamedTuple

import msgspec

from pilotage.domain.mesh import Gateway, GatewayType, ProfileName, ServiceMeshSpec
from pilotage.domain.names import suffixed
from pilotage.domain.objects import ObjectRef


class GatewayPlace(NamedTuple):
    """Which gateway. As text `namespace/name`, which is never the name of a revision."""

    name: str
    namespace: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


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


def place_of(gateway: Gateway) -> GatewayPlace:
    """Of one that has its namespace."""
    return GatewayPlace(gateway.name, str(gateway.namespace))


def refs_of(spec: ServiceMeshSpec) -> tuple[ObjectRef, ...]:
    """Service and Deployments of each, by name: who looks for them sees what stands in their place too."""
    names = [entry.name for entry in spec.revisions]
    return tuple(
        ref
        for gateway in gateways_of(spec)
        for ref in (
            ObjectRef("v1", "Service", str(gateway.namespace), gateway.name),
            *(
                ObjectRef("apps/v1", "Deployment", str(gateway.namespace), suffixed(gateway.name, name))
                for name in names
            ),
        )
    )


def istio_label(name: str) -> str:
    """What Istio's Gateway resources and the Service select: label `istio`, as the chart derives it."""
    return name.removeprefix("istio-")
