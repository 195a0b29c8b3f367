"""HTTP/1.1 on a connection: requests read, responses written. Used by `server`.

The standard library's server parses headers as mail, which costs more than most answers here.
"""

import socket
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, BinaryIO, Final
from urllib.parse import parse_qsl, urlsplit

from pilotage_memory.messages import Request, Response

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}


class Connection:
    """One client. Raises OSError where it left."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._asked: BinaryIO = peer.makefile("rb")

    def next(self) -> Request | None:
        """None where there is no more."""
        line = self._asked.readline()
        if not line.strip():
            return None
        method, target, _ = line.decode().split(" ", 2)
        headers: dict[str, str] = {}
        while (line := self._asked.readline()).strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        address = urlsplit(target)
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        body = self._asked.read(int(headers.get("content-length", 0)))
        return Request(method, address.path, query, headers, body)

    def send(self, response: Response, more: Mapping[str, str] | None = None) -> bool:
        """False where the connection is of no more use: it was handed over."""
        if response.takeover is not None:
            response.takeover(self)
            return False
        head = {"Content-Type": response.content, **(more or {})}
        if response.stream is None:
            self.write(_head(response.status, head | {"Content-Length": str(len(response.body))}) + response.body)
        else:
            self.write(_head(response.status, head | {"Transfer-Encoding": "chunked"}))
            self._chunks(response.stream)
        return True

    def read(self, size: int) -> bytes:
        return self._asked.read(size)

    def write(self, data: bytes) -> None:
        self._peer.sendall(data)

    def cut(self) -> None:
        cut(self._peer)

    def close(self) -> None:
        self._asked.close()
        self._peer.close()

    def _chunks(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            self.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.write(b"0\r\n\r\n")


def cut(peer: Any) -> None:
    """Ends it for both sides, whatever was under way."""
    try:
        peer.shutdown(socket.SHUT_RDWR)
    except OSError:  # the other side was faster
        return


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, '')}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
