"""Which pod a Service's traffic goes to, and what the API server's egress proxy makes of it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pilotage_sandbox import egress
from pilotage_sandbox.kube import Change
from pilotage_sandbox.services import ServiceTable


def service(address: str = "10.96.0.7", **ports: int) -> dict[str, Any]:
    listed = [{"name": name, "port": port} for name, port in ports.items()]
    return {"metadata": {"namespace": "mesh", "name": "istiod"}, "spec": {"clusterIP": address, "ports": listed}}


def slice_of(*endpoints: tuple[str, bool], name: str = "istiod-1", **ports: int) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": "istiod"}
    return {
        "metadata": {"namespace": "mesh", "name": name, "labels": labels},
        "ports": [{"name": key, "port": port} for key, port in ports.items()],
        "endpoints": [{"addresses": [address], "conditions": {"ready": ready}} for address, ready in endpoints],
    }


def table(service_: dict[str, Any], *slices: dict[str, Any]) -> ServiceTable:
    made = ServiceTable()
    made.change_service(Change("ADDED", service_))
    for each in slices:
        made.change_slice(Change("ADDED", each))
    return made


def test_a_services_port_leads_to_the_target_port_of_that_name() -> None:
    seen = table(service(hook=443, grpc=15012), slice_of(("10.244.0.2", True), hook=15017, grpc=15012))
    assert seen.resolve("10.96.0.7", 443) == ("10.244.0.2", 15017)
    assert seen.resolve("istiod.mesh.svc", 15012) == ("10.244.0.2", 15012)
    assert seen.resolve("istiod.mesh.svc.cluster.local", 15012) == ("10.244.0.2", 15012)


def test_only_ready_endpoints_are_used_and_they_take_turns() -> None:
    pods = slice_of(("10.244.0.2", True), ("10.244.0.3", False), ("10.244.0.4", True), hook=15017)
    seen = table(service(hook=443), pods)
    assert {seen.resolve("10.96.0.7", 443) for _ in range(4)} == {("10.244.0.2", 15017), ("10.244.0.4", 15017)}


@pytest.mark.parametrize(
    ("host", "port"),
    [("10.96.0.7", 443), ("10.96.0.7", 8080), ("10.96.9.9", 443), ("other.mesh.svc", 443)],
    ids=["no endpoint", "no such port", "an address of no Service", "a name of no Service"],
)
def test_what_no_pod_answers_has_no_address(host: str, port: int) -> None:
    assert table(service(hook=443)).resolve(host, port) is None


def test_an_address_that_is_no_services_is_dialled_as_it_is() -> None:
    assert ServiceTable().resolve("10.244.3.3", 15017) == ("10.244.3.3", 15017)


def test_a_deleted_service_is_forgotten_and_a_changed_slice_counts_at_once() -> None:
    seen = table(service(hook=443), slice_of(("10.244.0.2", True), hook=15017))
    seen.change_slice(Change("MODIFIED", slice_of(("10.244.0.2", False), hook=15017)))
    assert seen.resolve("10.96.0.7", 443) is None
    seen.change_slice(Change("MODIFIED", slice_of(("10.244.0.2", True), hook=15017)))
    seen.change_service(Change("DELETED", {"metadata": {"namespace": "mesh", "name": "istiod"}}))
    assert seen.resolve("10.96.0.7", 443) is None
    assert seen.resolve("istiod.mesh.svc", 443) is None


async def connect(socket: Path, target: str) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask the proxy for a way to `target`; returns its status line and the connection."""
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    return head.decode().splitlines()[0], reader, writer


async def echo_until_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers only after the asker has said that it is done: needs the half-close to arrive."""
    said = await reader.read()
    writer.write(b"heard " + said)
    writer.close()


def test_the_proxy_refuses_at_once_where_nobody_is_ready_and_passes_half_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = tmp_path / "egress.sock"
    monkeypatch.setattr(egress, "EGRESS_SOCKET", socket)

    async def story() -> None:
        backend = await asyncio.start_server(echo_until_end, "127.0.0.1", 0)
        port = backend.sockets[0].getsockname()[1]
        seen = table(service(hook=443, gone=15012), slice_of(("127.0.0.1", True), hook=port))
        proxy = asyncio.create_task(egress.serve(seen))
        while not socket.exists():
            await asyncio.sleep(0)
        assert (await connect(socket, "10.96.0.7:15012"))[0].startswith("HTTP/1.1 503")
        assert (await connect(socket, "127.0.0.1:1"))[0].startswith("HTTP/1.1 503")
        status, reader, writer = await connect(socket, "10.96.0.7:443")
        assert status.startswith("HTTP/1.1 200")
        writer.write(b"this")
        writer.write_eof()
        assert await reader.read() == b"heard this"
        proxy.cancel()
        backend.close()

    asyncio.run(asyncio.wait_for(story(), 30))
