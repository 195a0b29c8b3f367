"""An API server that misbehaves as a test says: a proxy on loopback, with TLS of its own, before the real one.

Clients need no credentials of theirs; what goes through is sent with those of the sandbox's kubeconfig.
"""

import base64
import contextlib
import http.client
import ipaddress
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import yaml
from cryptography import x509

from certificates import Pair, issue, speaking

_HOP = {"connection", "transfer-encoding", "content-length", "accept-encoding", "host"}


class Asked(NamedTuple):
    """One request, when it came (monotonic), and by whom."""

    method: str
    path: str
    query: dict[str, str]
    at: float

    @property
    def watches(self) -> bool:
        return "watch" in self.query

    @property
    def writes(self) -> bool:
        return self.method != "GET" and "dryRun" not in self.query and not self.path.endswith("reviews")


@dataclass
class Fault:
    """What happens to the first `times` requests that `fits`, until it is lifted.

    `way`: `answer` with code, headers and message instead of asking; `reset` the connection instead of asking or,
    with `late`, after the request was carried out; `hang`; `trickle` the true answer a byte at a time; `cut` its JSON.
    """

    way: str
    fits: Callable[[Asked], bool]
    times: int = 10**9
    code: int = 0
    message: str = ""
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    late: bool = False
    hit: list[Asked] = field(default_factory=list)
    lifted: threading.Event = field(default_factory=threading.Event)

    def takes(self, asked: Asked) -> bool:
        if self.lifted.is_set() or len(self.hit) >= self.times or not self.fits(asked):
            return False
        self.hit.append(asked)
        return True

    @property
    def body(self) -> bytes:
        told = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": self.code}
        return json.dumps({**told, "reason": self.reason, "message": self.message}).encode()


