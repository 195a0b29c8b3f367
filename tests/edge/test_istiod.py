"""What istiod says: rows of /debug/syncz and counters of /metrics."""

import json
from typing import Any

import msgspec
import pytest

from pilotage.domain.cluster import Container, Pod
from pilotage.domain.istio import Proxy
from pilotage.edge.istiod import parse_syncz, runs, total

ENVOY = "type.googleapis.com/envoy.config."
CDS, LDS = f"{ENVOY}cluster.v3.Cluster", f"{ENVOY}listener.v3.Listener"
RDS, EDS = f"{ENVOY}route.v3.RouteConfiguration", f"{ENVOY}endpoint.v3.ClusterLoadAssignment"
DONE = {"sent": "n1", "acked": "n1"}


def proxy(resources: dict[str, Any], **more: str) -> Proxy:
    row = {"proxy": "web-1.shop", "proxy_type": "sidecar", "istio_version": "1.31.0", "cluster_id": "Kubernetes"}
    [found] = parse_syncz(json.dumps([{**row, **more, "resources": resources}]).encode())
    return found


@pytest.mark.parametrize(
    ("resources", "pending", "rejected"),
    [
        ({CDS: DONE, LDS: DONE, RDS: DONE, EDS: DONE}, (), ()),
        ({CDS: DONE, LDS: {"sent": "n2", "acked": "n1"}}, ("LDS",), ()),
        ({CDS: {"sent": "n1"}, LDS: DONE}, ("CDS",), ()),
        ({CDS: DONE, LDS: DONE, RDS: {}, EDS: {}}, (), ()),
        ({CDS: {}, LDS: {}}, ("CDS", "LDS"), ()),
        ({CDS: DONE, LDS: {**DONE, "lastError": "bad listener"}}, (), ("LDS: bad listener",)),
        ({"type.googleapis.com/istio.networking.nds.v1.NameTable": {"sent": "a", "acked": ""}}, ("NDS",), ()),
        ({"type.googleapis.com/example.new.Kind": {"sent": "a", "acked": "b"}}, ("Kind",), ()),
    ],
)
def test_a_proxy_is_synced_when_it_acknowledged_all_that_was_sent(
    resources: dict[str, Any], pending: tuple[str, ...], rejected: tuple[str, ...]
) -> None:
    found = proxy(resources)
    assert (found.pending, found.rejected) == (pending, rejected)
    assert found.synced is (not pending and not rejected)


def test_a_gateway_without_listeners_is_synced() -> None:
    assert proxy({CDS: DONE, LDS: {}}, proxy_type="router").synced


def test_an_older_istiod_tells_the_same_in_pairs() -> None:
    row = {"proxy": "web-1.shop", "proxy_type": "sidecar", "cluster_sent": "a", "cluster_acked": "a"}
    [found] = parse_syncz(json.dumps([{**row, "listener_sent": "b", "listener_acked": "a"}]).encode())
    assert (found.name, found.pending, found.cluster) == ("web-1.shop", ("LDS",), "Kubernetes")


def test_a_proxy_of_another_cluster_keeps_its_name() -> None:
    assert proxy({CDS: DONE, LDS: DONE}, cluster_id="east").cluster == "east"


def test_whoever_only_looks_at_others_is_no_proxy() -> None:
    row = {"proxy": "istioctl", "resources": {"istio.io/debug/syncz": DONE}}
    assert parse_syncz(json.dumps([row]).encode()) == ()


@pytest.mark.parametrize("body", [b"[]", b""])
def test_an_istiod_without_proxies_has_none(body: bytes) -> None:
    assert parse_syncz(body) == ()


def test_an_answer_of_another_kind_is_an_error() -> None:
    with pytest.raises(msgspec.MsgspecError):
        parse_syncz(b"Forbidden\n")


METRICS = """\
# HELP pilot_total_xds_rejects Total number of XDS responses from pilot rejected by proxy.
# TYPE pilot_total_xds_rejects counter
pilot_total_xds_rejects{type="type.googleapis.com/envoy.config.listener.v3.Listener"} 2
pilot_total_xds_rejects{type="a b } c"} 1e+01 1700000000
pilot_total_xds_rejects_other{type="x"} 99
sidecar_injection_failure_total 3
"""


@pytest.mark.parametrize(
    ("name", "value"),
    [("pilot_total_xds_rejects", 12), ("sidecar_injection_failure_total", 3), ("never_counted", 0)],
)
def test_a_counter_is_summed_over_its_labels(name: str, value: int) -> None:
    assert total(METRICS, name) == value


@pytest.mark.parametrize(
    ("sentence", "pod", "asked"),
    [
        ("it serves", Pod("istio-system", "i", containers=(Container("discovery", ready=True),)), True),
        ("it is not ready, and may still serve", Pod("istio-system", "i", ready=False), True),
        (
            "it is between two crashes",
            Pod("istio-system", "i", ready=False, containers=(Container("discovery", reason="CrashLoopBackOff"),)),
            False,
        ),
        ("it is stopping", Pod("istio-system", "i", deleting=True), False),
        ("it has no place yet", Pod("istio-system", "i", phase="Pending", ready=False), False),
    ],
)
def test_only_an_istiod_that_is_a_process_now_is_asked(sentence: str, pod: Pod, asked: bool) -> None:
    assert runs(pod) is asked, sentence
