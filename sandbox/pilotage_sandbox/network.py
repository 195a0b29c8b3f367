"""The addresses of every sandbox (each has a network namespace of its own, so they are the same in all) and the bridge.

Called by the supervisor as its first act, inside the namespaces.
"""

import subprocess
from ipaddress import IPv4Address, IPv4Network

BRIDGE = "pil0"
BRIDGE_ADDRESS = IPv4Address("10.244.0.1")
PODS = IPv4Network("10.244.0.0/16")
REAL_PODS = IPv4Network("10.244.0.0/17")
CROWD = IPv4Network("10.244.128.0/17")
NODES = IPv4Network("10.243.0.0/16")
SERVICES = IPv4Network("10.96.0.0/16")
BALANCERS = IPv4Network("203.0.113.0/24")
API_PORT = 6443
KUBELET_PORT = 10250


def prepare() -> None:
    """Bring up loopback and the bridge, and answer on every node's, Service's and load balancer's address.

    `/run` becomes a private tmpfs: what is made there leaves nothing on the host. Raises CalledProcessError.
    """
    batch = f"""
        link set lo up
        link add {BRIDGE} type bridge
        addr add {BRIDGE_ADDRESS}/{PODS.prefixlen} dev {BRIDGE}
        link set {BRIDGE} up
        route add local {NODES} dev lo
        route add local {SERVICES} dev lo
        route add local {BALANCERS} dev lo
    """
    subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True, capture_output=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", "/run"], check=True, capture_output=True)


def node_address(index: int) -> IPv4Address:
    """Of node 1, 2, ..."""
    return NODES.network_address + index
