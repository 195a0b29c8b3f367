"""/healthz, /readyz and /metrics over HTTP, beside the loop and never in its way. Started by `command`."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Final, NamedTuple

import click
from prometheus_client.exposition import choose_encoder

from pilotage.domain.errors import Refused
from pilotage.faces.operator.metrics import Metrics
from pilotage.faces.operator.pulse import Pulse

_SLOW: Final = 5.0  # seconds for one read or write of a client
_WHOLE: Final = 10.0  # seconds for the whole exchange: who trickles is hung up on
OFF: Final = "off"


class Place(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def place(text: str) -> Place | None:
    """`127.0.0.1:8085`, `[::1]:8085` or `:8085`, which is every address; None for `off`. Raises BadParameter."""
    if text == OFF:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(f"{text!r} is neither HOST:PORT nor {OFF}")
    return Place(host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port))


@contextmanager
def serving(at: Place, metrics: Metrics, pulse: Pulse) -> Iterator[Place]:
    """Serves until left; gives the place that was bound (port 0 lets the system choose). Raises Refused."""
    server = _server(at, metrics, pulse)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="http", daemon=True)
    thread.start()
    try:
        yield at._replace(port=server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def _server(at: Place, metrics: Metrics, pulse: Pulse) -> "_Server":
    try:
        return _Server(at, metrics, pulse)
    except (OSError, OverflowError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        other = at._replace(port=at.port + 1 if at.port < 65535 else 0)
        fix = f"pilotage operator --listen {other}"
        raise Refused(f"cannot listen on {at}: {cause.lower()}", fix=fix) from None


class _Server(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False

    def __init__(self, at: Place, metrics: Metrics, pulse: Pulse) -> None:
        self.metrics, self.pulse = metrics, pulse
        self.address_family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
        super().__init__((at.host, at.port), _Handler)

    def handle_error(self, *_: Any) -> None:
        """A client that went away, or was too slow, is no event."""


class _Handler(BaseHTTPRequestHandler):
    """One exchange per connection (HTTP/1.0)."""

    server: _Server
    timeout = _SLOW

    def setup(self) -> None:
        super().setup()
        self._limit = threading.Timer(_WHOLE, self._hang_up)
        self._limit.daemon = True
        self._limit.start()

    def finish(self) -> None:
        self._limit.cancel()
        super().finish()

    def _hang_up(self) -> None:
        with suppress(OSError):  # it is gone already
            self.connection.shutdown(socket.SHUT_RDWR)

    def do_GET(self) -> None:  # noqa: N802, the standard library's name
        path = self.path.partition("?")[0]
        if path == "/healthz":
            self._judge(self.server.pulse.still())
        elif path == "/readyz":
            self._judge(self.server.pulse.deaf())
        elif path == "/metrics":
            encode, content = choose_encoder(self.headers.get("Accept") or "")
            self._answer(200, encode(self.server.metrics.registry), content)
        else:
            self._answer(404, b"/healthz, /readyz and /metrics are here\n")

    def _judge(self, against: str) -> None:
        self._answer(503 if against else 200, f"{against or 'ok'}\n".encode())

    def _answer(self, status: int, body: bytes, content: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "pilotage"

    def log_message(self, *_: Any) -> None:
        """Probes come every few seconds: none is an event."""
