"""The crowd's proxies: one real ADS stream for every running, injected pod that is no process of its own.

A plug-in of the supervisor. kwok's pods have no proxy, so this connects in their stead to the istiod that their
injected configuration names, and "connected" in `/debug/syncz` and `pilot_xds` is true. A pod's annotation
`sandbox.pilotage.dev/ads` chooses a failing proxy, at any time: `nack` rejects its listeners, `disconnect` closes the
stream and stays away.
"""

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field

import grpc
from envoy.service.discovery.v3 import ads_pb2_grpc

from pilotage_sandbox.adsclient import AdsClient
from pilotage_sandbox.context import Context, Services
from pilotage_sandbox.kube import Change, Kube
from pilotage_sandbox.proxynode import Proxy, proxy_of

MOST = 1000  # streams; pods beyond stay unconnected, and the status says so

_NAME = "crowd"
_PORT = 15010  # istiod's plaintext xDS
_INTERVAL = 0.05  # seconds between two new streams to one istiod, which admits 15 + 5 per core each second
_PAUSE_FIRST, _PAUSE_MOST = 1.0, 15.0  # seconds after a stream that failed
_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]


async def run(ctx: Context) -> None:
    """Keep the crowd connected; cancelled, all streams end."""
    kube, crowd = Kube(ctx.kubeconfig), Crowd(ctx.services)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_tell(ctx, crowd))
            async for change in kube.follow("/api/v1/pods"):
                if change.kind != "SYNCED":
                    crowd.see(change, tasks)
    finally:
        await kube.close()


async def _tell(ctx: Context, crowd: "Crowd") -> None:
    while True:
        ctx.report(_NAME, crowd.summary())
        await asyncio.sleep(1)


@dataclass
class _Member:
    """One proxy and the task that keeps it connected."""

    proxy: Proxy
    task: asyncio.Task[None] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    connected: bool = False


class Crowd:
    """All proxies by their pod's uid; `services` finds an istiod."""

    def __init__(self, services: Services):
        self._services, self._members = services, dict[str, _Member]()
        self._trouble = ""  # how a stream ended last
        self._turns: dict[str, float] = {}  # istiod -> when its next stream may begin, monotonic seconds

    def see(self, change: Change, tasks: asyncio.TaskGroup) -> None:
        """A pod came, changed or went."""
        uid = change.object["metadata"]["uid"]
        proxy = None if change.kind == "DELETED" else proxy_of(change.object)
        member = self._members.get(uid)
        if proxy is None:
            if member is not None:
                self._leave(uid, tasks)
        elif member is None:
            self._members[uid] = _Member(proxy)
            self._admit(tasks)
        elif member.proxy != proxy:
            member.proxy = proxy
            member.changed.set()

    def summary(self) -> str:
        """For the sandbox's status."""
        connected = sum(member.connected for member in self._members.values())
        beyond = len(self._members) - MOST
        more = f", {beyond} more than the {MOST} that are connected" if beyond > 0 else ""
        why = f"; last ended stream: {self._trouble}" if self._trouble and connected < len(self._members) else ""
        return f"{connected} of {len(self._members)} proxies connected{more}{why}"

    def _leave(self, uid: str, tasks: asyncio.TaskGroup) -> None:
        member = self._members.pop(uid)
        if member.task is not None:
            member.task.cancel()
        self._admit(tasks)

    def _admit(self, tasks: asyncio.TaskGroup) -> None:
        busy = sum(member.task is not None for member in self._members.values())
        for member in self._members.values():
            if busy >= MOST:
                return
            if member.task is None:
                member.task = tasks.create_task(self._keep(member))
                busy += 1

    async def _keep(self, member: _Member) -> None:
        """Connected whenever the pod's annotation and an istiod allow it."""
        pause = _PAUSE_FIRST
        while True:
            member.changed.clear()
            if member.proxy.mode == "disconnect":
                await member.changed.wait()
                continue
            target = self._services.resolve(member.proxy.istiod, _PORT)
            if target is None:  # no istiod is ready
                await asyncio.sleep(_PAUSE_FIRST)
                continue
            await self._turn(member.proxy.istiod)
            began = time.monotonic()
            await self._connect(member, target)
            pause = _PAUSE_FIRST if time.monotonic() - began > _PAUSE_MOST else min(pause * 2, _PAUSE_MOST)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(member.changed.wait(), pause * random.uniform(0.5, 1))

    async def _turn(self, istiod: str) -> None:
        """Wait until one more stream to this istiod may begin."""
        now = time.monotonic()
        turn = max(now, self._turns.get(istiod, 0.0))
        self._turns[istiod] = turn + _INTERVAL
        await asyncio.sleep(turn - now)

    async def _connect(self, member: _Member, target: tuple[str, int]) -> None:
        """One stream, until either side ends it."""
        proxy = member.proxy
        client = AdsClient(proxy.node_id, proxy.metadata, proxy.mode == "nack")
        try:
            async with grpc.aio.insecure_channel(f"{target[0]}:{target[1]}", options=_OPTIONS) as channel:
                call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).StreamAggregatedResources()
                await _converse(call, client, member)
        except grpc.aio.AioRpcError as error:
            self._trouble = f"{error.code().name} {error.details()}"
        except (grpc.aio.UsageError, asyncio.InvalidStateError) as error:  # written to after its end
            self._trouble = str(error)
        finally:
            member.connected = False


async def _converse(call: "grpc.aio.StreamStreamCall", client: AdsClient, member: _Member) -> None:
    """Answer what istiod says, and the pod's annotation when it changes; returns when the stream is to end."""
    for request in client.begin():
        await call.write(request)
    reading, changed = asyncio.ensure_future(call.read()), asyncio.ensure_future(member.changed.wait())
    try:
        while True:
            await asyncio.wait([reading, changed], return_when=asyncio.FIRST_COMPLETED)
            requests = []
            if changed.done():
                member.changed.clear()
                changed = asyncio.ensure_future(member.changed.wait())
                if member.proxy.mode == "disconnect":
                    member.changed.set()  # for the one who decides about the next stream
                    return
                requests += client.reject(member.proxy.mode == "nack")
            if reading.done():
                response = reading.result()
                if response is grpc.aio.EOF:
                    return
                member.connected = True
                requests += client.receive(response)
                reading = asyncio.ensure_future(call.read())
            for request in requests:
                await call.write(request)
    finally:
        reading.cancel()
        changed.cancel()
