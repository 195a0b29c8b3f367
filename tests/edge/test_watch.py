"""A follower sees every change, whatever happens to the connection or to the API server's memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback_api import Asked, Reply, events, objects, serving, status

from pilotage.domain.errors import Unreachable


def pod(name: str, version: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop", "resourceVersion": version}}


def scripted(lists: Iterator[Reply], watches: Iterator[Reply]) -> Any:
    """Lists and watches answered in order; further watches say nothing and end."""

    def respond(asked: Asked) -> Reply:
        return next(watches, Reply()) if "watch" in asked.query else next(lists)

    return respond


def follow(folder: Path, respond: Any, count: int) -> list[tuple[str, str]]:
    """The first `count` changes, each with its object's name."""
    with serving(respond) as api:
        changes = api.connect(folder).watch("v1", "Pod", seconds=20)
        return [(kind, item["metadata"]["name"]) for _, (kind, item) in zip(range(count), changes, strict=False)]


def test_what_is_there_is_told_first_and_then_what_happens(tmp_path: Path) -> None:
    told = events(("ADDED", pod("b", "2")), ("MODIFIED", pod("a", "3")), ("DELETED", pod("b", "4")))
    seen = follow(tmp_path, scripted(iter([objects("a")]), iter([told])), 4)
    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


def test_a_watch_that_ends_goes_on_where_a_bookmark_left_it(tmp_path: Path) -> None:
    def respond(asked: Asked) -> Reply:
        if "watch" not in asked.query:
            return objects("a")
        told = {"1": ("BOOKMARK", pod("", "9")), "9": ("ADDED", pod("b", "10"))}
        return events(told[asked.query["resourceVersion"]])

    assert follow(tmp_path, respond, 2) == [("ADDED", "a"), ("ADDED", "b")]


@pytest.mark.parametrize(
    "gone", [status(410, "Expired", "too old"), events(("ERROR", {"code": 410, "message": "old"}))]
)
def test_what_went_away_while_the_place_was_lost_is_told_as_deleted(tmp_path: Path, gone: Reply) -> None:
    lists = iter([objects("a", "b"), objects("b", "c", version="1")])
    seen = follow(tmp_path, scripted(lists, iter([gone])), 4)
    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a"), ("ADDED", "c")]


def test_what_changed_while_the_place_was_lost_is_told_as_modified(tmp_path: Path) -> None:
    lists = iter([objects("a"), objects("a", version="7")])
    seen = follow(tmp_path, scripted(lists, iter([status(410, "Expired", "too old")])), 2)
    assert seen == [("ADDED", "a"), ("MODIFIED", "a")]


def test_a_watch_that_breaks_after_it_told_something_is_taken_up_again(tmp_path: Path) -> None:
    first = events(("ADDED", pod("b", "2")), ("ADDED", pod("lost", "3")))
    broken = first._replace(cut=len(first.body) - 5)
    seen = follow(tmp_path, scripted(iter([objects("a")]), iter([broken, events(("ADDED", pod("c", "3")))])), 3)
    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]


def test_an_api_server_that_goes_away_is_told_to_the_follower(tmp_path: Path) -> None:
    with serving(lambda _: objects("a")) as api:
        changes = api.connect(tmp_path).watch("v1", "Pod", seconds=20)
        next(changes)
        api.respond = lambda _: Reply({"some": "body"}, cut=0)
        with pytest.raises(Unreachable):
            list(changes)


def test_a_watch_ends_when_its_time_is_over(tmp_path: Path) -> None:
    with serving(scripted(iter([objects("a")]), iter([]))) as api:
        assert len(list(api.connect(tmp_path).watch("v1", "Pod", seconds=0.2))) == 1


def test_a_kind_that_is_not_served_is_followed_in_silence(tmp_path: Path) -> None:
    with serving(lambda _: status(404, "NotFound", "no such kind")) as api:
        assert list(api.connect(tmp_path).watch("example.org/v1", "Thing", seconds=0.2)) == []
