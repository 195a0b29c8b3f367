"""An HTTP server on loopback that answers as a test says: the boundary behind which the real client is tested."""

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from pilotage.edge.kube import Kube


class Asked(NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Reply(NamedTuple):
    """`cut`: end the connection after so many bytes of the body. `hang`: say no more until the test is over.

    `chunked`: as the API server sends a watch. `trickle`: the body, a byte at a time, this many seconds apart.
    `events`: a watch that goes on as long as these do, instead of a body.
    """

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = {}
    cut: int | None = None
    hang: bool = False
    chunked: bool = False
    trickle: float = 0.0
    events: Iterator[bytes] | None = None


Respond = Callable[[Asked], Reply]


def status(code: int, reason: str, message: str, **more: Any) -> Reply:
    """A Status as Kubernetes words it."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message}
    return Reply({**body, "code": code, **more}, code)


def objects(*names: str, more: str = "", version: str = "1") -> Reply:
    items = [{"metadata": {"name": name, "namespace": "shop", "resourceVersion": version}} for name in names]
    return Reply({"kind": "PodList", "items": items, "metadata": {"continue": more, "resourceVersion": version}})


def events(*told: tuple[str, dict[str, Any]]) -> Reply:
    """A watch that tells these and ends."""
    return Reply(
        b"".join(json.dumps({"type": kind, "object": item}).encode() + b"\n" for kind, item in told), chunked=True
    )


class Api:
    def __init__(self, respond: Respond, server: ThreadingHTTPServer, scheme: str) -> None:
        self.respond, self._server, self._scheme = respond, server, scheme
        self.over = threading.Event()

    @property
    def address(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def kubeconfig(self, folder: Path, cluster: str = "", user: str = "token: secret") -> str:
        return write_kubeconfig(folder / "config", self.address, cluster, user)

    def connect(self, folder: Path, deadline: float = 10.0) -> Kube:
        return Kube.connect(self.kubeconfig(folder), deadline=deadline)


def write_kubeconfig(path: Path, server: str, cluster: str = "", user: str = "") -> str:
    path.write_text(
        "current-context: there\n"
        "contexts: [{name: there, context: {cluster: c, user: u, namespace: shop}}]\n"
        f"clusters: [{{name: c, cluster: {{server: '{server}'{', ' + cluster if cluster else ''}}}}}]\n"
        f"users: [{{name: u, user: {{{user}}}}}]\n"
    )
    return str(path)


def _wire(reply: Reply, content: bytes) -> bytes:
    end = b"0\r\n\r\n" if reply.cut is None else b""
    return b"%x\r\n%b\r\n%b" % (len(content), content, end) if reply.chunked else content


def _stream(handler: BaseHTTPRequestHandler, told: Iterator[bytes]) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for piece in told:
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    handler.wfile.write(b"0\r\n\r\n")


def _trickle(handler: BaseHTTPRequestHandler, wire: bytes, pause: float, over: threading.Event) -> bytes:
    """What is left to send once the test is over: all of it without a pause."""
    while pause and wire and not over.wait(pause):
        handler.wfile.write(wire[:1])
        wire = wire[1:]
    return wire


@contextmanager
def serving(respond: Respond, tls: ssl.SSLContext | None = None) -> Iterator[Api]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            return

        def handle_one_request(self) -> None:
            with contextlib.suppress(OSError):
                super().handle_one_request()

        def _answer(self) -> None:
            address = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(address.query).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = api.respond(Asked(self.command, address.path, query, self.headers, body))
            if reply.events is not None:
                _stream(self, reply.events)
                return
            if reply.hang and reply.cut is None:
                self._wait()
                return
            content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            size = {"Transfer-Encoding": "chunked"} if reply.chunked else {"Content-Length": str(len(content))}
            for name, value in {**reply.headers, **size}.items():
                self.send_header(name, value)
            self.end_headers()
            wire = _wire(reply, content[: reply.cut])
            self.wfile.write(_trickle(self, wire, reply.trickle, api.over))
            if reply.hang:
                self._wait()
            self.close_connection = reply.cut is not None

        def _wait(self) -> None:
            api.over.wait()
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    api = Api(respond, server, "https" if tls else "http")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield api
    finally:
        api.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
