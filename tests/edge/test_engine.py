"""The process of Helm's engine: one for all charts, another where it ended, none beyond its owner."""

import json
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import eventually
from pilotage.edge.engine import Engine, EngineFailed

pytest.importorskip("helm_python")

REFUSED = json.dumps({"path": "/nowhere", "name": "a", "namespace": "b", "values": {}}).encode()
ELSEWHERE = json.dumps({"path": "/elsewhere", "name": "a", "namespace": "b", "values": {}}).encode()


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.close()


def children() -> set[int]:
    """Processes of an engine that this one started and that live."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            words = (place / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if parent == os.getpid() and b"charts_child" in words:
            found.add(int(place.name))
    return found


def test_one_process_answers_all_requests_and_says_what_is_wrong_with_each(engine: Engine) -> None:
    others = children()
    assert "error" in json.loads(engine.ask(REFUSED))
    there = children() - others
    assert "error" in json.loads(engine.ask(REFUSED))
    assert children() - others == there
    assert len(there) == 1


def test_one_that_was_killed_while_it_waited_is_missed_by_nobody(engine: Engine) -> None:
    others = children()
    engine.warm()
    [first] = children() - others
    os.kill(first, signal.SIGKILL)
    eventually("it has ended", lambda: first not in children())
    assert "error" in json.loads(engine.ask(REFUSED))


def test_one_that_is_killed_at_its_work_is_named_and_the_next_request_starts_another(engine: Engine) -> None:
    others = children()
    engine.warm()
    [first] = children() - others
    os.kill(first, signal.SIGSTOP)
    killer = threading.Timer(0.2, os.kill, (first, signal.SIGKILL))
    killer.start()
    with pytest.raises(EngineFailed, match="killed"):
        engine.ask(REFUSED)
    assert "error" in json.loads(engine.ask(REFUSED))


def test_one_that_has_answered_makes_room_for_a_fresh_one_and_one_that_waits_goes_on_waiting(engine: Engine) -> None:
    others = children()
    engine.warm()
    waiting = children() - others
    engine.warm()
    assert children() - others == waiting
    engine.ask(REFUSED)
    engine.warm()
    assert len(children() - others) == 1
    assert children() - others != waiting


def test_none_is_left_when_it_is_closed(engine: Engine) -> None:
    others = children()
    engine.ask(REFUSED)
    engine.close()
    assert children() == others


def test_it_needs_no_folder_that_can_be_written(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    assert "error" in json.loads(engine.ask(REFUSED))


def test_what_a_fresh_one_practises_on_is_no_answer_to_what_it_is_asked(engine: Engine) -> None:
    engine.ask(REFUSED, again=True)
    engine.warm()
    for _ in range(2):
        assert "/elsewhere" in json.loads(engine.ask(ELSEWHERE))["error"]
    assert "/nowhere" in json.loads(engine.ask(REFUSED))["error"]


def test_a_long_request_after_a_long_answer_that_nobody_reads_is_no_hindrance(
    engine: Engine, istio_charts: Path
) -> None:
    path = str(istio_charts / "istio-control" / "istio-discovery")
    values = {"description": "x" * 200_000}  # more than a pipe holds
    request = json.dumps({"path": path, "name": "istiod", "namespace": "istio-system", "values": values}).encode()
    answer = engine.ask(request, again=True)
    engine.warm()
    assert engine.ask(request) == answer
