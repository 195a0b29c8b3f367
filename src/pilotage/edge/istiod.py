"""What each istiod says of its proxies: connected, acknowledged, rejected. Called by `reads` and `store`.

An istiod knows only the proxies that are connected to itself, so every replica of every revision is asked. Its debug
endpoint answers loopback, which a port-forward is; its metrics need no more.
"""

from collections.abc import Iterable
from concurrent.futures import Executor
from typing import Final

import msgspec

from pilotage.domain.cluster import Pod
from pilotage.domain.errors import MeshError
from pilotage.domain.istio import IstiodReport, Proxy
from pilotage.domain.names import DEFAULT_REVISION, REV
from pilotage.edge.kube import Kube

_PORT: Final = 15014
_CONTAINER: Final = "discovery"
_REJECTS: Final = "pilot_total_xds_rejects"
_INJECTION_FAILURES: Final = "sidecar_injection_failure_total"
_SHORT: Final = {
    "envoy.config.cluster.v3.Cluster": "CDS",
    "envoy.config.listener.v3.Listener": "LDS",
    "envoy.config.route.v3.RouteConfiguration": "RDS",
    "envoy.config.endpoint.v3.ClusterLoadAssignment": "EDS",
    "envoy.config.core.v3.TypedExtensionConfig": "ECDS",
    "envoy.extensions.transport_sockets.tls.v3.Secret": "SDS",
    "istio.networking.nds.v1.NameTable": "NDS",
    "istio.mesh.v1alpha1.ProxyConfig": "PCDS",
}


class Resource(msgspec.Struct, rename="camel"):
    """State of one type for one proxy; nonces, as in the xDS protocol."""

    sent: str = ""
    acked: str = ""
    last_error: str = ""


class SyncStatus(msgspec.Struct):
    """A row of /debug/syncz. Older istiods fill only the pairs, newer ones `resources` too."""

    proxy: str = ""
    proxy_type: str = ""
    cluster_id: str = ""
    istio_version: str = ""
    cluster_sent: str = ""
    cluster_acked: str = ""
    listener_sent: str = ""
    listener_acked: str = ""
    route_sent: str = ""
    route_acked: str = ""
    endpoint_sent: str = ""
    endpoint_acked: str = ""
    resources: dict[str, Resource] = {}


_DECODER: Final = msgspec.json.Decoder(list[SyncStatus])


def reports(kube: Kube, pods: Iterable[Pod], pool: Executor) -> tuple[IstiodReport, ...]:
    """One report per running istiod pod; one that does not answer in the deadline of `kube` has its `error`."""
    return tuple(pool.map(lambda pod: report(kube, pod), filter(runs, pods)))


def runs(pod: Pod) -> bool:
    """Whether its istiod is a process now. One between two crashes serves nobody, and to ask it takes a deadline."""
    down = any(container.name == _CONTAINER and container.reason for container in pod.containers)
    return pod.phase == "Running" and not pod.deleting and not down


def report(kube: Kube, pod: Pod) -> IstiodReport:
    revision = pod.labels.get(REV, DEFAULT_REVISION)
    try:
        proxies = parse_syncz(kube.pod_get(pod.namespace, pod.name, _PORT, "/debug/syncz"))
        metrics = kube.pod_get(pod.namespace, pod.name, _PORT, "/metrics").decode(errors="replace")
    except (MeshError, msgspec.MsgspecError) as error:
        return IstiodReport(revision, pod.name, error=str(error))
    rejects, failures = total(metrics, _REJECTS), total(metrics, _INJECTION_FAILURES)
    return IstiodReport(revision, pod.name, proxies, rejects, failures)


def parse_syncz(body: bytes) -> tuple[Proxy, ...]:
    """The proxies in an answer of /debug/syncz. Raises msgspec.MsgspecError for anything else."""
    return tuple(_proxy(status) for status in _DECODER.decode(body or b"[]") if not _asks_only(status))


def total(metrics: str, name: str) -> int:
    """Sum of a counter over its labels, 0 where it was never counted. Text format of Prometheus."""
    values = (
        line[len(name) :].rpartition("}")[2].split()[0]
        for line in metrics.splitlines()
        if line.startswith((f"{name}{{", f"{name} "))
    )
    return int(sum(float(value) for value in values))


def _proxy(status: SyncStatus) -> Proxy:
    pending, rejected = [], []
    for url, resource in (status.resources or _pairs(status)).items():
        short = _short(url)
        if resource.last_error:
            rejected.append(f"{short}: {resource.last_error}")
        elif not resource.sent:
            if _must_be_sent(short, status.proxy_type):
                pending.append(short)
        elif resource.sent != resource.acked:
            pending.append(short)
    return Proxy(
        status.proxy,
        status.istio_version,
        not pending and not rejected,
        tuple(sorted(pending)),
        tuple(sorted(rejected)),
        status.cluster_id or "Kubernetes",
    )


def _must_be_sent(short: str, proxy_type: str) -> bool:
    """Every proxy has clusters and every sidecar listeners; a gateway without a Gateway resource has no more."""
    return short == "CDS" or (short == "LDS" and proxy_type == "sidecar")


def _pairs(status: SyncStatus) -> dict[str, Resource]:
    return {
        "CDS": Resource(status.cluster_sent, status.cluster_acked),
        "LDS": Resource(status.listener_sent, status.listener_acked),
        "RDS": Resource(status.route_sent, status.route_acked),
        "EDS": Resource(status.endpoint_sent, status.endpoint_acked),
    }


def _short(url: str) -> str:
    name = url.rpartition("/")[2]
    return _SHORT.get(name, name.rpartition(".")[2])


def _asks_only(status: SyncStatus) -> bool:
    """istioctl and the like: connected to look at others, no proxy themselves."""
    return bool(status.resources) and all(url.startswith("istio.io/") for url in status.resources)
