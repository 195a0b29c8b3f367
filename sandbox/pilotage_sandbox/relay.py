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
_REFUSED = b"HTTP/1.1 503 Connection refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def main() -> None:
    """Copy both ways until the connection's other side closes."""
    try:
        connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    except ConnectionRefusedError:
        # A kubelet would break the stream off; kwok keeps it open until its client leaves, who would wait in vain.
        os.write(1, _REFUSED)
        sys.exit(1)
    with connection:
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
