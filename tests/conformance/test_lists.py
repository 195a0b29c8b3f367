"""Lists: what is selected, in pages, as metadata only."""

from typing import Any

import pytest
from client import Answer, Server, config_map

METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


def some(server: Server, *names: str, **labels: str) -> None:
    for name in names:
        obj = config_map(name, x="1")
        obj["metadata"]["labels"] = labels
        server.create(obj).must(201)


def listed(server: Server, **query: Any) -> Answer:
    """Without what the cluster itself puts into every namespace."""
    answer = server.list("v1", "ConfigMap", **query)
    if answer.code == 200:
        items = [item for item in answer.body["items"] if item["metadata"]["name"] != "kube-root-ca.crt"]
        answer.body["items"] = items
    return answer


def test_a_list_is_sorted_by_name_and_tells_its_version(server: Server) -> None:
    some(server, "b", "a", "c")
    answer = listed(server).must()
    assert answer.names == ["a", "b", "c"]
    assert int(answer.version) > 0
    assert answer.body["kind"] == "ConfigMapList"


def test_items_of_a_list_of_a_built_in_kind_name_no_kind(server: Server) -> None:
    some(server, "a")
    assert listed(server).body["items"][0].keys() == {"metadata", "data"}


def test_a_list_of_nothing_has_no_items(server: Server) -> None:
    assert server.list("v1", "Service").must().names == []


def test_a_list_of_all_namespaces_is_sorted_by_namespace(server: Server) -> None:
    some(server, "a")
    items = server.ask("GET", "/api/v1/configmaps").must().body["items"]
    places = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items]
    assert (server.space, "a") in places
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("tier=web", ["a"]),
        ("tier==web", ["a"]),
        ("tier!=web", ["b", "c"]),
        ("tier", ["a", "b"]),
        ("!tier", ["c"]),
        ("tier in (web, db)", ["a", "b"]),
        ("tier notin (web)", ["b", "c"]),
        ("tier,tier!=web", ["b"]),
        ("tier=nothing", []),
    ],
)
def test_labels_select(server: Server, selector: str, names: list[str]) -> None:
    some(server, "a", tier="web")
    some(server, "b", tier="db")
    some(server, "c")
    mine = f"{selector},kubernetes.io/none!=x"
    assert listed(server, labelSelector=mine).must().names == names


def test_a_selector_that_cannot_be_read_is_a_bad_request(server: Server) -> None:
    assert listed(server, labelSelector="a b c").said == (400, "BadRequest")


def test_fields_select_by_name(server: Server) -> None:
    some(server, "a", "b")
    assert listed(server, fieldSelector="metadata.name=b").names == ["b"]
    assert listed(server, fieldSelector="metadata.name!=b").names == ["a"]


def test_metadata_can_be_asked_for_alone(server: Server) -> None:
    some(server, "a", tier="web")
    answer = listed(server, accept=METADATA).must()
    assert answer.body["kind"] == "PartialObjectMetadataList"
    (item,) = answer.body["items"]
    assert item["metadata"]["labels"] == {"tier": "web"}
    assert "data" not in item
    assert (item["kind"], item["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")


def test_a_list_in_pages_tells_everything_once(server: Server) -> None:
    some(server, "a", "b", "c", "d", "e", tier="web")
    told, token, pages = [], "", 0
    while True:
        page = listed(server, labelSelector="tier", limit=2, continue_=token).must()
        told += page.names
        pages += 1
        token = page.body["metadata"].get("continue", "")
        if not token:
            break
    assert told == ["a", "b", "c", "d", "e"]
    assert pages == 3


def test_pages_show_what_was_there_when_the_first_was_asked_for(server: Server) -> None:
    some(server, "a", "b", "c", tier="web")
    first = listed(server, labelSelector="tier", limit=2)
    some(server, "d", tier="web")
    server.delete(config_map("c")).must()
    second = listed(server, labelSelector="tier", limit=2, continue_=first.body["metadata"]["continue"])
    assert second.names == ["c"]
    assert second.version == first.version


def test_a_first_page_tells_how_many_are_left(server: Server) -> None:
    for name in "abc":
        server.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": SPEC}).must(201)
    page = server.list("v1", "Service", limit=2)
    assert page.body["metadata"]["remainingItemCount"] == 1


def test_a_token_of_nobody_is_a_bad_request(server: Server) -> None:
    assert listed(server, limit=2, continue_="nonsense").said == (400, "BadRequest")


SPEC = {"ports": [{"port": 80}]}
