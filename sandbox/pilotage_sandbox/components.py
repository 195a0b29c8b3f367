"""The five components of the control plane and the front door: their command lines and when they count as ready.

Pure: a Layout and the programs in, Components out. The supervisor starts them. All listen inside the sandbox's network
namespace, so fixed ports cannot collide with those of another sandbox.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pilotage_sandbox import network
from pilotage_sandbox.layout import Layout

API_SERVER = f"https://{network.BRIDGE_ADDRESS}:{network.API_PORT}"
API_NAMES = (
    "127.0.0.1",
    "localhost",
    str(network.BRIDGE_ADDRESS),
    str(network.SERVICES.network_address + 1),
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
USERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "admin": ("sandbox-admin", ("system:masters",)),
    "pilotage-sandbox": ("pilotage-sandbox", ("system:masters",)),
    "kube-controller-manager": ("system:kube-controller-manager", ()),
    "kube-scheduler": ("system:kube-scheduler", ()),
    "kwok": ("kwok", ("system:masters",)),
}
"""Certificate file -> (user, groups). Each component has a user of its own, so the audit log tells them apart."""


@dataclass(frozen=True, slots=True)
class Component:
    """A process of the supervisor. `ready` is a URL inside that answers 200, or None when running is enough."""

    name: str
    command: tuple[str, ...]
    ready: str | None
    inherits: tuple[int, ...] = ()  # file descriptors


def etcd(place: Layout, program: str) -> Component:
    """Without fsync: what a sandbox holds is thrown away with it, and a slow disk would be felt in every write."""
    client = "http://127.0.0.1:2379"
    peer = "http://127.0.0.1:2380"
    command = (
        program,
        f"--data-dir={place.home / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        f"--quota-backend-bytes={8 << 30}",
        "--log-level=warn",
    )
    return Component("etcd", command, f"{client}/health")


def kube_apiserver(place: Layout, program: str) -> Component:
    """RBAC, default admission, audit; webhooks and pods are reached through the egress proxy."""
    pki, config = place.pki, place.config
    command = (
        program,
        "--etcd-servers=http://127.0.0.1:2379",
        "--bind-address=0.0.0.0",
        f"--advertise-address={network.BRIDGE_ADDRESS}",
        f"--secure-port={network.API_PORT}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki / 'service-account.pub'}",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        f"--service-cluster-ip-range={network.SERVICES}",
        f"--egress-selector-config-file={config / 'egress.yaml'}",
        f"--audit-policy-file={config / 'audit-policy.yaml'}",
        f"--audit-log-path={place.audit}",
        "--audit-log-maxsize=200",
        "--audit-log-maxbackup=5",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged=true",
        "--profiling=false",
    )
    return Component("kube-apiserver", command, f"https://127.0.0.1:{network.API_PORT}/readyz")


def kube_controller_manager(place: Layout, program: str) -> Component:
    pki, own = place.pki, place.config / "kube-controller-manager.kubeconfig"
    command = (
        program,
        *_controlling(own),
        "--use-service-account-credentials",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--service-account-private-key-file={pki / 'service-account.key'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        # A busy machine delays kwok's heartbeats; evicting the crowd for that would not be the mesh's fault.
        "--node-monitor-grace-period=10m",
        # No metrics are served here, so all it ever does is to hold the bounds: nobody shall wait 15 s for that.
        "--horizontal-pod-autoscaler-sync-period=2s",
    )
    return Component("kube-controller-manager", command, "https://127.0.0.1:10257/healthz")


def kube_scheduler(place: Layout, program: str) -> Component:
    command = (program, *_controlling(place.config / "kube-scheduler.kubeconfig"))
    return Component("kube-scheduler", command, "https://127.0.0.1:10259/healthz")


def _controlling(own: Path) -> tuple[str, ...]:
    """Flags of a component that is one client of the API server, with kubeconfig `own`, and alone."""
    return (
        f"--kubeconfig={own}",
        f"--authentication-kubeconfig={own}",
        f"--authorization-kubeconfig={own}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--kube-api-qps=300",
        "--kube-api-burst=600",
        "--profiling=false",
    )


def kwok(place: Layout, program: str) -> Component:
    """Plays every node's kubelet; port-forward and logs of real pods are read live from two of kwok's own resources."""
    command = (
        program,
        f"--kubeconfig={place.config / 'kwok.kubeconfig'}",
        f"--config={place.config / 'stages.yaml'}",
        "--manage-all-nodes=true",
        f"--cidr={network.CROWD}",
        f"--node-ip={network.node_address(1)}",
        f"--node-port={network.KUBELET_PORT}",
        f"--tls-cert-file={place.pki / 'kubelet.crt'}",
        f"--tls-private-key-file={place.pki / 'kubelet.key'}",
        "--node-lease-duration-seconds=40",
        "--enable-crds=PortForward,Logs",
    )
    return Component("kwok", command, f"https://127.0.0.1:{network.KUBELET_PORT}/healthz")


def frontdoor(listener: int) -> Component:
    """`listener` is the inherited socket on the host's loopback."""
    module = "pilotage_sandbox.frontdoor"
    command = (sys.executable, "-m", module, str(listener), str(network.BRIDGE_ADDRESS), str(network.API_PORT))
    return Component("frontdoor", command, None, (listener,))


def log_file(place: Layout, name: str) -> Path:
    """Where a component's output goes; `audit` and `supervisor` are logs too."""
    return place.logs / f"{name}.log"
