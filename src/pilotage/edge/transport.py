"""HTTP to one API server: pooled connections, credentials, deadlines, few and safe retries. Used by `kube`."""

import copy
import http.client
import math
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from pilotage.domain.errors import MeshError, Unreachable
from pilotage.edge.connections import Request, Response
from pilotage.edge.failures import Answer, Peer, answered, broken, parse_status
from pilotage.edge.kubeconfig import Target
from pilotage.edge.line import Line
from pilotage.edge.observer import Observer
from pilotage.edge.proxies import is_loopback

T = TypeVar("T")
JSON: Final = "application/json"
_PAUSES: Final = (0.1, 0.4, 1.0)  # seconds before the second, third and fourth attempt, if the server names no more
_PATIENCE: Final = 8.0  # seconds of waiting between attempts, all together


class Call(NamedTuple):
    """One request. `what` says it in the user's words (`list Pod`), for errors. Empty query values are left out."""

    method: str
    path: str
    what: str
    query: dict[str, str] = {}
    body: bytes | None = None
    content: str = JSON
    accept: str = JSON

    @property
    def verb(self) -> str:
        """`get`, `list`, `watch`, `apply`, `patch`, `create`, `replace` or `delete`."""
        return "watch" if "watch" in self.query else self.what.partition(" ")[0]

    @property
    def writes(self) -> bool:
        """Does it change the cluster? Dry runs and reviews are questions."""
        return self.method != "GET" and "dryRun" not in self.query and not self.path.endswith("reviews")

    @property
    def url(self) -> str:
        query = urlencode({key: value for key, value in self.query.items() if value})
        return f"{self.path}?{query}" if query else self.path


class _Again(Exception):
    """An attempt that may be repeated after `wait` seconds; `failure` is what to raise when it is not.

    `once`: not a second time, for a person may have been asked to log in.
    """

    def __init__(self, failure: MeshError, wait: float = 0.0, *, once: bool = False) -> None:
        super().__init__(failure)
        self.failure, self.wait, self.once = failure, wait, once


