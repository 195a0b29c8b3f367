"""The cloud's load balancers: each Service of type LoadBalancer has an address that leads to its pods.

A process of its own (`python -m pilotage_sandbox.balancer KUBECONFIG`, started by `cloud`), so that traffic does not
slow the supervisor down. It works on connections, like clouds' network load balancers: a new one goes to an endpoint
that it believes to be good, and stays there until one of the two closes it. Nothing is tried twice: a connection that
the endpoint does not take is closed. What it believes is 1 to 10 seconds old (see `endpoints`), by chance that is the
same for a Service in every run.
"""

import asyncio
import random
import socket
import sys
import threading
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from pilotage_sandbox import network
from pilotage_sandbox.endpoints import Follower, wanted
from pilotage_sandbox.frontdoor import serve
from pilotage_sandbox.kube import MERGE, Change, Kube, KubeError, Object
from pilotage_sandbox.services import SERVICES, SLICES

_BACKLOG = 512
_OWNER = "kubernetes.io/service-name"
Key = tuple[str, str]  # namespace and name


class Cloud:
    """All load balancers of one cluster."""

    def __init__(self, kube: Kube):
        self._kube = kube
        self._addresses: dict[Key, str] = {}
        self._ports: dict[Key, dict[str, tuple[Follower, socket.socket]]] = defaultdict(dict)  # by port name
        self._slices: dict[Key, dict[str, Object]] = defaultdict(dict)

    async def run(self) -> None:
        """Follow Services and EndpointSlices for ever."""

        async def services() -> None:
            async for change in self._kube.follow(SERVICES):
                if change.kind != "SYNCED":
                    await self._service(change)

        async def slices() -> None:
            async for change in self._kube.follow(SLICES):
                if change.kind != "SYNCED":
                    self._slice(change)

        await asyncio.gather(services(), slices())

    async def _service(self, change: Change) -> None:
        key = _key(change.object)
        if change.kind == "DELETED" or change.object["spec"].get("type") != "LoadBalancer":
            self._addresses.pop(key, None)
            for _, listener in self._ports.pop(key, {}).values():
                _close(listener)
            return
        await self._address(key, change.object)
        ports = {entry.get("name", ""): entry["port"] for entry in change.object["spec"]["ports"]}
        for name in self._ports[key].keys() - ports.keys():
            _close(self._ports[key].pop(name)[1])
        for name in ports.keys() - self._ports[key].keys():
            self._ports[key][name] = self._listen(key, ports[name])
            self._tell(key)

    async def _address(self, key: Key, service: Object) -> None:
        """Have one, and write it where clouds do."""
        told = [entry.get("ip", "") for entry in service["status"].get("loadBalancer", {}).get("ingress", [])]
        own = self._addresses.get(key) or (told[0] if told else self._free())
        self._addresses[key] = own
        if told != [own]:
            status = {"status": {"loadBalancer": {"ingress": [{"ip": own, "ipMode": "VIP"}]}}}
            await self._kube.request("PATCH", f"/api/v1/namespaces/{key[0]}/services/{key[1]}/status", status, MERGE)

    def _free(self) -> str:
        return next(str(each) for each in network.BALANCERS.hosts() if str(each) not in self._addresses.values())

    def _listen(self, key: Key, port: int) -> tuple[Follower, socket.socket]:
        loop, where = asyncio.get_running_loop(), (self._addresses[key], port)
        label = f"{'/'.join(key)} {where[0]}:{port}"
        follower = Follower(random.Random(label), loop.call_later, lambda words: _say(f"{label} {words}"))
        listener = socket.create_server(where, backlog=_BACKLOG)
        listener.setblocking(False)
        loop.add_reader(listener, _accept, listener, follower)
        return follower, listener

    def _slice(self, change: Change) -> None:
        meta = change.object["metadata"]
        pieces = self._slices.items() if change.kind == "DELETED" else []
        for key, known in pieces:  # of a deleted object not more than its name may be known
            if key[0] == meta["namespace"] and known.pop(meta["name"], None):
                self._tell(key)
        if change.kind != "DELETED" and (owner := meta.get("labels", {}).get(_OWNER)):
            key = (meta["namespace"], owner)
            self._slices[key][meta["name"]] = change.object
            self._tell(key)

    def _tell(self, key: Key) -> None:
        for name, (follower, _) in self._ports.get(key, {}).items():
            follower.follow(wanted(self._slices[key].values(), name))


def _accept(listener: socket.socket, follower: Follower) -> None:
    client, _ = listener.accept()
    client.setblocking(True)
    target = follower.next()
    if target is None:
        client.close()
        return
    threading.Thread(target=serve, args=(client, target), daemon=True).start()


def _close(listener: socket.socket) -> None:
    asyncio.get_running_loop().remove_reader(listener)
    listener.close()


def _key(item: Object) -> Key:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _say(words: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S.%f} {words}", flush=True)


async def main(kubeconfig: Path) -> None:
    """Balance until the process ends."""
    threading.stack_size(128 * 1024)
    try:
        await Cloud(Kube(kubeconfig)).run()
    except KubeError as error:
        sys.exit(f"balancer: {error}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