class FaultProxy:
    """`asked` is every request that came, in order."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        told = yaml.safe_load(kubeconfig.read_text())
        (cluster,), (user,) = told["clusters"], told["users"]
        self._beyond = urlsplit(cluster["cluster"]["server"])
        self._tls = _trusting(cluster["cluster"], user["user"], folder)
        self.certificates = issue(folder, "proxy", x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        self.kubeconfig = folder / "through-proxy"
        self.asked: list[Asked] = []
        self.open: set[ssl.SSLSocket] = set()
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[Fault]:
        """In force meanwhile."""
        with self._lock:
            self._faults.append(fault)
        try:
            yield fault
        finally:
            fault.lifted.set()
            with self._lock:
                self._faults.remove(fault)

    def drop(self) -> None:
        """Ends every connection that is open, watches among them."""
        for connection in tuple(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def judge(self, asked: Asked) -> Fault | None:
        with self._lock:
            self.asked.append(asked)
            return next((fault for fault in self._faults if fault.takes(asked)), None)

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._beyond.hostname or "", self._beyond.port, context=self._tls)

    def dial(self) -> ssl.SSLSocket:
        address = (self._beyond.hostname or "", self._beyond.port or 443)
        return self._tls.wrap_socket(socket.create_connection(address), server_hostname=self._beyond.hostname)

    def point(self, port: int) -> None:
        """Writes the kubeconfig that leads here."""
        authority = base64.b64encode(self.certificates.certificate.read_bytes()).decode()
        cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": authority}
        config = {
            "current-context": "faults",
            "clusters": [{"name": "faults", "cluster": cluster}],
            "users": [{"name": "faults", "user": {}}],
            "contexts": [{"name": "faults", "context": {"cluster": "faults", "user": "faults"}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultProxy

    def log_message(self, *_: Any) -> None:
        return

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (OSError, http.client.HTTPException):  # one of the two sides is gone, so is this connection
            self.close_connection = True

    def _exchange(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.judge(Asked(self.command, url.path, query, time.monotonic()))
        if "Upgrade" in self.headers and fault is None:
            return self._tunnel()
        if fault is not None and fault.way == "answer":
            return self._say(fault.code, fault.headers | {"Content-Type": "application/json"}, fault.body)
        if fault is not None and fault.way == "hang":
            fault.lifted.wait()
        if fault is not None and (fault.way == "hang" or (fault.way == "reset" and not fault.late)):
            return self._reset()
        return self._forward(body, fault)

    def _tunnel(self) -> None:
        """A port-forward: the request as it came, then bytes both ways until one side ends."""
        with self.proxy.dial() as beyond:
            lines = [
                f"{self.command} {self.path} HTTP/1.1",
                *(f"{key}: {value}" for key, value in self.headers.items()),
            ]
            beyond.sendall("\r\n".join([*lines, "", ""]).encode())
            back = threading.Thread(target=_copy, args=(beyond.recv, self.connection.sendall), daemon=True)
            back.start()
            _copy(self.rfile.read1, beyond.sendall)
            beyond.shutdown(socket.SHUT_RDWR)
            back.join()
        self.close_connection = True

    def _forward(self, body: bytes, fault: Fault | None) -> None:
        with contextlib.closing(self.proxy.connect()) as beyond:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            beyond.request(self.command, self.path, body or None, headers)
            answer = beyond.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            if fault is None:
                return self._pass(answer, kept)
            content = answer.read()
            if fault.way == "reset":
                return self._reset()
            if fault.way == "cut":
                return self._say(answer.status, kept, content[: len(content) // 2])
            return self._trickle(fault, answer.status, kept, content)

    def _pass(self, answer: http.client.HTTPResponse, headers: dict[str, str]) -> None:
        if answer.length is not None:
            return self._say(answer.status, headers, answer.read())
        self._head(answer.status, headers | {"Transfer-Encoding": "chunked"})
        while piece := answer.read1(1 << 16):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")
        return None

    def _trickle(self, fault: Fault, status: int, headers: dict[str, str], content: bytes) -> None:
        self._head(status, headers | {"Content-Length": str(len(content))})
        while content and not fault.lifted.wait(0.05):
            self.wfile.write(content[:1])
            content = content[1:]
        self.wfile.write(content)

    def _say(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self._head(status, headers | {"Content-Length": str(len(content))})
        self.wfile.write(content)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _reset(self) -> None:
        """RST instead of an end in good order."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _exchange  # noqa: N815


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultProxy) -> None:
        super().__init__(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
        self._proxy, self._tls = proxy, speaking(proxy.certificates)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake belongs to the thread of its connection: one that does not come must not hold up the rest."""
        with contextlib.suppress(OSError):
            connection = self._tls.wrap_socket(request, server_side=True)
            self._proxy.open.add(connection)
            try:
                super().finish_request(connection, client_address)
            finally:
                self._proxy.open.discard(connection)
                connection.close()

    def shutdown_request(self, request: Any) -> None:
        """At once: an end in good order would come before a reset."""
        self.close_request(request)


def _copy(read: Callable[[int], bytes], write: Callable[[bytes], Any]) -> None:
    with contextlib.suppress(OSError):
        while piece := read(1 << 16):
            write(piece)


@contextmanager
def faulty(kubeconfig: Path, folder: Path) -> Iterator[FaultProxy]:
    """A proxy before the cluster of `kubeconfig`; its own kubeconfig and keys are in `folder`."""
    proxy = FaultProxy(kubeconfig, folder)
    server = _Server(proxy)
    proxy.point(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _trusting(cluster: Any, user: Any, folder: Path) -> ssl.SSLContext:
    """TLS to the real one, with the certificate of the kubeconfig."""
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    pair = Pair(folder / "user.crt", folder / "user.key")
    pair.key.touch(mode=0o600)
    pair.certificate.write_bytes(base64.b64decode(user["client-certificate-data"]))
    pair.key.write_bytes(base64.b64decode(user["client-key-data"]))
    context.load_cert_chain(*pair)
    return context
