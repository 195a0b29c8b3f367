"""An HTTP answer from within a pod, through the channels of a port-forward."""

import base64
import hashlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from loopback_api import serving, status, write_kubeconfig

from pilotage.domain.errors import MeshError, Refused, Retry, Unreachable
from pilotage.edge.kube import Kube, NotThere

PORT = struct.pack("<H", 15014)
Send = Callable[[bytes], None]


def frame(payload: bytes, opcode: int = 2) -> bytes:
    """A frame as servers send it: whole, unmasked."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size)
    return bytes([0x80 | opcode]) + length + payload


@contextmanager
def kubelet(folder: Path, *messages: bytes, close: bool = True) -> Iterator[Kube]:
    """Greets both channels, waits for the request, answers with `messages` and closes."""
    done = threading.Event()

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            asked = connection.recv(65536).decode()
            key = next(line.split(": ")[1] for line in asked.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
            proof = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Protocol: v4.channel.k8s.io\r\nSec-WebSocket-Accept: "
                + base64.b64encode(proof)
                + b"\r\n\r\n"
            )
            connection.sendall(frame(b"\0" + PORT) + frame(b"\1" + PORT))
            connection.recv(65536)
            for message in messages:
                connection.sendall(frame(message))
            if close:
                connection.sendall(frame(struct.pack(">H", 1000), opcode=8))
            done.wait()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        yield Kube.connect(write_kubeconfig(folder / "config", address), deadline=1)
        done.set()
        thread.join()


def ask(kube: Kube) -> bytes:
    return kube.pod_get("mesh", "istiod-1", 15014, "/version")


@pytest.mark.parametrize(
    "answer",
    [
        [b"\0HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
        [b"\0HTTP/1.1 200 OK\r\nContent-Le", b"\0ngth: 5\r\n\r\nhe", b"\0llo"],
        [b"\0HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n", b"\x003\r\nllo\r\n0\r\n\r\n"],
        [b"\0HTTP/1.0 200 OK\r\n\r\nhel", b"\0lo"],
    ],
)
def test_an_answer_arrives_whole_however_it_is_cut(tmp_path: Path, answer: list[bytes]) -> None:
    with kubelet(tmp_path, *answer) as kube:
        assert ask(kube) == b"hello"


def test_an_answer_of_known_length_does_not_wait_for_the_end(tmp_path: Path) -> None:
    with kubelet(tmp_path, b"\0HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", close=False) as kube:
        assert ask(kube) == b"hello"


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (
            b"\0HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno",
            Refused,
            "mesh/istiod-1:15014/version answered 401: no",
        ),
        (b"\0HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Retry, "answered 503"),
        (b"\1error forwarding port 15014: connection refused", Retry, "connection refused"),
        (b"\0HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", Retry, "broke off"),
        (b"\0SSH-2.0\r\n\r\n", Retry, "broke off"),
        (b"", Retry, "broke off"),
    ],
)
def test_a_pod_that_cannot_answer_is_told_as_it_is(
    tmp_path: Path, answer: bytes, error: type[MeshError], words: str
) -> None:
    with kubelet(tmp_path, answer) as kube, pytest.raises(error, match=words):
        ask(kube)


def test_a_pod_that_is_silent_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    with kubelet(tmp_path, close=False) as kube, pytest.raises(Retry, match="no answer within 1 s"):
        ask(kube)


def test_a_pod_that_is_not_there_is_told_by_the_api_server(tmp_path: Path) -> None:
    with serving(lambda _: status(404, "NotFound", 'pods "istiod-1" not found')) as api, pytest.raises(NotThere):
        ask(api.connect(tmp_path))


def test_no_api_server_is_unreachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(Unreachable, match="connection refused"):
        ask(Kube.connect(write_kubeconfig(tmp_path / "config", address)))
