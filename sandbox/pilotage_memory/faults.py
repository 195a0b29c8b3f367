"""What tests do to a server: wrong answers, connections that are cut, a log of the writes. Used by `server`."""

import threading
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from pilotage_memory.errors import ApiError
from pilotage_memory.messages import Request, Response, failure

_REASONS: Final = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class Fault(NamedTuple):
    """Instead of an answer: `reset` cuts the connection, `status` (with `headers`) is answered at once.

    `delay`, in seconds, comes first; with nothing else the request is answered as usual after it. `lost`: the request
    takes effect, and then the connection is cut.
    """

    status: int = 0
    headers: Mapping[str, str] = {}
    delay: float = 0.0
    reset: bool = False
    lost: bool = False

    def response(self) -> Response:
        """Words for `status` as an API server under such a condition finds them."""
        return failure(ApiError(self.status, _REASONS.get(self.status, "InternalError"), f"fault {self.status}"))


Faults = Callable[[str, str, Mapping[str, str]], Fault | None]  # given method, path, query


class Write(NamedTuple):
    """One POST, PUT, PATCH or DELETE as it was answered; `status` 0 where the connection was cut first."""

    verb: str
    path: str
    manager: str
    dry_run: bool
    status: int


class Ledger:
    """Counts and remembers writes, and says when the connection is to be cut. Thread-safe. Reviews are no writes."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self._lock = threading.Lock()
        self._left: int | None = None
        self._after = False

    def kill_at(self, n: int, *, after: bool) -> None:
        with self._lock:
            self._left, self._after = n, after

    def revive(self) -> None:
        with self._lock:
            self._left = None

    def cut(self, request: Request) -> str:
        """ "before" or "after" its effect, for the write whose turn it is; else ""."""
        if not is_write(request) or request.dry_run:
            return ""
        with self._lock:
            if self._left is None:
                return ""
            self._left -= 1
            return "" if self._left > 0 else "after" if self._after else "before"

    def record(self, request: Request, status: int) -> None:
        if is_write(request):
            write = Write(request.method, request.path, request.manager, request.dry_run, status)
            with self._lock:
                self.writes.append(write)


def is_write(request: Request) -> bool:
    return request.method in ("POST", "PUT", "PATCH", "DELETE") and "reviews" not in request.path
