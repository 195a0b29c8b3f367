"""Watches: every change from a version on, in order."""

from client import Obj, Server, config_map

from harness import eventually


def told(server: Server, **query: object) -> list[tuple[str, str]]:
    changes = server.changes("v1", "ConfigMap", **query)
    return [(kind, obj.get("metadata", {}).get("name", "")) for kind, obj in changes]


def expect(server: Server, expected: list[tuple[str, str]], **query: object) -> None:
    """A watch of a second may be too short for a server that has much else to do; it begins anew each time."""
    eventually(f"{expected}", lambda: told(server, **query) == expected, patience=30)


def objects(server: Server, count: int, **query: object) -> list[tuple[str, Obj]]:
    """So many changes, with what they tell of."""

    def seen() -> list[tuple[str, Obj]] | None:
        changes = server.changes("v1", "ConfigMap", **query)
        return changes if len(changes) == count else None

    return list(eventually(f"{count} changes", seen, patience=30))


def settled(server: Server) -> str:
    """The version of an object that was just written."""
    return server.create(config_map("first")).must(201).version


def test_a_watch_without_a_version_begins_with_what_is_there(server: Server) -> None:
    server.create(config_map("a")).must(201)
    expect(server, [("ADDED", "a")])


def test_a_watch_from_a_version_tells_what_came_after(server: Server) -> None:
    start = settled(server)
    server.create(config_map("a")).must(201)
    server.patch(config_map("a"), {"data": {"x": "1"}}).must()
    server.delete(config_map("a")).must()
    expected = [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    expect(server, expected, resourceVersion=start)


def test_changes_carry_versions_that_grow(server: Server) -> None:
    start = settled(server)
    server.create(config_map("a")).must(201)
    server.delete(config_map("a")).must()
    changes = objects(server, 2, resourceVersion=start)
    versions = [int(obj["metadata"]["resourceVersion"]) for _, obj in changes]
    assert versions == sorted(set(versions))
    assert versions[0] > int(start)


def test_a_write_that_changes_nothing_is_not_told(server: Server) -> None:
    server.create(config_map("a", x="1")).must(201)
    start = settled(server)
    server.patch(config_map("a"), {"data": {"x": "1"}}).must()
    assert told(server, resourceVersion=start) == []


def test_a_dry_run_is_not_told(server: Server) -> None:
    start = settled(server)
    server.create(config_map("a"), dryRun="All").must(201)
    assert told(server, resourceVersion=start) == []


def test_the_end_of_a_watch_is_a_bookmark_where_it_was_asked_for(server: Server) -> None:
    start = settled(server)
    server.create(config_map("a")).must(201)
    changes = server.changes("v1", "ConfigMap", resourceVersion=start, allowWatchBookmarks=True)
    bookmarks = [obj for kind, obj in changes if kind == "BOOKMARK"]
    assert all(mark["kind"] == "ConfigMap" and int(mark["metadata"]["resourceVersion"]) > 0 for mark in bookmarks)


def test_what_begins_to_match_is_added_and_what_ceases_to_is_deleted(server: Server) -> None:
    start = settled(server)
    server.create(config_map("a")).must(201)
    server.patch(config_map("a"), {"metadata": {"labels": {"tier": "web"}}}).must()
    server.patch(config_map("a"), {"data": {"x": "1"}}).must()
    server.patch(config_map("a"), {"metadata": {"labels": {"tier": None}}}).must()
    expected = [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    expect(server, expected, resourceVersion=start, labelSelector="tier=web")


def test_one_object_can_be_watched_by_name(server: Server) -> None:
    start = settled(server)
    server.create(config_map("a")).must(201)
    server.create(config_map("b")).must(201)
    expect(server, [("ADDED", "b")], resourceVersion=start, fieldSelector="metadata.name=b")


def test_metadata_can_be_watched_alone(server: Server) -> None:
    start = settled(server)
    server.create(config_map("a", x="1")).must(201)
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
    ((_, obj),) = objects(server, 1, resourceVersion=start, accept=accept)
    assert obj["kind"] == "PartialObjectMetadata"
    assert "data" not in obj


def test_a_deleted_object_is_told_as_it_was_last(server: Server) -> None:
    server.create(config_map("a", x="1")).must(201)
    start = settled(server)
    server.delete(config_map("a")).must()
    ((kind, obj),) = objects(server, 1, resourceVersion=start)
    last: Obj = obj["data"]
    assert (kind, last) == ("DELETED", {"x": "1"})
