"""One real pod from its binding to its end: address, files, namespaces, container, and removal when it is deleted.

Called by `pods`, which starts one `RealPod` per pod.
"""

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import quote

import httpx2

from pilotage_sandbox.container import Container
from pilotage_sandbox.context import Context
from pilotage_sandbox.kube import Kube, KubeError, Object
from pilotage_sandbox.podfiles import PodFiles
from pilotage_sandbox.podlog import ContainerLog
from pilotage_sandbox.podnet import Addresses, Link, Namespaces, NetworkError, open_namespaces
from pilotage_sandbox.podreport import PodReport
from pilotage_sandbox.podspec import ConfigError
from pilotage_sandbox.podstatus import Place, View, terminated, waiting
from pilotage_sandbox.realpods import program_of

log = logging.getLogger(__name__)

_REFRESH = 30.0  # seconds between two looks at the volumes' sources
_RETRY = 2.0  # seconds before the pod is set up again
_SETUP_ERRORS = (ConfigError, NetworkError, KubeError, httpx2.TransportError, OSError)


@dataclass(frozen=True)
class Machine:
    """What all real pods share."""

    ctx: Context
    kube: Kube
    addresses: Addresses

    async def host(self, node: str) -> str:
        """The node's own address, asked for until there is one."""
        while True:
            try:
                found = await self.kube.request("GET", f"/api/v1/nodes/{quote(node)}")
                for entry in found.get("status", {}).get("addresses", []):
                    if entry["type"] == "InternalIP":
                        return str(entry["address"])
            except (KubeError, httpx2.TransportError) as error:
                log.warning("node %s: %s", node, error)
            await asyncio.sleep(_RETRY)

    @property
    def link(self) -> Link:
        """How a pod is plugged in."""
        return Link(self.ctx.bridge, self.ctx.bridge_address, self.ctx.pod_network.prefixlen)


class RealPod:
    """The life of one pod. `update` tells it of changes; `live` returns when the pod is gone."""

    def __init__(self, machine: Machine, pod: Object):
        ctx, meta = machine.ctx, pod["metadata"]
        self._machine = machine
        self._folder = ctx.data / "pods" / meta["uid"]
        self._report = PodReport(machine.kube, pod)
        self._files = PodFiles(machine.kube, pod, self._folder)
        folder = ctx.logs / "pods" / f"{meta['namespace']}_{meta['name']}"
        logs = ContainerLog(folder, pod["spec"]["containers"][0]["name"])
        self._program = program_of(pod, ctx.binaries, ctx.bootstrap)
        server = (ctx.api_host, ctx.api_port)
        self._container = Container(self._report, self._files, logs, server, self._program)
        self._stop = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether the pod is Ready now."""
        return self._report.view.ready

    def update(self, pod: Object) -> None:
        """The pod has changed; one with a deletionTimestamp is to be stopped."""
        self._report.pod = self._files.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            self._container.grace = float(pod["metadata"].get("deletionGracePeriodSeconds", 0))
            self._stop.set()

    def vanish(self) -> None:
        """The pod is no longer there (deleted by force): end at once."""
        self._container.grace = 0.0
        self._stop.set()

    async def live(self) -> None:
        """From binding to end. Cancelled, it takes the process along without grace."""
        teller = asyncio.create_task(self._report.run())
        runner = asyncio.create_task(self._run())
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([runner, stop], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (runner, stop, teller):
                task.cancel()
            await asyncio.wait([runner, stop, teller])
            shutil.rmtree(self._folder, ignore_errors=True)
        if not runner.cancelled():
            runner.result()  # it never ends by itself but by an error of ours
        await self._end()

    async def _end(self) -> None:
        """The process has ended and its pod is to be deleted: last words, then remove it."""
        view, now = self._report.view, time.time()
        if "terminated" not in view.state:
            self._report.show(replace(view, ready=False, state=terminated(0, "", now, now)))
        while True:
            try:
                await self._report.close()
            except (KubeError, httpx2.TransportError) as error:
                log.warning("%s: not removed yet: %s", self._report.name, error)
                await asyncio.sleep(_RETRY)
            else:
                return

    async def _run(self) -> None:
        self._report.show(View(), Place(await self._machine.host(self._report.pod["spec"]["nodeName"])))
        await self._container.pull()
        address = self._machine.addresses.take()
        try:
            while True:
                try:
                    async with self._namespaces(address) as namespaces:
                        await self._container.run(namespaces)
                except _SETUP_ERRORS as error:
                    log.warning("%s: %s", self._report.name, error)
                    await self._report.event("Warning", "FailedMount", str(error))
                    state = waiting("ContainerCreating", str(error))
                    self._report.show(replace(self._report.view, state=state, ready=False))
                    await asyncio.sleep(_RETRY)
        finally:
            self._machine.addresses.give_back(address)

    @asynccontextmanager
    async def _namespaces(self, address: IPv4Address) -> AsyncIterator[Namespaces]:
        """The pod's namespaces with its files in place and kept fresh, reachable by kubectl."""
        await self._files.fill()
        root = self._folder / "root"
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        mounts = self._mounts() + self._files.system(str(address), str(self._machine.link.gateway))
        namespaces = await open_namespaces(address, self._machine.link, root, mounts)
        fresh = asyncio.create_task(self._refresh())
        try:
            self._report.show(self._report.view, replace(self._report.place, address=str(address)))
            await self._report.open_doors(namespaces, self._container.log)
            yield namespaces
        finally:
            fresh.cancel()
            await namespaces.close()

    def _mounts(self) -> list[tuple[Path, str]]:
        mounts = [*self._program.files]
        for mount in self._container.spec.get("volumeMounts", []):
            outside = self._files.volume(mount["name"])
            mounts.append((outside / mount["subPath"] if "subPath" in mount else outside, mount["mountPath"]))
        return mounts

    async def _refresh(self) -> None:
        """Bring the volumes up to date now and then; tokens are renewed before they end."""
        while True:
            await asyncio.sleep(_REFRESH)
            try:
                await self._files.fill()
            except _SETUP_ERRORS as error:
                log.warning("%s: volumes not refreshed: %s", self._report.name, error)
