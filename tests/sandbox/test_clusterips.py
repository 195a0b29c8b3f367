"""A Service's address leads to a pod that is ready, as long as the Service is there."""

import asyncio
import socket

import pytest

from pilotage_sandbox.clusterips import Relay


class Towards:
    """A Service with one endpoint, or none."""

    def __init__(self, target: tuple[str, int] | None) -> None:
        self.target = target

    def resolve(self, host: str, port: int) -> tuple[str, int] | None:  # noqa: ARG002 - one for all
        return self.target

    def address(self, host: str) -> str | None:  # noqa: ARG002 - has none
        return None


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write((await reader.readline()).upper())
    writer.close()


async def ask(port: int) -> bytes:
    """What is answered; empty where the connection was closed or reset instead."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"hello\n")
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_connection_to_a_service_is_one_to_its_pod_and_closed_where_there_is_none() -> None:
    async def story() -> None:
        pod = await asyncio.start_server(shout, "127.0.0.1", 0)
        towards, port = Towards(pod.sockets[0].getsockname()[:2]), free_port()
        relay = Relay(towards)
        await relay.listen("mesh/istiod", {("127.0.0.1", port)})
        assert await ask(port) == b"HELLO\n"
        towards.target = None
        assert await ask(port) == b""
        await relay.listen("mesh/istiod", set())
        with pytest.raises(ConnectionRefusedError):
            await ask(port)

    asyncio.run(asyncio.wait_for(story(), 30))
