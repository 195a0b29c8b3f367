"""HTTP GET inside a pod, by port-forward over a websocket: it arrives there from loopback. Used by `kube`.

Protocol `v4.channel.k8s.io`: each message starts with its channel, 0 for data and 1 for errors, and the first message
of each channel is the port.
"""

import http.client
import io
import socket
import time
from typing import Any, Final, cast
from urllib.parse import urlsplit

import websocket

from pilotage.domain.errors import Refused, Retry
from pilotage.edge.failures import Answer, answered, broken, parse_status
from pilotage.edge.proxies import proxy_for
from pilotage.edge.transport import Transport

_DATA: Final = b"\0"
_PROTOCOL: Final = "v4.channel.k8s.io"


def get(transport: Transport, pod: str, port: int, path: str) -> bytes:
    """`pod` is `/api/v1/namespaces/NS/pods/NAME`. Raises Refused for a 4xx from within, Retry where none answers."""
    what = f"{'/'.join(pod.split('/')[-3::2])}:{port}{path}"
    try:
        stream = _Data(_open(transport, f"{pod}/portforward?ports={port}"), transport.peer.deadline)
        with stream:
            return _exchange(stream, path, what)
    except http.client.HTTPException as error:  # first, for some are connection errors as well
        raise Retry(f"{what}: the answer broke off ({type(error).__name__})") from None
    except websocket.WebSocketBadStatusException as refusal:
        status = parse_status(bytes(refusal.resp_body or b""))
        raise answered(Answer(f"port-forward to {what}", refusal.status_code, status, 1.0)) from None
    except (websocket.WebSocketTimeoutException, TimeoutError):
        raise Retry(f"{what}: no answer within {transport.peer.deadline:g} s") from None
    except (websocket.WebSocketException, OSError) as error:
        raise broken(error, transport.peer) from None


def _open(transport: Transport, path: str) -> websocket.WebSocket:
    cluster = transport.target.cluster
    proxy = urlsplit(proxy_for(cluster))
    options: dict[str, Any] = {"http_no_proxy": ["*"]}  # else it would look at the environment by rules of its own
    if proxy.hostname:
        options = {
            "http_proxy_host": proxy.hostname,
            "http_proxy_port": proxy.port or 80,
            "http_proxy_auth": (proxy.username, proxy.password) if proxy.username else None,
            "http_no_proxy": ["-"],
        }
    tls = transport.tls()
    return websocket.create_connection(
        "ws" + transport.server.removeprefix("http") + path,
        timeout=transport.peer.deadline,
        header=transport.credentials.header(),
        subprotocols=[_PROTOCOL],
        sslopt={"context": tls, "server_hostname": cluster.tls_server_name} if tls else {},
        suppress_origin=True,
        redirect_limit=0,
        **options,
    )


def _exchange(stream: "_Data", path: str, what: str) -> bytes:
    stream.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    response = http.client.HTTPResponse(cast(socket.socket, stream), method="GET")
    response.begin()
    body = response.read()
    if response.status == 200:
        return body
    said = f"{what} answered {response.status}: {' '.join(body.decode(errors='replace').split())[:200]}"
    raise Refused(said, fix="pilotage check") if response.status < 500 else Retry(said)


class _Data(io.RawIOBase):
    """The data channel as a file. `deadline` seconds are for all of it."""

    def __init__(self, messages: websocket.WebSocket, deadline: float) -> None:
        self._messages = messages
        self._ends = time.monotonic() + deadline
        self._greeted: set[bytes] = set()
        self._rest = b""

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def send(self, data: bytes) -> None:
        self._messages.send_binary(_DATA + data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            message = self._next()
            if message is None:
                return 0
            self._rest = message
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def _next(self) -> bytes | None:
        """The next piece of data, None at the end. Raises Retry with what the kubelet says on the error channel."""
        self._messages.settimeout(max(self._ends - time.monotonic(), 0.01))
        try:
            opcode, message = self._messages.recv_data()
        except websocket.WebSocketConnectionClosedException:
            return None
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return None
        channel, data = bytes(message[:1]), bytes(message[1:])
        if channel not in self._greeted:
            self._greeted.add(channel)
            return b""
        if channel != _DATA:
            raise Retry(data.decode(errors="replace"))
        return data

    def close(self) -> None:
        if not self.closed:
            self._messages.close(timeout=0)
        super().close()
