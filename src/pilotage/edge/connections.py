"""Kept HTTP/1.1 connections to one server, over the standard library's client. Used by `transport`.

What goes wrong before a request is sent has an error of its own here; what the standard library raises is let through.
Nothing is followed, retried or decoded but gzip: `transport` decides all that.
"""

import base64
import http.client
import io
import selectors
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

_CHUNK: Final = 1 << 16
_RECORD: Final = 1 << 14  # the most that TLS gives at once: a pod in a watch, read in one go and not in two
_KEPT: Final = 32  # open connections: more than any face's threads


class NotConnected(OSError):
    """No connection came about; a name that does not resolve and TLS have errors of their own."""


class ConnectTimeout(NotConnected):
    """None in time."""


class ProxyFailed(NotConnected):
    """None, and there is a proxy on the way."""


class Place(NamedTuple):
    """Where requests go. `name` is checked in the server's certificate, `proxy` a URL; "" for none."""

    server: str
    tls: ssl.SSLContext | None
    name: str = ""
    proxy: str = ""


class Request(NamedTuple):
    """`url` is under the server's. `before` runs once the connection stands, right before the first byte is sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    before: Callable[[], None] = lambda: None


class _Bounded(io.RawIOBase):
    """What a socket gives until `ends` says, on the monotonic clock, however little it gives at a time."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, ends: Callable[[], float]) -> None:
        self._raw, self._sock, self._ends = raw, sock, ends

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends() - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Connection(http.client.HTTPConnection):
    """TCP to the server or its proxy, a tunnel where TLS must pass one, and TLS in it."""

    def __init__(self, place: Place, timeout: float) -> None:
        server, proxy = urlsplit(place.server), urlsplit(place.proxy)
        first = proxy if place.proxy else server
        super().__init__(first.hostname or "", _port(first), timeout=timeout)
        self._tls, self._name, self._proxied = place.tls, place.name or server.hostname or "", bool(place.proxy)
        self.ends = 0.0  # of the request under way, on the monotonic clock
        self.response_class = self._bounded  # type: ignore[assignment]  # called as the class would be
        if place.proxy and place.tls:
            self.set_tunnel(server.hostname or "", _port(server), headers=proxy_headers(proxy))

    def connect(self) -> None:
        try:
            super().connect()
        except socket.gaierror as error:
            if self._proxied:
                raise ProxyFailed(str(error)) from error
            raise
        except TimeoutError as late:
            raise ConnectTimeout(str(late)) from late
        except OSError as error:
            raise (ProxyFailed if self._proxied else NotConnected)(error.strerror or str(error)) from error
        if self._tls is not None:
            try:
                self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)
            except TimeoutError as late:
                raise ConnectTimeout(str(late)) from late

    def _bounded(self, sock: socket.socket, *rest: Any, **more: Any) -> http.client.HTTPResponse:
        """A response whose head and body are read within the request's time: a timeout per read bounds no trickle."""
        answer = http.client.HTTPResponse(sock, *rest, **more)
        answer.fp = io.BufferedReader(_Bounded(answer.fp.detach(), sock, lambda: self.ends), _RECORD)
        return answer

    @property
    def stale(self) -> bool:
        """Closed by the server while it was kept: there is something to read although nothing was asked."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.sock, selectors.EVENT_READ)
            return bool(waiting.select(0))


class Response:
    """An answer whose body has not been read yet; read whole, it gives its connection back."""

    def __init__(self, pool: "Pool", connection: _Connection, answer: http.client.HTTPResponse) -> None:
        self._pool, self._connection, self._answer = pool, connection, answer
        self.status, self.headers = answer.status, answer.headers
        self._read_whole = False

    def stream(self) -> Iterator[bytes]:
        """Pieces of the body as they come. Raises OSError or HTTPException, as where it breaks off."""
        gzip = zlib.decompressobj(16 + zlib.MAX_WBITS) if self.headers.get("Content-Encoding") == "gzip" else None
        try:
            while piece := self._read():
                yield gzip.decompress(piece) if gzip else piece
            if self._answer.length:
                raise http.client.IncompleteRead(b"", self._answer.length)
        except zlib.error as error:
            raise http.client.HTTPException(f"not what gzip makes: {error}") from error
        self._pool.keep(self._connection)
        self._read_whole = True

    def extend(self, ends: float) -> None:
        """More time for the rest of the body, until `ends` on the monotonic clock."""
        self._connection.ends = ends

    def close(self) -> None:
        """Give up what was not read, and the connection with it."""
        if not self._read_whole:
            self._answer.close()
            self._connection.close()

    def _read(self) -> bytes:
        """Of a known length until all is there, else whatever has come: a watch ends no time soon."""
        return self._answer.read1(_CHUNK) if self._answer.length is None else self._answer.read(_CHUNK)


class Pool:
    """Thread-safe."""

    def __init__(self, place: Place) -> None:
        self._place = place
        forwarded = place.proxy and not place.tls
        self._base = place.server if forwarded else urlsplit(place.server).path
        self._extra = proxy_headers(urlsplit(place.proxy)) if forwarded else {}
        self._lock = threading.Lock()
        self._kept: list[_Connection] = []

    def open(self, request: Request, ends: float) -> Response:
        """Sends, and reads the head of the answer. `ends`, on the monotonic clock, is for the body as well.

        Raises OSError or HTTPException, and what `request.before` raises: then nothing was sent.
        """
        connection = self._take(_left(ends))
        connection.ends = ends
        try:
            if connection.sock is None:
                connection.connect()
            connection.sock.settimeout(_left(ends))
            request.before()
            headers = {**self._extra, **request.headers}
            connection.request(request.method, self._base + request.url, request.body, headers)
            return Response(self, connection, connection.getresponse())
        except BaseException:
            connection.close()
            raise

    def keep(self, connection: _Connection) -> None:
        """For the next request, unless the server wants it closed."""
        with self._lock:
            if connection.sock is not None and len(self._kept) < _KEPT:
                self._kept.append(connection)
                return
        connection.close()

    def _take(self, timeout: float) -> _Connection:
        while True:
            with self._lock:
                connection = self._kept.pop() if self._kept else None
            if connection is None:
                return _Connection(self._place, timeout)
            if not connection.stale:
                return connection
            connection.close()


def proxy_headers(proxy: SplitResult) -> dict[str, str]:
    """`Proxy-Authorization` where the proxy's URL names a user."""
    if not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _port(url: SplitResult) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _left(ends: float) -> float:
    return max(ends - time.monotonic(), 0.01)
