"""Real pods: istiods and gateways (see `realpods`) run as processes, as a kubelet would run them.

A plug-in of the supervisor. Such a pod, once bound to a node, gets a network namespace and address of its own, files
and environment as admitted, its own ServiceAccount token, a probe that decides about Ready, restarts with a growing
pause when its process ends, and SIGTERM with grace when it is deleted. `podspec` tells which image tags make it fail on
purpose.
"""

import asyncio
import logging
from urllib.parse import quote

from pilotage_sandbox.context import Context
from pilotage_sandbox.kube import Kube, Object
from pilotage_sandbox.podnet import Addresses
from pilotage_sandbox.podrun import Machine, RealPod
from pilotage_sandbox.realpods import SELECTORS, is_real

log = logging.getLogger(__name__)

_NAME = "pods"
_PAUSE = 2.0  # seconds after an error of ours


async def run(ctx: Context) -> None:
    """Run every real pod of the sandbox; cancelled, all their processes end."""
    kube = Kube(ctx.kubeconfig)
    try:
        async with asyncio.TaskGroup() as tasks:
            node = _Node(Machine(ctx, kube, Addresses(ctx.real_pods, [ctx.bridge_address])), tasks)
            for selector in SELECTORS:
                tasks.create_task(node.follow(selector))
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

    async def follow(self, selector: str) -> None:
        """Start, tell and end the real pods among those selected, as the API server says."""
        async for change in self._machine.kube.follow("/api/v1/pods", f"labelSelector={quote(selector)}"):
            if change.kind == "DELETED":
                if known := self._pods.get(change.object["metadata"]["uid"]):
                    known.vanish()
            elif change.kind != "SYNCED" and is_real(change.object):
                self._see(change.object)

    def summary(self) -> str:
        """For the sandbox's status."""
        ready = sum(pod.ready for pod in self._pods.values())
        return f"{len(self._pods)} real pods, {ready} ready"

    def _see(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if uid not in self._pods and pod["spec"].get("nodeName"):
            self._pods[uid] = RealPod(self._machine, pod)
            self._tasks.create_task(self._live(uid))
        if known := self._pods.get(uid):
            known.update(pod)

    async def _live(self, uid: str) -> None:
        """Live, and once more after an error of ours: one pod must not take the others along."""
        try:
            while not await self._lived(self._pods[uid]):
                await asyncio.sleep(_PAUSE)
        finally:
            del self._pods[uid]

    async def _lived(self, pod: RealPod) -> bool:
        try:
            await pod.live()
        except Exception:
            log.exception("a real pod ended by an error of the sandbox")
            return False
        return True
