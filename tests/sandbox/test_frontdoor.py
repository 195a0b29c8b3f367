"""The pipe between the host and the API server inside a sandbox."""

import os
import socket
import threading
from collections.abc import Callable

from pilotage_sandbox import frontdoor

BIG = 32 << 20


def behind(answer: Callable[[socket.socket], None]) -> socket.socket:
    """A client's connection through the front door to a server that answers once."""
    inner = socket.create_server(("127.0.0.1", 0))
    outer = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = inner.accept()
        inner.close()
        with connection:
            answer(connection)

    def door() -> None:
        accepted, _ = outer.accept()
        outer.close()
        frontdoor.serve(accepted, ("127.0.0.1", port))

    port = inner.getsockname()[1]
    client = socket.create_connection(outer.getsockname())
    client.settimeout(30)
    for work in (serve, door):
        threading.Thread(target=work, daemon=True).start()
    return client


def read_all(side: socket.socket) -> bytes:
    pieces = []
    while piece := side.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def test_a_client_that_has_finished_asking_still_gets_all_of_a_long_answer() -> None:
    blob = os.urandom(BIG)

    def answer(connection: socket.socket) -> None:
        assert read_all(connection) == b"list, please"
        connection.sendall(blob)

    with behind(answer) as client:
        client.sendall(b"list, please")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == blob


def test_a_server_that_has_finished_answering_still_hears_the_client() -> None:
    heard = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.shutdown(socket.SHUT_WR)
        if read_all(connection) == b"more":
            heard.set()

    with behind(answer) as client:
        assert client.recv(1) == b""
        client.sendall(b"more")
        client.shutdown(socket.SHUT_WR)
        assert heard.wait(30)


def test_a_client_is_hung_up_on_when_the_api_server_is_not_there() -> None:
    gone = socket.create_server(("127.0.0.1", 0))
    port = gone.getsockname()[1]
    gone.close()
    ours, theirs = socket.socketpair()
    frontdoor.serve(theirs, ("127.0.0.1", port))
    assert ours.recv(1) == b""
