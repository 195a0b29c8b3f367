"""Which pod a Service's traffic goes to: what kube-proxy and DNS would know. Used by the egress proxy and plug-ins.

`ServiceTable` is pure state fed with Services and EndpointSlices; `watch` feeds it from the API server.
"""

import asyncio
from ipaddress import IPv4Address
from itertools import count

from pilotage_sandbox import network
from pilotage_sandbox.kube import Change, Kube, Object

SERVICES = "/api/v1/services"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
Key = tuple[str, str]  # namespace, name


class ServiceTable:
    """Implements context.Services."""

    def __init__(self) -> None:
        self._services: dict[Key, Object] = {}
        self._slices: dict[Key, Object] = {}
        self._addresses: dict[str, Key] = {}
        self._turn = count()

    def resolve(self, host: str, port: int) -> tuple[str, int] | None:
        """See context.Services. A Service's port that it does not have gives None, like one without endpoints."""
        key = self._addresses.get(host) or _named(host)
        if key is None:
            return None if _of_services(host) else (host, port)
        service = self._services.get(key)
        if service is None:
            return None
        ports = {entry["port"]: entry.get("name", "") for entry in service["spec"].get("ports", [])}
        if port not in ports:
            return None
        ready = self._ready(key, ports[port])
        return ready[next(self._turn) % len(ready)] if ready else None

    def address(self, host: str) -> str | None:
        """See context.Services."""
        service = self._services.get(_named(host) or ("", ""))
        address = service["spec"].get("clusterIP", "None") if service else "None"
        return None if address in ("None", "") else str(address)

    def change_service(self, change: Change) -> None:
        if change.kind == "SYNCED":
            return
        key = _key(change.object)
        for address in [a for a, k in self._addresses.items() if k == key]:
            del self._addresses[address]
        if change.kind == "DELETED":
            self._services.pop(key, None)
            return
        self._services[key] = change.object
        address = change.object["spec"].get("clusterIP", "None")
        if address not in ("None", ""):
            self._addresses[address] = key

    def change_slice(self, change: Change) -> None:
        if change.kind == "DELETED":
            self._slices.pop(_key(change.object), None)
        elif change.kind != "SYNCED":
            self._slices[_key(change.object)] = change.object

    def _ready(self, key: Key, port_name: str) -> list[tuple[str, int]]:
        namespace, name = key
        found = []
        for (where, _), piece in self._slices.items():
            if where != namespace or piece["metadata"].get("labels", {}).get("kubernetes.io/service-name") != name:
                continue
            numbers = [p["port"] for p in piece.get("ports") or [] if p.get("name", "") == port_name]
            for endpoint in piece.get("endpoints") or []:
                if endpoint.get("conditions", {}).get("ready", True):
                    found += [(address, number) for address in endpoint["addresses"] for number in numbers]
        return sorted(found)


async def watch(kube: Kube, table: ServiceTable) -> None:
    """Keep the table as the API server tells, for ever."""

    async def services() -> None:
        async for change in kube.follow(SERVICES):
            table.change_service(change)

    async def slices() -> None:
        async for change in kube.follow(SLICES):
            table.change_slice(change)

    await asyncio.gather(services(), slices())


def _key(item: Object) -> Key:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _named(host: str) -> Key | None:
    """`name.namespace.svc` and longer; anything else is no Service's name."""
    parts = host.split(".")
    return (parts[1], parts[0]) if len(parts) >= 3 and parts[2] == "svc" else None


def _of_services(host: str) -> bool:
    try:
        return IPv4Address(host) in network.SERVICES
    except ValueError:
        return False
