"""A plain HTTP/1.1 server behind the gateways: `python -m pilotage_sandbox.backend ADDRESS PORT`, started by `traffic`.

Every answer has the header `x-backend`, so that an error of a proxy is told from one of the backend. `/stream/SECONDS`
ticks once a second, so many times. The process ends with its standard input, so that it cannot outlive who started it.
"""

import asyncio
import contextlib
import sys

_HEAD = b"HTTP/1.1 200 OK\r\nx-backend: sandbox\r\ncontent-type: text/plain\r\n"
_PLAIN = _HEAD + b"content-length: 3\r\n\r\nok\n"
_STREAM = _HEAD + b"transfer-encoding: chunked\r\n\r\n"
_LONG = b"/stream/"
_TICK = b"5\r\ntick\n\r\n"
_TICK_SECONDS = 1.0


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1]
            if path.startswith(_LONG):
                await _stream(writer, int(path.removeprefix(_LONG)))
            else:
                writer.write(_PLAIN)
            await writer.drain()
    writer.close()


async def _stream(writer: asyncio.StreamWriter, ticks: int) -> None:
    writer.write(_STREAM)
    for _ in range(ticks):
        writer.write(_TICK)
        await writer.drain()
        await asyncio.sleep(_TICK_SECONDS)
    writer.write(b"0\r\n\r\n")


async def main(address: str, port: int) -> None:
    """Serve until standard input ends."""
    loop, ended = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(ended), sys.stdin)
    async with await asyncio.start_server(_serve, address, port, backlog=512):
        await ended.read()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
