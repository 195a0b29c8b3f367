"""A small file from a URL: in time, in size, and by https unless it is on this machine. Called by the faces.

HTTPS_PROXY and NO_PROXY count, as everywhere. The libraries are imported when something is fetched.
"""

import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pilotage.domain.errors import Refused, Retry
from pilotage.edge.proxies import is_loopback

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from urllib.request import OpenerDirector

LIMIT: Final = 512 * 1024  # bytes: with its signature it must fit into a ConfigMap
_DEADLINE: Final = 15.0  # seconds for the whole
_STALL: Final = 5.0  # seconds without a byte
_BLOCK: Final = 65536


def download(url: str, *, limit: int = LIMIT, deadline: float = _DEADLINE) -> bytes:
    """Raises Refused for a URL that is not fetched and for a file over `limit` bytes, Retry for what did not answer."""
    from http.client import HTTPException
    from urllib.error import HTTPError

    _allowed(url)
    until = time.monotonic() + deadline
    try:
        with _opener().open(url, timeout=min(_STALL, deadline)) as answer:
            return _body(url, answer, limit, until)
    except HTTPError as error:
        raise Retry(f"{url} answered {error.code} {error.reason}") from None
    except TimeoutError:
        raise Retry(f"{url} did not answer within {deadline:g} s") from None
    except (OSError, HTTPException) as error:
        raise Retry(f"{url} cannot be reached: {getattr(error, 'reason', None) or error}") from None


def _body(url: str, answer: "HTTPResponse", limit: int, until: float) -> bytes:
    parts, size = [], 0
    while block := answer.read1(_BLOCK):
        parts.append(block)
        size += len(block)
        if size > limit:
            raise Refused(f"{url} is larger than {limit // 1024} KiB", fix="leave out minors that nobody runs")
        if time.monotonic() > until:
            raise TimeoutError
    if answer.length:
        raise Retry(f"{url} was cut short: {answer.length} bytes are missing")
    return b"".join(parts)


def _allowed(url: str) -> None:
    try:
        place, _ = urlsplit(url), urlsplit(url).port
    except ValueError as error:
        raise Refused(f"{url} is not a URL: {error}", fix="name an https URL") from None
    if place.scheme != "https" and not (place.scheme == "http" and is_loopback(url)):
        raise Refused(f"{url} is not fetched: only https is, and http from this machine", fix="name an https URL")


def _opener() -> "OpenerDirector":
    from urllib.request import HTTPRedirectHandler, build_opener

    class Redirects(HTTPRedirectHandler):
        """No way from https to anything else."""

        def redirect_request(self, *request: object) -> object:  # type: ignore[override]
            _allowed(str(request[-1]))
            return super().redirect_request(*request)  # type: ignore[arg-type]

    return build_opener(Redirects)