class Transport:
    """Thread-safe. `deadline`, in seconds, bounds each request together with its retries."""

    def __init__(self, target: Target, deadline: float) -> None:
        self.target = target
        self.server = _bare(target.cluster.server.rstrip("/"))
        self.peer = Peer(self.server, target.context, deadline)
        self._line = Line(target)
        self.credentials = self._line.credentials
        self._before_write: Callable[[], None] = lambda: None
        self.observer = Observer()
        # Compression pays over a network, never on the machine itself.
        self._headers = {"User-Agent": _agent()} | ({} if is_loopback(self.server) else {"Accept-Encoding": "gzip"})

    def within(self, deadline: float) -> "Transport":
        """The same connections, with another deadline for each request."""
        other = copy.copy(self)
        other.peer = self.peer._replace(deadline=deadline)
        return other

    def fenced(self, check: Callable[[], None]) -> "Transport":
        """The same connections; `check` runs right before a write is sent, and again before it is sent again."""
        other = copy.copy(self)
        other._before_write = check
        return other

    def send(self, call: Call) -> bytes:
        """The body of the answer. Raises what `failures` makes of anything but success."""
        ends = time.monotonic() + self.peer.deadline
        if call.writes:  # what we gave up on must not be carried out later
            call = call._replace(query={**call.query, "timeout": f"{math.ceil(self.peer.deadline)}s"})
        return self._attempts(call, ends, _whole)

    def read(self, call: Call, shape: type[T]) -> T:
        """The answer, decoded."""
        return self.decode(self.send(call), shape)

    def decode(self, body: bytes, shape: type[T]) -> T:
        """Raises Unreachable for an answer that Kubernetes does not give: cut off, or something else listens there."""
        try:
            return _decoder(shape).decode(body)
        except msgspec.MsgspecError as error:
            if body.startswith(b'{"kind":'):
                raise Unreachable(f"the answer of the API server {self.peer} arrived broken: {error}") from None
            start = " ".join(body[:80].decode(errors="replace").split())
            raise Unreachable(f"{self.peer} answers, but it is not Kubernetes: {start}") from None

    def stream(self, call: Call, idle: float) -> Iterator[bytes]:
        """Chunks as they come, until the server ends them. Raises as `send` before the first one is asked for.

        Then Unreachable where the connection breaks, or after `idle` seconds without a chunk.
        """
        response = self._attempts(call, time.monotonic() + self.peer.deadline, lambda response: response)
        return self._chunks(response, idle)

    def _chunks(self, response: Response, idle: float) -> Iterator[bytes]:
        response.extend(time.monotonic() + idle)
        try:
            for chunk in response.stream():
                yield chunk
                response.extend(time.monotonic() + idle)
        except (http.client.HTTPException, OSError) as error:
            raise broken(error, self.peer._replace(deadline=idle)) from None
        finally:
            response.close()

    def tls(self) -> ssl.SSLContext | None:
        """For connections beside the pool, with the same trust and certificate; None where the server is plain HTTP."""
        return self._line.tls()

    def _attempts(self, call: Call, ends: float, finish: Callable[[Response], T]) -> T:
        spare, once = _PATIENCE, False
        for pause in _PAUSES:
            try:
                return self._once(call, ends, finish)
            except _Again as again:
                wait = max(pause, again.wait)
                if wait > spare or time.monotonic() + wait > ends or (again.once and once):
                    raise again.failure from None
                spare, once = spare - wait, again.once
            time.sleep(wait)
        try:
            return self._once(call, ends, finish)
        except _Again as again:
            raise again.failure from None

    def _once(self, call: Call, ends: float, finish: Callable[[Response], T]) -> T:
        try:
            response = self._open(call, ends)
            if response.status < 400:
                return finish(response)
            body = _whole(response)
        except (http.client.HTTPException, OSError) as error:
            failure = broken(error, self.peer)
            # A kept connection may have been closed meanwhile. A POST may have been carried out: not twice.
            lost = isinstance(error, http.client.HTTPException | ConnectionError)
            if lost and not (call.writes and call.method == "POST"):
                raise _Again(failure) from None
            raise failure from None
        raise self._no(call, response, body)

    def _no(self, call: Call, response: Response, body: bytes) -> Exception:
        asked = _seconds(response.headers.get("Retry-After"))
        failure = answered(Answer(call.what, response.status, parse_status(body), asked or 1.0))
        if response.status == 429 or (response.status == 503 and asked is not None):
            return _Again(failure, asked or 0.0)  # not carried out, whatever the method
        if response.status >= 500 and call.method == "GET":
            return _Again(failure)
        if response.status == 401 and self.credentials.refused():
            return _Again(failure, once=True)
        return failure

    def _open(self, call: Call, ends: float) -> Response:
        headers = {**self._headers, "Accept": call.accept, **self.credentials.header()}
        if call.body is not None:
            headers["Content-Type"] = call.content
        request = Request(call.method, call.url, headers, call.body)
        if call.writes:
            request = request._replace(before=self._before_write)
        started = time.monotonic()
        try:
            response = self._line.pool().open(request, ends)
        except (http.client.HTTPException, OSError):
            self.observer.answered(call.verb, 0, time.monotonic() - started)
            raise
        self.observer.answered(call.verb, response.status, time.monotonic() - started)
        return response


def _bare(server: str) -> str:
    """Without what may stand before the host: a name and a password are for nobody's eyes."""
    parts = urlsplit(server)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _whole(response: Response) -> bytes:
    return b"".join(response.stream())


def _agent() -> str:
    """Tells processes apart in the API server's audit log; the Lease names its holder by the same pair."""
    return f"pilotage ({socket.gethostname()}:{os.getpid()})"


def _seconds(header: str | None) -> float | None:
    """Retry-After as the API server writes it, in seconds; a date or nonsense counts as not given."""
    return float(header) if header and header.isdigit() else None


_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}
_MAKING = threading.Lock()


def _decoder(shape: type[T]) -> msgspec.json.Decoder[T]:
    """One per shape, made by one thread at a time: msgspec crashes where two threads look at a new shape at once."""
    with _MAKING:
        if shape not in _DECODERS:
            _DECODERS[shape] = msgspec.json.Decoder(shape)
        return _DECODERS[shape]
