"""What a proxy of the crowd says to istiod, and who it says it is."""

from typing import Any

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2

from pilotage_sandbox.adsclient import CLUSTERS, ENDPOINTS, LISTENERS, ROUTES, AdsClient
from pilotage_sandbox.kube import Object
from pilotage_sandbox.proxynode import ANNOTATION, proxy_of


def response(kind: str, nonce: str, *resources: Any) -> Any:
    """A DiscoveryResponse whose version is its nonce with a v."""
    answer = discovery_pb2.DiscoveryResponse(type_url=kind, nonce=nonce, version_info=f"v{nonce}")
    for resource in resources:
        answer.resources.add().Pack(resource)
    return answer


def eds_cluster(name: str) -> Any:
    """A cluster whose endpoints come from istiod."""
    return cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.EDS)


def listener(*routes: str) -> Any:
    """A listener whose filters take these routes from istiod."""
    made = listener_pb2.Listener(name="l")
    for route in routes:
        manager = http_connection_manager_pb2.HttpConnectionManager()
        manager.rds.route_config_name = route
        config = any_pb2.Any()
        config.Pack(manager)
        made.filter_chains.add().filters.add(typed_config=config)
    return made


def told(requests: list[Any]) -> list[tuple[str, tuple[str, ...], str, str]]:
    """Type, names, accepted version and nonce of each request."""
    return [(r.type_url, tuple(r.resource_names), r.version_info, r.response_nonce) for r in requests]


def test_a_proxy_begins_with_who_it_is_and_its_clusters() -> None:
    (request,) = AdsClient("sidecar~1.2.3.4~p.ns~ns.svc", {"NAMESPACE": "ns"}).begin()
    assert told([request]) == [(CLUSTERS, (), "", "")]
    assert request.node.id == "sidecar~1.2.3.4~p.ns~ns.svc"
    assert request.node.metadata["NAMESPACE"] == "ns"


def test_it_acknowledges_and_asks_for_what_was_named() -> None:
    client = AdsClient("id", {})
    client.begin()
    static = cluster_pb2.Cluster(name="static", type=cluster_pb2.Cluster.STATIC)
    assert told(client.receive(response(CLUSTERS, "1", eds_cluster("b"), eds_cluster("a"), static))) == [
        (CLUSTERS, (), "v1", "1"),
        (ENDPOINTS, ("a", "b"), "", ""),
        (LISTENERS, (), "", ""),
    ]
    assert told(client.receive(response(ENDPOINTS, "2"))) == [(ENDPOINTS, ("a", "b"), "v2", "2")]
    assert told(client.receive(response(LISTENERS, "3", listener("80"), listener("8080", "80")))) == [
        (LISTENERS, (), "v3", "3"),
        (ROUTES, ("80", "8080"), "", ""),
    ]


def test_it_asks_again_only_when_names_change() -> None:
    client = AdsClient("id", {})
    client.begin()
    client.receive(response(CLUSTERS, "1", eds_cluster("a")))
    client.receive(response(ENDPOINTS, "2"))
    assert told(client.receive(response(CLUSTERS, "3", eds_cluster("a")))) == [(CLUSTERS, (), "v3", "3")]
    assert told(client.receive(response(CLUSTERS, "4", eds_cluster("a"), eds_cluster("b")))) == [
        (CLUSTERS, (), "v4", "4"),
        (ENDPOINTS, ("a", "b"), "v2", "2"),
    ]


def test_a_rejecting_proxy_keeps_the_listeners_it_had_and_says_why() -> None:
    client = AdsClient("id", {})
    client.begin()
    client.receive(response(CLUSTERS, "1"))
    client.receive(response(LISTENERS, "2", listener("80")))
    (at_once,) = client.reject(True)
    (later,) = client.receive(response(LISTENERS, "3", listener("90")))
    assert told([at_once, later]) == [(LISTENERS, (), "v2", "2"), (LISTENERS, (), "v2", "3")]
    assert at_once.error_detail.message and later.error_detail.message
    (accepted,) = client.reject(False)
    assert told([accepted]) == [(LISTENERS, (), "v3", "3")]
    assert not accepted.HasField("error_detail")
    assert client.reject(False) == []


def pod(**changes: Any) -> Object:
    """A running injected pod; `changes` replace parts of its metadata."""
    env = [
        {"name": "CA_ADDR", "value": "istiod-a.mesh.svc:15012"},
        {"name": "PROXY_CONFIG", "value": '{"discoveryAddress":"istiod-b.mesh.svc:15012"}\n'},
        {"name": "ISTIO_META_CLUSTER_ID", "value": "Kubernetes"},
        {"name": "ISTIO_META_POD_PORTS", "value": "[\n]"},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]
    proxy = {"name": "istio-proxy", "image": "example/proxyv2:1.30.4", "args": ["proxy", "sidecar"], "env": env}
    meta = {"name": "web-1", "namespace": "shop", "uid": "u", "annotations": {"sidecar.istio.io/status": "{}"}}
    return {
        "metadata": meta | changes,
        "spec": {"containers": [{"name": "web", "image": "example/web:1"}, proxy], "serviceAccountName": "web"},
        "status": {"phase": "Running", "podIP": "10.244.128.1"},
    }


def test_a_pods_proxy_is_who_its_injected_environment_says() -> None:
    proxy = proxy_of(pod())
    assert proxy is not None
    assert proxy.node_id == "sidecar~10.244.128.1~web-1.shop~shop.svc.cluster.local"
    assert proxy.istiod == "istiod-b.mesh.svc"
    wanted = {"CLUSTER_ID": "Kubernetes", "NAMESPACE": "shop", "SERVICE_ACCOUNT": "web", "ISTIO_VERSION": "1.30.4"}
    assert wanted.items() <= proxy.metadata.items()


def test_without_a_discovery_address_the_cas_address_names_the_istiod() -> None:
    injected = pod()
    del injected["spec"]["containers"][1]["env"][1]
    proxy = proxy_of(injected)
    assert proxy is not None
    assert proxy.istiod == "istiod-a.mesh.svc"


def test_a_native_sidecar_and_a_gateway_are_proxies_too() -> None:
    native, gateway = pod(), pod()
    native["spec"]["initContainers"] = [native["spec"]["containers"].pop()]
    gateway["spec"]["containers"][1]["args"] = ["proxy", "router"]
    first, second = proxy_of(native), proxy_of(gateway)
    assert first is not None and first.node_id.startswith("sidecar~")
    assert second is not None and second.node_id.startswith("router~")


@pytest.mark.parametrize(
    "changes",
    [{"annotations": {}}, {"deletionTimestamp": "2026-11-22T12:00:00Z"}, {"labels": {"app": "istiod"}}],
    ids=["not injected", "being deleted", "a real process"],
)
def test_other_pods_have_no_proxy_in_the_crowd(changes: Object) -> None:
    assert proxy_of(pod(**changes)) is None


def test_a_pod_that_does_not_run_has_no_proxy() -> None:
    assert proxy_of(pod() | {"status": {"phase": "Succeeded", "podIP": "10.244.128.1"}}) is None


@pytest.mark.parametrize(("word", "mode"), [("nack", "nack"), ("disconnect", "disconnect"), ("typo", "")])
def test_an_annotation_chooses_how_a_proxy_fails(word: str, mode: str) -> None:
    proxy = proxy_of(pod(annotations={"sidecar.istio.io/status": "{}", ANNOTATION: word}))
    assert proxy is not None
    assert proxy.mode == mode
