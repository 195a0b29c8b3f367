"""The way from gateways to the backend of `traffic`, as objects. Pure.

The backend is outside the mesh: a Service whose endpoint is the bridge, where the process listens. An Istio Gateway
and VirtualService lead there from every gateway pod of the Service, and name the pod in each answer.
"""

from collections.abc import Mapping

from pilotage_sandbox import network
from pilotage_sandbox.kube import Object

NAME, HOST = "sandbox-traffic", "traffic.example"
PORT = 8080
_NETWORKING = "networking.istio.io/v1"


def objects(namespace: str, gateways: Mapping[str, str]) -> list[tuple[str, Object]]:
    """API path and object each, in the order in which they are to be applied; `gateways` selects the pods."""
    meta = {"name": NAME, "namespace": namespace}
    port = {"name": "http", "port": PORT, "protocol": "TCP"}
    server = {"hosts": [HOST], "port": {"number": 80, "name": "http", "protocol": "HTTP"}}
    route = {
        "route": [{"destination": {"host": NAME, "port": {"number": PORT}}}],
        "headers": {"response": {"set": {"x-gateway": "%ENVIRONMENT(HOSTNAME)%"}}},
        "retries": {"attempts": 0},  # what a proxy tries again would not be seen to fail
    }
    slice_: Object = {
        "metadata": meta | {"labels": {"kubernetes.io/service-name": NAME}},
        "addressType": "IPv4",
        "ports": [port],
        "endpoints": [{"addresses": [str(network.BRIDGE_ADDRESS)], "conditions": {"ready": True}}],
    }
    spec: Object = {"hosts": [HOST], "gateways": [NAME], "http": [route]}
    core, discovery = f"/api/v1/namespaces/{namespace}", f"/apis/discovery.k8s.io/v1/namespaces/{namespace}"
    istio = f"/apis/{_NETWORKING}/namespaces/{namespace}"
    return [
        (f"{core}/services/{NAME}", _of("v1", "Service", {"metadata": meta, "spec": {"ports": [port]}})),
        (f"{discovery}/endpointslices/{NAME}", _of("discovery.k8s.io/v1", "EndpointSlice", slice_)),
        (
            f"{istio}/gateways/{NAME}",
            _of(_NETWORKING, "Gateway", {"metadata": meta, "spec": {"selector": {**gateways}, "servers": [server]}}),
        ),
        (f"{istio}/virtualservices/{NAME}", _of(_NETWORKING, "VirtualService", {"metadata": meta, "spec": spec})),
    ]


def _of(version: str, kind: str, rest: Object) -> Object:
    return {"apiVersion": version, "kind": kind, **rest}
