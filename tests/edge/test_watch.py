"""A follower sees every change, whatever happens to the connection or to the API server's memory."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from loopback_api import Asked, Reply, events, objects, serving, status

from pilotage.domain.errors import MeshError
from pilotage.edge.watch import Head, Objects, Watched

PODS = Watched("v1", "Pod")


def pod(name: str, version: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop", "resourceVersion": version}}


def line(change: str, obj: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"type": change, "object": obj}) + b"\n"


class Told:
    """A feed that notes what it is told."""

    def __init__(self) -> None:
        self.queue: queue.Queue[tuple[str, str]] = queue.Queue()

    def replace(self, objects: Objects, place: Callable[[], str]) -> None:
        names = " ".join(head.metadata.name for head, _ in objects)
        self.queue.put((f"LIST at {place()}", names))

    def take(self, change: str, head: Head, raw: msgspec.Raw) -> None:
        assert msgspec.json.decode(raw)["metadata"]["name"] == head.metadata.name
        self.queue.put((change, head.metadata.name))

    def at(self, place: str) -> None:
        self.queue.put(("BOOKMARK", place))

    def alive(self) -> None:
        self.queue.put(("ALIVE", ""))

    def failed(self, error: MeshError) -> None:
        self.queue.put((type(error).__name__, str(error)))

    def first(self, count: int) -> list[tuple[str, str]]:
        """The first so many, but that it lives."""
        told: list[tuple[str, str]] = []
        while len(told) < count:
            one = self.queue.get(timeout=20)
            if one[0] != "ALIVE":
                told.append(one)
        return told


@contextmanager
def following(folder: Path, respond: Any, watched: Watched = PODS, absent: float = 60.0) -> Iterator[Told]:
    feed, over = Told(), threading.Event()
    with serving(respond) as api:
        follower = api.connect(folder).follower(watched, feed, over, absent)
        thread = threading.Thread(target=follower.run, daemon=True)
        thread.start()
        try:
            yield feed
        finally:
            over.set()
            api.over.set()
            thread.join(20)
    assert not thread.is_alive()


def scripted(lists: Iterator[Reply], watches: Iterator[Reply]) -> Any:
    """Lists and watches answered in order; further ones say nothing."""

    def respond(asked: Asked) -> Reply:
        return next(watches, Reply(hang=True)) if "watch" in asked.query else next(lists, Reply(hang=True))

    return respond


def test_what_is_there_is_told_first_and_then_what_happens(tmp_path: Path) -> None:
    told = events(("ADDED", pod("b", "2")), ("MODIFIED", pod("a", "3")), ("DELETED", pod("b", "4")))
    with following(tmp_path, scripted(iter([objects("a")]), iter([told]))) as feed:
        assert feed.first(4) == [("LIST at 1", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


def test_a_watch_that_ends_goes_on_where_a_bookmark_left_it(tmp_path: Path) -> None:
    def respond(asked: Asked) -> Reply:
        if "watch" not in asked.query:
            return objects("a")
        told = {"1": ("BOOKMARK", pod("", "9")), "9": ("ADDED", pod("b", "10"))}
        place = asked.query["resourceVersion"]
        return events(told[place]) if place in told else Reply(hang=True)

    with following(tmp_path, respond) as feed:
        assert feed.first(3) == [("LIST at 1", "a"), ("BOOKMARK", "9"), ("ADDED", "b")]


@pytest.mark.parametrize(
    "gone", [status(410, "Expired", "too old"), events(("ERROR", {"code": 410, "message": "old"}))]
)
def test_what_expired_is_listed_anew(tmp_path: Path, gone: Reply) -> None:
    lists = iter([objects("a", "b"), objects("b", "c", version="7")])
    with following(tmp_path, scripted(lists, iter([gone]))) as feed:
        assert feed.first(2) == [("LIST at 1", "a b"), ("LIST at 7", "b c")]


def test_a_list_of_many_pages_has_the_place_of_its_first_one(tmp_path: Path) -> None:
    lists = iter([objects("a", more="x", version="3"), objects("b", version="5")])
    with following(tmp_path, scripted(lists, iter([]))) as feed:
        assert feed.first(1) == [("LIST at 3", "a b")]


def test_a_watch_that_breaks_is_taken_up_where_it_was_and_nothing_is_listed_again(tmp_path: Path) -> None:
    first = events(("ADDED", pod("b", "2")), ("ADDED", pod("lost", "3")))
    broken = first._replace(cut=len(first.body) - 5)
    asked_from: list[str] = []

    def respond(asked: Asked) -> Reply:
        if "watch" not in asked.query:
            return objects("a")
        asked_from.append(asked.query["resourceVersion"])
        return {1: broken, 2: events(("ADDED", pod("c", "3")))}.get(len(asked_from), Reply(hang=True))

    with following(tmp_path, respond) as feed:
        assert feed.first(3) == [("LIST at 1", "a"), ("ADDED", "b"), ("ADDED", "c")]
    assert asked_from[:2] == ["1", "2"]


def test_a_watch_that_hangs_is_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotage.edge.watch._SILENCE", 0.3)
    over = threading.Event()

    def hanging() -> Iterator[bytes]:
        yield line("ADDED", pod("b", "2"))
        over.wait(20)

    watches = iter([Reply(events=hanging()), events(("ADDED", pod("c", "3")))])
    with following(tmp_path, scripted(iter([objects("a")]), watches)) as feed:
        assert feed.first(3) == [("LIST at 1", "a"), ("ADDED", "b"), ("ADDED", "c")]
        over.set()


def test_a_watch_that_speaks_now_and_then_goes_on_for_longer_than_it_may_be_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilotage.edge.watch._SILENCE", 2.0)
    over = threading.Event()

    def slow() -> Iterator[bytes]:
        for version in range(2, 6):
            over.wait(0.6)
            yield line("ADDED", pod(f"p{version}", str(version)))
        over.wait(20)

    with following(tmp_path, scripted(iter([objects("a")]), iter([Reply(events=slow())]))) as feed:
        assert [name for _, name in feed.first(5)] == ["a", "p2", "p3", "p4", "p5"]
        over.set()


def test_a_watch_that_may_not_be_made_says_so_and_is_tried_again(tmp_path: Path) -> None:
    no = status(403, "Forbidden", 'User "jane" cannot watch resource "pods" in API group ""')
    watches = iter([no, events(("ADDED", pod("b", "2")))])
    with following(tmp_path, scripted(iter([objects("a")]), watches)) as feed:
        expected = ("Denied", "jane may not watch pods in the whole cluster")
        assert feed.first(3) == [("LIST at 1", "a"), expected, ("ADDED", "b")]


def test_an_api_server_that_is_busy_for_long_is_told_and_asked_again_later(tmp_path: Path) -> None:
    busy = status(429, "TooManyRequests", "busy")._replace(headers={"Retry-After": "9"})
    lists = iter([busy])
    with following(tmp_path, scripted(lists, iter([]))) as feed:
        [(kind, _)] = feed.first(1)
    assert kind == "Retry"


def test_what_is_not_kubernetes_is_told_and_the_follower_lives(tmp_path: Path) -> None:
    watches = iter([Reply(b"<html>\n", chunked=True), events(("ADDED", pod("b", "2")))])
    with following(tmp_path, scripted(iter([objects("a")]), watches)) as feed:
        kinds = [kind for kind, _ in feed.first(3)]
    assert kinds == ["LIST at 1", "Unreachable", "ADDED"]


def test_a_kind_that_is_not_served_is_empty_until_it_is(tmp_path: Path) -> None:
    found = iter([status(404, "NotFound", "no such kind")])
    things = Reply({"resources": [{"name": "things", "kind": "Thing", "namespaced": True}]})

    def respond(asked: Asked) -> Reply:
        if asked.path == "/apis/example.org/v1":
            return next(found, things)
        return Reply(hang=True) if "watch" in asked.query else objects("a", version="5")

    with following(tmp_path, respond, Watched("example.org/v1", "Thing"), absent=0.05) as feed:
        assert feed.first(2) == [("LIST at ", ""), ("LIST at 5", "a")]


def test_a_kind_that_goes_away_is_empty_and_looked_for_now_and_then(tmp_path: Path) -> None:
    gone = status(404, "NotFound", "no such kind")
    lists, watches = iter([objects("a"), gone, objects("b", version="5")]), iter([gone])
    with following(tmp_path, scripted(lists, watches), absent=0.05) as feed:
        assert feed.first(3) == [("LIST at 1", "a"), ("LIST at ", ""), ("LIST at 5", "b")]


def test_only_metadata_is_asked_for_where_it_is_enough(tmp_path: Path) -> None:
    accepted: queue.Queue[str] = queue.Queue()

    def respond(asked: Asked) -> Reply:
        accepted.put(asked.headers["Accept"])
        return Reply(hang=True) if "watch" in asked.query else objects("a")

    with following(tmp_path, respond, Watched("v1", "Namespace", metadata=True)):
        assert "as=PartialObjectMetadataList;" in accepted.get(timeout=20)
        assert "as=PartialObjectMetadata;" in accepted.get(timeout=20)
