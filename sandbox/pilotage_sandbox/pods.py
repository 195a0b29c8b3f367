"""Real pods: a pod whose label `app` is in `context.REAL_APPS` (istiod) runs as a process, as a kubelet would run it.

A plug-in of the supervisor. Such a pod, once bound to a node, gets a network namespace and address of its own, files
and environment as admitted, its own ServiceAccount token, a probe that decides about Ready, restarts with a growing
pause when its process ends, and SIGTERM with grace when it is deleted. `podspec` tells which image tags make it fail on
purpose.
"""

import asyncio
import logging
from ipaddress import IPv4Address
from urllib.parse import quote

from pilotage_sandbox.context import REAL_APPS, Context
from pilotage_sandbox.kube import Kube, Object
from pilotage_sandbox.podnet import Addresses
from pilotage_sandbox.podrun import Machine, RealPod

log = logging.getLogger(__name__)

_NAME = "pods"


async def run(ctx: Context) -> None:
    """Run every real pod of the sandbox; cancelled, all their processes end."""
    kube = Kube(ctx.kubeconfig)
    try:
        async with asyncio.TaskGroup() as tasks:
            node = _Node(Machine(ctx, kube, Addresses(ctx.real_pods, [ctx.bridge_address])), tasks)
            tasks.create_task(node.follow())
            while True:
                ctx.report(_NAME, node.summary())
                await asyncio.sleep(1)
    finally:
        await kube.close()


class _Node:
    """The real pods that live now, by uid."""

    def __init__(self, machine: Machine, tasks: asyncio.TaskGroup):
        self._machine, self._tasks = machine, tasks
        self._pods: dict[str, RealPod] = {}

    async def follow(self) -> None:
        """Start, tell and end pods as the API server says."""
        selector = quote(f"app in ({','.join(REAL_APPS)})")
        async for change in self._machine.kube.follow("/api/v1/pods", f"labelSelector={selector}"):
            if change.kind == "DELETED":
                if known := self._pods.get(change.object["metadata"]["uid"]):
                    known.vanish()
            elif change.kind != "SYNCED":
                await self._see(change.object)

    def summary(self) -> str:
        """For the sandbox's status."""
        ready = sum(pod.ready for pod in self._pods.values())
        return f"{len(self._pods)} real pods, {ready} ready"

    async def _see(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if uid not in self._pods and pod["spec"].get("nodeName"):
            self._pods[uid] = RealPod(self._machine, pod, await self._host(pod["spec"]["nodeName"]))
            self._tasks.create_task(self._live(uid))
        if known := self._pods.get(uid):
            known.update(pod)

    async def _live(self, uid: str) -> None:
        try:
            await self._pods[uid].live()
        except Exception:
            log.exception("real pod %s ended by an error of the sandbox", uid)
            raise
        finally:
            del self._pods[uid]

    async def _host(self, node: str) -> str:
        """The node's own address."""
        found = await self._machine.kube.request("GET", f"/api/v1/nodes/{quote(node)}")
        addresses = found.get("status", {}).get("addresses", [])
        internal = [entry["address"] for entry in addresses if entry["type"] == "InternalIP"]
        return str(IPv4Address(internal[0])) if internal else str(self._machine.ctx.bridge_address)
