"""Names of Services for real pods: a resolver on the bridge that answers A questions with ClusterIPs. A plug-in.

Every other name does not exist, and is said not to at once: nobody waits for an answer.
"""

import asyncio
import struct

from pilotage_sandbox.context import Context, Services

_PORT = 53
_HEADER = struct.Struct("!6H")  # id, flags, and how many questions, answers, authorities, others
_ANSWER, _NO_SUCH_NAME = 0x8580, 0x8583  # an authoritative answer, recursion offered
_A, _IN, _TTL = 1, 1, 5
_DOMAIN = ".cluster.local"


async def run(ctx: Context) -> None:
    """Answer for ever."""
    loop = asyncio.get_running_loop()
    address = (str(ctx.bridge_address), _PORT)
    transport, _ = await loop.create_datagram_endpoint(lambda: _Resolver(ctx.services), local_addr=address)
    try:
        await asyncio.Event().wait()
    finally:
        transport.close()


class _Resolver(asyncio.DatagramProtocol):
    """One question, one answer."""

    def __init__(self, services: Services):
        self._services = services

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if said := answer(data, self._services):
            self._transport.sendto(said, addr)


def answer(question: bytes, services: Services) -> bytes:
    """The datagram that answers `question`; empty for what is no question."""
    try:
        number, _, count, *_ = _HEADER.unpack_from(question)
        name, end = _name(question, _HEADER.size)
        kind, _ = struct.unpack_from("!HH", question, end)
    except (struct.error, IndexError, UnicodeDecodeError):
        return b""
    asked = question[_HEADER.size : end + 4]
    address = services.address(name) if count == 1 and name.endswith(_DOMAIN) else None
    if address is None:
        return _HEADER.pack(number, _NO_SUCH_NAME, 1, 0, 0, 0) + asked
    if kind != _A:
        return _HEADER.pack(number, _ANSWER, 1, 0, 0, 0) + asked
    pointer = 0xC000 | _HEADER.size  # the name stands there already
    record = struct.pack("!HHHIH", pointer, _A, _IN, _TTL, 4) + bytes(map(int, address.split(".")))
    return _HEADER.pack(number, _ANSWER, 1, 1, 0, 0) + asked + record


def _name(data: bytes, at: int) -> tuple[str, int]:
    """The name that begins at `at`, lower case, and where what follows begins."""
    labels = []
    while size := data[at]:
        labels.append(data[at + 1 : at + 1 + size].decode("ascii").lower())
        at += 1 + size
    return ".".join(labels), at + 1
