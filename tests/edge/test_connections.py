"""Connections: kept while the server keeps them, through a proxy where there is one, unpacked where they are packed."""

import gzip
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from loopback_api import Asked, Reply, serving, write_kubeconfig

from certificates import Pair, speaking
from harness import eventually
from pilotage.domain.errors import Refused, Unreachable
from pilotage.edge.kube import Kube


class Proxy:
    """A CONNECT proxy on loopback that wants `user:secret`, and keeps the heads of what it was asked."""

    def __init__(self, welcome: bool) -> None:
        self.welcome = welcome
        self.asked: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://user:secret@127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        head = client.recv(65536).decode()
        self.asked.append(head)
        if not self.welcome:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            client.close()
            return
        host, port = head.split()[1].rsplit(":", 1)
        with client, socket.create_connection((host, int(port))) as beyond:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                for here in select.select([client, beyond], [], [])[0]:
                    data = here.recv(65536)
                    if not data:
                        return
                    (beyond if here is client else client).sendall(data)


def answer(_: object) -> Reply:
    return Reply({"gitVersion": "v1.2.3"})


@contextmanager
def proxying(welcome: bool = True) -> Iterator[Proxy]:
    proxy = Proxy(welcome)
    threading.Thread(target=proxy.serve, daemon=True).start()
    yield proxy
    proxy.listener.close()


def test_tls_goes_through_a_proxy_to_the_server_that_the_certificate_names(tmp_path: Path, server: Pair) -> None:
    with serving(answer, speaking(server)) as api, proxying() as proxy:
        cluster = f"certificate-authority: server.crt, proxy-url: '{proxy.address}'"
        kube = Kube.connect(write_kubeconfig(tmp_path / "config", api.address, cluster))
        assert str(kube.version()) == "1.2.3"
        [head] = proxy.asked
    assert head.startswith("CONNECT 127.0.0.1:")
    assert "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=" in head


def test_a_proxy_that_refuses_is_named_as_the_cause(tmp_path: Path, server: Pair) -> None:
    with serving(answer, speaking(server)) as api, proxying(welcome=False) as proxy:
        config = write_kubeconfig(tmp_path / "config", api.address, f"proxy-url: '{proxy.address}'")
        with pytest.raises(Unreachable, match="the proxy does not let us through: .*407"):
            Kube.connect(config).version()


def test_a_proxy_whose_name_does_not_resolve_is_named_and_not_the_server(tmp_path: Path) -> None:
    config = write_kubeconfig(tmp_path / "config", "https://cluster.invalid", "proxy-url: 'http://proxy.invalid:3128'")
    with pytest.raises(Unreachable, match="the proxy does not let us through: .*; check proxy-url and HTTPS_PROXY"):
        Kube.connect(config, deadline=5).version()


@pytest.mark.parametrize(
    ("proxy", "kind"), [("https://p:3128", "HTTPS"), ("socks5://p", "SOCKS"), ("socks5h://p", "SOCKS")]
)
def test_other_proxies_are_refused_in_words(tmp_path: Path, proxy: str, kind: str) -> None:
    config = write_kubeconfig(tmp_path / "config", "https://cluster.invalid", f"proxy-url: '{proxy}'")
    with pytest.raises(Refused, match=f"{kind} proxies are not supported"):
        Kube.connect(config).version()


def test_a_packed_answer_is_unpacked(tmp_path: Path) -> None:
    body = gzip.compress(b'{"gitVersion": "v1.2.3"}')
    with serving(lambda _: Reply(body, headers={"Content-Encoding": "gzip"})) as api:
        assert str(api.connect(tmp_path).version()) == "1.2.3"


def test_an_answer_that_only_claims_to_be_packed_is_no_traceback(tmp_path: Path) -> None:
    with (
        serving(lambda _: Reply(b"plain", headers={"Content-Encoding": "gzip"})) as api,
        pytest.raises(Unreachable, match="the connection broke: .*decompressing"),
    ):
        api.connect(tmp_path).version()


def test_requests_one_after_another_share_a_connection(tmp_path: Path, server: Pair) -> None:
    with serving(answer, speaking(server)) as api, proxying() as proxy:
        cluster = f"certificate-authority: server.crt, proxy-url: '{proxy.address}'"
        kube = Kube.connect(write_kubeconfig(tmp_path / "config", api.address, cluster))
        for _ in range(3):
            kube.version()
        assert len(proxy.asked) == 1


def test_a_connection_that_the_server_closed_meanwhile_is_replaced(tmp_path: Path) -> None:
    def once(asked: Asked) -> Reply:
        return Reply({"metadata": {"name": asked.headers["User-Agent"]}}, cut=1000)  # closes after it has answered

    with serving(once) as api:
        kube = api.connect(tmp_path)
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})
        (kept,) = kube.transport._line.pool()._kept
        eventually("the end of the connection has come", lambda: kept.stale)
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})
