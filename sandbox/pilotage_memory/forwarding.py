"""Port-forward into a pod, as kubectl and Pilotage ask for it: a websocket, `v4.channel.k8s.io`. Used by `api`.

One HTTP GET per connection is answered, by `Store.inside`; its answer ends the connection.
"""

import base64
import hashlib
import struct
from typing import Any, Final

from pilotage_memory.errors import not_found, refusal, unsupported
from pilotage_memory.messages import Request, Response
from pilotage_memory.paths import Place
from pilotage_memory.store import Store

_PROTOCOL: Final = "v4.channel.k8s.io"
_MAGIC: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
_DATA, _ERROR = b"\0", b"\1"
_BINARY, _CLOSE = 0x82, 0x88


def forward(store: Store, place: Place, request: Request) -> Response:
    """Raises NotFound for a pod that is not there, BadRequest for one that does not run."""
    pod = store.get(place.key)
    if pod is None:
        raise not_found("pods", "", place.name)
    if request.headers.get("upgrade", "").lower() != "websocket":
        raise unsupported(f"{request.words} by anything but a websocket")
    if pod.get("status", {}).get("phase") != "Running":
        raise refusal("BadRequest", f"pod {place.name} is not running")
    port = int(request.query["ports"])

    def talk(connection: Any) -> None:
        connection.write(_accepted(request.headers["sec-websocket-key"]))
        for channel in (_DATA, _ERROR):
            connection.write(_frame(channel + struct.pack("<H", port)))
        path = _asked_path(connection)
        if path is not None:
            _answer(connection, store.inside(place.namespace, place.name, port, path), port)
            connection.write(bytes([_CLOSE, 2]) + struct.pack(">H", 1000))

    return Response(takeover=talk)


def _accepted(key: str) -> bytes:
    digest = base64.b64encode(hashlib.sha1((key + _MAGIC).encode(), usedforsecurity=False).digest()).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {digest}\r\nSec-WebSocket-Protocol: {_PROTOCOL}\r\n\r\n"
    ).encode()


def _answer(connection: Any, told: tuple[int, bytes] | None, port: int) -> None:
    if told is None:
        connection.write(_frame(_ERROR + f"connection refused: nothing listens on port {port}".encode()))
        return
    status, body = told
    head = f"HTTP/1.1 {status} told\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    connection.write(_frame(_DATA + head.encode() + body))


def _asked_path(connection: Any) -> str | None:
    """Of the HTTP request that comes through the data channel; None where the client leaves."""
    asked = b""
    while b"\r\n\r\n" not in asked:
        message = _read_frame(connection)
        if message is None:
            return None
        if message[:1] == _DATA:
            asked += message[1:]
    return asked.split(b" ", 2)[1].decode()


def _frame(payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes([_BINARY, size]) + payload
    if size < 1 << 16:
        return bytes([_BINARY, 126]) + struct.pack(">H", size) + payload
    return bytes([_BINARY, 127]) + struct.pack(">Q", size) + payload


def _read_frame(connection: Any) -> bytes | None:
    head = connection.read(2)
    if len(head) < 2 or head[0] == _CLOSE:
        return None
    size = head[1] & 0x7F
    if size >= 126:
        size = int.from_bytes(connection.read(2 if size == 126 else 8), "big")
    mask = connection.read(4)  # a client always masks
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(connection.read(size)))
