"""The nodes of a sandbox: made by the supervisor, brought to life by kwok."""

import asyncio

from pilotage_sandbox import network
from pilotage_sandbox.kube import Kube, Object

CAPACITY = {"cpu": "32", "memory": "128Gi", "pods": "250", "ephemeral-storage": "100Gi"}


def node(index: int, kubelet_version: str) -> Object:
    """Node 1, 2, ... as a kubelet would register it. An empty version leaves kwok's own, `kwok-v0.8.0`.

    istiod decides by this version whether its proxies are native sidecars (from 1.33) or plain containers.
    """
    name = f"node-{index}"
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    addresses = [
        {"type": "InternalIP", "address": str(network.node_address(index))},
        {"type": "Hostname", "address": name},
    ]
    status: Object = {
        "capacity": CAPACITY,
        "allocatable": CAPACITY,
        "addresses": addresses,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": network.KUBELET_PORT}},
    }
    if kubelet_version:
        status["nodeInfo"] = {
            "kubeletVersion": kubelet_version,
            "architecture": "amd64",
            "operatingSystem": "linux",
            "bootID": "",
            "containerRuntimeVersion": "",
            "kernelVersion": "",
            "kubeProxyVersion": "",
            "machineID": "",
            "osImage": "",
            "systemUUID": "",
        }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "status": status}


async def register(kube: Kube, number: int, kubelet_version: str) -> None:
    """Make node 1 to `number`."""
    wanted = [node(index, kubelet_version) for index in range(1, number + 1)]
    await asyncio.gather(*(kube.request("POST", "/api/v1/nodes", each) for each in wanted))


async def schedulable(kube: Kube) -> None:
    """Returns when every node is Ready and no taint keeps pods off it."""
    waiting: set[str] = set()
    async for change in kube.follow("/api/v1/nodes"):
        if change.object:
            name = change.object["metadata"]["name"]
            (waiting.discard if _open(change.object) else waiting.add)(name)
        if change.kind != "ADDED" and not waiting:
            return


def _open(item: Object) -> bool:
    conditions = {c["type"]: c["status"] for c in item["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and not item["spec"].get("taints")
