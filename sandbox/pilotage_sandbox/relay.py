"""Standard input and output as a connection to a loopback port: `python relay.py PORT`, run inside a pod's network.

kwok runs one for each forwarded connection (see `podreport.open_doors`). A forwarded connection reaches a process from
loopback, as on a real node: istiod answers its debug endpoints there without asking who it is, and nowhere else.
Only the standard library: it starts in 20 ms.
"""

import contextlib
import os
import socket
import sys
import threading

_CHUNK = 65536


def main() -> None:
    """Copy both ways until the connection's other side closes."""
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
        threading.Thread(target=_send, args=(connection,), daemon=True).start()
        while data := connection.recv(_CHUNK):
            with memoryview(data) as rest:
                written = 0
                while written < len(rest):
                    written += os.write(1, rest[written:])
    os._exit(0)  # the other direction may be waiting for input that never comes


def _send(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := os.read(0, _CHUNK):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main()
