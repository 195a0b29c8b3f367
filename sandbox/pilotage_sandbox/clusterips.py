"""ClusterIPs that answer: each port of each Service is listened on, and leads to a ready endpoint. A plug-in.

What kube-proxy does with the kernel's help is done here with a relay, for real pods: few, and at home on one machine.
"""

import asyncio
import contextlib
import logging
from functools import partial

from pilotage_sandbox.context import Context, Services
from pilotage_sandbox.kube import Kube, Object
from pilotage_sandbox.piping import pipe
from pilotage_sandbox.services import SERVICES

log = logging.getLogger(__name__)

_NAME = "clusterips"
_DIAL_SECONDS = 10.0
Door = tuple[str, int]  # ClusterIP and port


async def run(ctx: Context) -> None:
    """Listen wherever a Service is, for ever."""
    kube, relay = Kube(ctx.kubeconfig), Relay(ctx.services)
    try:
        async for change in kube.follow(SERVICES):
            if change.kind != "SYNCED":
                meta = change.object["metadata"]
                wanted = set() if change.kind == "DELETED" else _doors(change.object)
                await relay.listen(f"{meta['namespace']}/{meta['name']}", wanted)
                ctx.report(_NAME, relay.summary())
    finally:
        relay.close()
        await kube.close()


class Relay:
    """The listening sockets, by Service."""

    def __init__(self, services: Services):
        self._services = services
        self._open: dict[str, dict[Door, asyncio.Server]] = {}

    async def listen(self, service: str, wanted: set[Door]) -> None:
        """Make the service's doors exactly `wanted`; connections that there are stay."""
        doors = self._open.setdefault(service, {})
        for door in doors.keys() - wanted:
            doors.pop(door).close()
        for door in wanted - doors.keys():
            try:
                doors[door] = await asyncio.start_server(partial(self._connection, door), *door)
            except OSError as error:
                log.warning("%s: %s:%d: %s", service, *door, error)

    def summary(self) -> str:
        """For the sandbox's status."""
        return f"{sum(map(len, self._open.values()))} ports of {sum(map(bool, self._open.values()))} Services"

    def close(self) -> None:
        """Stop listening."""
        for doors in self._open.values():
            for server in doors.values():
                server.close()

    async def _connection(self, door: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """To an endpoint and back; without one the connection is closed, as if it had been refused."""
        with contextlib.suppress(OSError, TimeoutError):
            if target := self._services.resolve(*door):
                async with asyncio.timeout(_DIAL_SECONDS):
                    far = await asyncio.open_connection(*target)
                await pipe((reader, writer), far)
        writer.close()


def _doors(service: Object) -> set[Door]:
    spec = service["spec"]
    address = spec.get("clusterIP", "None")
    if address in ("None", ""):
        return set()
    return {(address, entry["port"]) for entry in spec.get("ports", []) if entry.get("protocol", "TCP") == "TCP"}
