"""What a forwarded connection meets inside a pod."""

import socket
import subprocess
import sys
from pathlib import Path

import pilotage_sandbox

RELAY = [sys.executable, str(Path(pilotage_sandbox.__file__).with_name("relay.py"))]


def test_a_port_where_nobody_listens_answers_at_once_instead_of_keeping_its_caller() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = str(gone.getsockname()[1])
    done = subprocess.run([*RELAY, port], stdin=subprocess.PIPE, capture_output=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith(b"HTTP/1.1 503 ")


def test_a_port_where_somebody_listens_is_copied_both_ways() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = [*RELAY, str(server.getsockname()[1])]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as relay:
            connection, _ = server.accept()
            assert relay.stdin and relay.stdout
            relay.stdin.write(b"ping")
            relay.stdin.flush()
            assert connection.recv(16) == b"ping"
            connection.sendall(b"pong")
            connection.close()
            assert relay.stdout.read() == b"pong"
            relay.stdin.close()
