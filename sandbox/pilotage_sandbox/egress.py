"""The API server's way to webhooks, pods and kubelets: an HTTP CONNECT proxy on a unix socket (its egress selector).

A Service's address becomes one of its ready endpoints, where a cluster would have kube-proxy; a Service with none is
refused at once, as there. Every other address is dialled as it is. Runs in the supervisor.
"""

import asyncio
import contextlib

from pilotage_sandbox.configs import EGRESS_SOCKET
from pilotage_sandbox.context import Services
from pilotage_sandbox.piping import pipe

DIAL_SECONDS = 10.0


async def serve(services: Services) -> None:
    """Answer for ever."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await _connection(services, reader, writer)
        writer.close()

    server = await asyncio.start_unix_server(connection, EGRESS_SOCKET)
    async with server:
        await server.serve_forever()


async def _connection(services: Services, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    request = await reader.readuntil(b"\r\n\r\n")
    method, target, _ = request.split(b"\r\n", 1)[0].decode().split(" ")
    host, _, port = target.rpartition(":")
    if method != "CONNECT" or not port.isdigit():
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        return
    address = services.resolve(host.strip("[]"), int(port))
    if address is None:
        await _refuse(writer, f"no ready endpoint for {target}")
        return
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            far = await asyncio.open_connection(*address)
    except (OSError, TimeoutError) as error:
        await _refuse(writer, f"{target} at {address[0]}:{address[1]}: {error or 'timed out'}")
        return
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await pipe((reader, writer), far)


async def _refuse(writer: asyncio.StreamWriter, words: str) -> None:
    body = words.encode()
    writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    await writer.drain()
