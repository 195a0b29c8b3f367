"""The host's only way in: accepts on an inherited socket of the host's 127.0.0.1 and pipes to the API server inside.

A process of its own (`python -m pilotage_sandbox.frontdoor FD HOST PORT`, started by the supervisor), so that a busy
supervisor does not slow the API down. Each direction is a thread in splice(2): the bytes of a 100 MB list never enter
Python, and the thread holds no interpreter lock while it waits.
"""

import contextlib
import os
import socket
import sys
import threading

CHUNK = 1 << 20


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    target = (sys.argv[2], int(sys.argv[3]))
    threading.stack_size(128 * 1024)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, target), daemon=True).start()


def serve(client: socket.socket, target: tuple[str, int]) -> None:
    """One connection until both sides have finished; a target that is not there closes it at once."""
    with client:
        try:
            server = socket.create_connection(target, timeout=10)
        except OSError:
            return
        with server:
            for side in (client, server):
                side.settimeout(None)
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            upwards = threading.Thread(target=pump, args=(client, server), daemon=True)
            upwards.start()
            pump(server, client)
            upwards.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy until the source ends, then end the sink's side too; a broken one ends both: nobody waits for ever."""
    reader, writer = os.pipe()
    try:
        while moved := os.splice(source.fileno(), writer, CHUNK):
            while moved:
                moved -= os.splice(reader, sink.fileno(), moved)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for side in (source, sink):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
    finally:
        os.close(reader)
        os.close(writer)


if __name__ == "__main__":
    main()
