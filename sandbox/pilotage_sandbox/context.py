"""What a plug-in of the sandbox is given, and what it promises.

A plug-in is an `async def run(ctx: Context) -> None` named in `plugins.PLUGINS`. The supervisor starts each as a task
when the API server is ready and the nodes are there, and starts it again (after a pause that grows) when it raises:
the error is in `logs/supervisor.log` and in `pilotage-sandbox status`. A plug-in that returns has failed too. Nobody
tells it of the end: the kernel kills all of a sandbox at once.

Where plug-ins live: inside the sandbox's own network, mount and PID namespaces. Every process they start dies with the
supervisor, `/run` is a private tmpfs (so `ip netns add` leaves nothing on the host), and nothing they bind is seen
outside.

The pod network, all inside:

    10.244.0.1        the bridge `pil0` (pods' default gateway); the API server answers here on port 6443
    10.244.0.0/17     real pods: whoever starts one takes an address from here (not .0.1), its veth on the bridge
    10.244.128.0/17   the crowd: kwok hands these out, nobody answers there
    10.243.0.N        node N, where kwok serves the kubelet's port 10250
    10.96.0.0/16      Services: every port of a ClusterIP answers (see `clusterips`), and 10.244.0.1 knows their names
    203.0.113.0/24    load balancers

Who moves a pod's status: kwok for every pod but those that are real processes (see `realpods`); for these kwok's stages
neither make them Running nor delete them, so the plug-in writes their whole status (phase, podIP, podIPs, hostIP,
conditions, containerStatuses) and, after the process has ended, deletes the pod with `gracePeriodSeconds: 0`.

Port-forward and logs of a real pod: kwok serves them from two of its own resources, read live from the API server
(`kwok.x-k8s.io/v1alpha1`, CRDs installed by the supervisor), with the same name and namespace as the pod:

    kind: PortForward   spec: {forwards: [{ports: [15014], command: [<speaks for the port on stdin and stdout>]}, ...]}
    kind: Logs          spec: {logs: [{containers: [discovery], logsFile: <absolute path>, follow: true}]}

kwok reads log files in the CRI format, one line each: `2006-01-02T15:04:05.000000000Z stdout F the message`.
The plug-in creates both when the pod starts and deletes them when it ends.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Protocol


class Services(Protocol):
    """Where a Service's traffic goes, from Services and EndpointSlices as the API server last told."""

    def resolve(self, host: str, port: int) -> tuple[str, int] | None:
        """A ready endpoint's address and port for a ClusterIP or `name.namespace.svc[.cluster.local]`, or None.

        An IP that is no Service's comes back unchanged. With several ready endpoints they take turns.
        """

    def address(self, host: str) -> str | None:
        """The ClusterIP of `name.namespace.svc[.cluster.local]`, or None."""


@dataclass(frozen=True, slots=True)
class Context:
    """One sandbox, seen from inside. Paths are absolute and the same inside and outside."""

    name: str
    data: Path  # the sandbox's own folder, mode 0700, gone after `down`
    logs: Path  # one file per component; real pods go to logs/pods/
    kubeconfig: Path  # works inside only; user `pilotage-sandbox` of group system:masters
    api_host: str  # the API server as pods reach it
    api_port: int
    bridge: str
    bridge_address: IPv4Address
    pod_network: IPv4Network  # prefix length for addresses on the bridge
    real_pods: IPv4Network  # where real pods' addresses are taken from
    services: Services
    binaries: Mapping[str, Path]  # etcd, kube-apiserver, ..., pilot-discovery, istioctl, kubectl
    charts: Path  # Istio's charts, of the same source as pilot-discovery
    bootstrap: Path  # template of Envoy's first configuration, of the same source
    report: Callable[[str, str], None]  # (plug-in's name, a few words): shown by `status`, e.g. ("pods", "2 real pods")


Plugin = Callable[[Context], Awaitable[None]]
