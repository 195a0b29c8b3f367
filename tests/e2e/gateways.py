"""Words for tests of traffic: a mesh with one gateway, and live traffic through it with its figures."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness import Cluster, eventually
from pilotage_sandbox import flow
from pilotage_sandbox.flow import Flow

SPACE, NAME = "edge", "shop-gateway"
DRAIN = 15  # seconds; load balancers of the sandbox are up to 10 late
PLAIN_ENVOY = {"telemetry": {"enabled": False}}
"""Values of istiod for an Envoy as it is released: only Istio's build has the filter that counts for Istio."""


def open_gateway(cluster: Cluster) -> None:
    """A mesh on the stable revision, and a gateway of two pods."""
    cluster.enable().must()
    gateway = {"name": NAME, "namespace": SPACE, "type": "External", "drainSeconds": DRAIN}
    cluster.patch("servicemesh/default", {"spec": {"values": PLAIN_ENVOY, "gateways": [gateway]}})
    cluster.enable().must()


def pods_of(cluster: Cluster, revision: str) -> set[str]:
    """Names of the gateway's pods of a revision that do not leave."""
    found = cluster.get("pods", "-n", SPACE, "-l", f"pilotage.dev/gateway={NAME}")["items"]
    return {
        pod["metadata"]["name"]
        for pod in found
        if "deletionTimestamp" not in pod["metadata"] and pod["metadata"]["annotations"].get("istio.io/rev") == revision
    }


@contextmanager
def flowing(cluster: Cluster) -> Iterator[Flow]:
    """Traffic through the gateway's load balancer, from the first answer on."""
    with flow.flowing(cluster.name, f"{SPACE}/{NAME}", DRAIN) as made:
        eventually("the first answers", lambda: made.figures.get("requests"))
        yield made


def reach(made: Flow, pods: set[str]) -> None:
    """Awaits an answer through each."""
    eventually(f"answers through {', '.join(sorted(pods))}", lambda: made.reached(pods))


def go_on(made: Flow, requests: int = 1500) -> None:
    """Awaits so many more requests."""
    before = made.figures["requests"]
    eventually(f"{requests} more requests", lambda: made.figures["requests"] >= before + requests)
