"""What a proxy says on an ADS stream: subscribe, acknowledge, subscribe to what was named. No I/O.

Called by `crowd`, one per stream. Clusters come first, then endpoints and listeners, then routes: the order of Envoy.
"""

from functools import lru_cache
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.service.discovery.v3 import discovery_pb2

_PREFIX = "type.googleapis.com/"
CLUSTERS = _PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINTS = _PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENERS = _PREFIX + "envoy.config.listener.v3.Listener"
ROUTES = _PREFIX + "envoy.config.route.v3.RouteConfiguration"
_MANAGER = _PREFIX + http_connection_manager_pb2.HttpConnectionManager.DESCRIPTOR.full_name

_REASON = "rejected on purpose: the pod's annotation asks for it"
_INTERNAL = 13  # the code Envoy gives its rejections

Request = Any  # discovery_pb2.DiscoveryRequest; the generated classes carry no types
Response = Any


class AdsClient:
    """The requests of one proxy. While `rejecting` it accepts no listeners, like an Envoy with a bad EnvoyFilter."""

    def __init__(self, node_id: str, metadata: dict[str, Any], rejecting: bool = False):
        self._node = base_pb2.Node(id=node_id)
        self._node.metadata.update(metadata)
        self._rejecting = rejecting
        self._names: dict[str, tuple[str, ...]] = {}  # type -> subscribed names
        self._accepted: dict[str, str] = {}  # type -> version
        self._last: dict[str, tuple[str, str]] = {}  # type -> version and nonce of the last response

    def begin(self) -> list[Request]:
        """What is said first."""
        request = self._subscribe(CLUSTERS, ())
        request.node.CopyFrom(self._node)
        return [request]

    def receive(self, response: Response) -> list[Request]:
        """What is said to a response."""
        kind = response.type_url
        self._last[kind] = (response.version_info, response.nonce)
        requests = [self._answer(kind)]
        if kind == CLUSTERS:
            requests += self._want(ENDPOINTS, _names(kind, response))
            requests += [] if LISTENERS in self._names else [self._subscribe(LISTENERS, ())]
        elif kind == LISTENERS and not self._rejecting:
            requests += self._want(ROUTES, _names(kind, response))
        return requests

    def reject(self, rejecting: bool) -> list[Request]:
        """Begin or end rejecting: the last listeners are answered anew."""
        if rejecting == self._rejecting:
            return []
        self._rejecting = rejecting
        return [self._answer(LISTENERS)] if LISTENERS in self._last else []

    def _answer(self, kind: str) -> Request:
        version, nonce = self._last[kind]
        request = discovery_pb2.DiscoveryRequest(type_url=kind, resource_names=self._names.get(kind, ()))
        request.response_nonce = nonce
        if self._rejecting and kind == LISTENERS:
            request.error_detail.code, request.error_detail.message = _INTERNAL, _REASON
        else:
            self._accepted[kind] = version
        request.version_info = self._accepted.get(kind, "")
        return request

    def _want(self, kind: str, names: tuple[str, ...]) -> list[Request]:
        if names == self._names.get(kind, ()):
            return []
        return [self._subscribe(kind, names)]

    def _subscribe(self, kind: str, names: tuple[str, ...]) -> Request:
        self._names[kind] = names
        request = discovery_pb2.DiscoveryRequest(type_url=kind, resource_names=names)
        request.version_info = self._accepted.get(kind, "")
        request.response_nonce = self._last.get(kind, ("", ""))[1]
        return request


def _names(kind: str, response: Response) -> tuple[str, ...]:
    """Endpoints that clusters name, routes that listeners name, sorted."""
    parse = _endpoints_of if kind == CLUSTERS else _routes_of
    return tuple(sorted({name for resource in response.resources for name in parse(resource.value)}))


@lru_cache(maxsize=4096)  # most proxies of a mesh get the same clusters
def _endpoints_of(raw: bytes) -> tuple[str, ...]:
    cluster = cluster_pb2.Cluster.FromString(raw)
    if cluster.type != cluster_pb2.Cluster.EDS:
        return ()
    return (cluster.eds_cluster_config.service_name or cluster.name,)


@lru_cache(maxsize=4096)
def _routes_of(raw: bytes) -> tuple[str, ...]:
    listener = listener_pb2.Listener.FromString(raw)
    chains = [*listener.filter_chains, listener.default_filter_chain]
    configs = [filter.typed_config for chain in chains for filter in chain.filters]
    managers = [
        http_connection_manager_pb2.HttpConnectionManager.FromString(config.value)
        for config in configs
        if config.type_url == _MANAGER
    ]
    return tuple(manager.rds.route_config_name for manager in managers if manager.HasField("rds"))
