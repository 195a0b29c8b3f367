"""The operator's HTTP server on loopback: probes, metrics, and clients that behave badly."""

import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import NamedTuple

import click
import pytest

from pilotage.domain.errors import Refused
from pilotage.faces.operator import server
from pilotage.faces.operator.metrics import Metrics
from pilotage.faces.operator.pulse import SILENT, STILL, Pulse
from pilotage.faces.operator.server import Place, place, serving


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Served(NamedTuple):
    at: Place
    metrics: Metrics
    pulse: Pulse
    clock: Clock

    def get(self, path: str) -> tuple[int, str]:
        with closing(HTTPConnection(self.at.host, self.at.port, timeout=10)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


@pytest.fixture
def served() -> Iterator[Served]:
    clock = Clock()
    metrics, pulse = Metrics("9.9.9"), Pulse(clock)
    with serving(Place("127.0.0.1", 0), metrics, pulse) as at:
        yield Served(at, metrics, pulse, clock)


def test_a_loop_that_moves_is_healthy_and_one_that_stands_still_is_not(served: Served) -> None:
    assert served.get("/healthz") == (200, "ok\n")
    served.clock.now += STILL + 1
    status, words = served.get("/healthz")
    assert (status, "has not moved" in words) == (503, True)
    served.pulse.turn()
    assert served.get("/healthz")[0] == 200


def test_ready_is_who_hears_the_api_server(served: Served) -> None:
    assert served.get("/readyz")[0] == 503
    served.pulse.heard(200)
    assert served.get("/readyz") == (200, "ok\n")
    served.clock.now += 1
    served.pulse.heard(0)
    assert served.get("/readyz")[0] == 503
    served.clock.now += 1
    served.pulse.heard(403)  # a refusal is an answer
    assert served.get("/readyz")[0] == 200
    served.clock.now += SILENT + 1
    assert served.get("/readyz")[0] == 503


def test_metrics_are_text_of_prometheus_and_other_paths_say_what_is_here(served: Served) -> None:
    served.metrics.requests.labels("list", "200").inc()
    status, text = served.get("/metrics")
    assert status == 200
    assert 'pilotage_build_info{version="9.9.9"} 1.0' in text
    assert 'pilotage_api_requests_total{code="200",verb="list"} 1.0' in text
    assert served.get("/") == (404, "/healthz, /readyz and /metrics are here\n")


def test_a_slow_client_holds_nobody_up_and_is_hung_up_on(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server._Handler, "timeout", 0.2)
    with socket.create_connection(served.at, timeout=10) as slow:
        slow.sendall(b"GET /healthz HT")
        assert served.get("/healthz")[0] == 200
        assert slow.recv(1) == b""


def test_a_client_that_trickles_is_hung_up_on_as_a_whole(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_WHOLE", 0.2)
    with socket.create_connection(served.at, timeout=10) as slow:
        slow.sendall(b"GET /healthz HT")
        assert slow.recv(1) == b""


def test_a_client_that_goes_away_leaves_no_trace(served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        socket.create_connection(served.at).close()
    assert served.get("/healthz")[0] == 200
    assert capfd.readouterr().err == ""


def test_a_place_that_is_taken_is_refused_with_the_next_command(served: Served) -> None:
    taken = pytest.raises(Refused, match="cannot listen on 127.0.0.1:.*: address already in use")
    with taken as refused, serving(served.at, served.metrics, served.pulse):
        pytest.fail("two serve at one place")
    assert refused.value.fix == f"pilotage operator --listen 127.0.0.1:{served.at.port + 1}"


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("127.0.0.1:8085", Place("127.0.0.1", 8085)),
        ("[::1]:8085", Place("::1", 8085)),
        ("0.0.0.0:0", Place("0.0.0.0", 0)),
        (":8085", Place("0.0.0.0", 8085)),
        ("off", None),
    ],
)
def test_a_place_is_read(text: str, there: Place | None) -> None:
    assert place(text) == there


@pytest.mark.parametrize("text", ["", "8085", "localhost", "127.0.0.1:http", "127.0.0.1:70000", "127.0.0.1:-1"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="HOST:PORT"):
        place(text)
