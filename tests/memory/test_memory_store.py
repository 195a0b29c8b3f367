"""What controllers build on: the store without HTTP."""

from datetime import UTC, datetime

import pytest

from pilotage_memory.errors import ApiError
from pilotage_memory.store import Key, Obj, Store


def settings(name: str = "settings", **more: object) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default", **more}}


def key(name: str = "settings") -> Key:
    return Key("", "configmaps", "default", name)


def pod(name: str, **spec: object) -> Obj:
    containers = [{"name": "app", "image": "example/app:1"}]
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": containers, **spec}}


@pytest.fixture
def store() -> Store:
    return Store()


def names(store: Store, plural: str = "configmaps") -> list[str]:
    return [obj["metadata"]["name"] for obj in store.list("", plural)]


def test_what_is_returned_may_be_changed_without_harm(store: Store) -> None:
    store.create(settings())["metadata"]["name"] = "other"
    (store.get(key()) or {})["metadata"]["name"] = "other"
    assert names(store) == ["settings"]


def test_watchers_are_told_in_order_even_where_one_of_them_writes(store: Store) -> None:
    told: list[tuple[str, str]] = []

    def copy(change: str, obj: Obj) -> None:
        if change == "ADDED" and obj["metadata"]["name"] == "settings":
            store.create(settings("copy"))

    store.watch(copy)
    store.watch(lambda change, obj: told.append((change, obj["metadata"]["name"])))
    store.create(settings())
    assert told == [("ADDED", "settings"), ("ADDED", "copy")]


def test_admission_changes_and_refuses_what_is_created(store: Store) -> None:
    def admit(_: str, obj: Obj) -> Obj:
        if obj["metadata"]["name"] == "bad":
            raise ApiError(403, "Forbidden", "not here")
        return {**obj, "data": {"admitted": "yes"}}

    store.admission.append(admit)
    assert store.create(settings(), dry_run=True)["data"] == {"admitted": "yes"}
    with pytest.raises(ApiError, match="not here"):
        store.create(settings("bad"))


def test_the_clock_is_an_input(store: Store) -> None:
    store.clock = lambda: datetime(2026, 10, 20, tzinfo=UTC)
    assert store.create(settings())["metadata"]["creationTimestamp"] == "2026-10-20T00:00:00Z"


def test_two_runs_of_the_same_steps_are_equal() -> None:
    def run() -> Obj:
        store = Store(lambda: datetime(2026, 10, 20, tzinfo=UTC))
        unnamed = settings()
        unnamed["metadata"] = {"generateName": "settings-", "namespace": "default"}
        return store.create(unnamed)

    assert run() == run()


def test_a_pod_on_a_node_ends_when_its_kubelet_says_so(store: Store) -> None:
    store.create(pod("bound", nodeName="node-1"))
    store.create(pod("unbound"))
    for name in ("bound", "unbound"):
        store.delete(Key("", "pods", "default", name))
    assert names(store, "pods") == ["bound"]
    store.delete(Key("", "pods", "default", "bound"), grace=0)
    assert names(store, "pods") == []


def test_what_is_owned_follows_its_last_owner(store: Store) -> None:
    owners = [store.create(settings(name)) for name in ("a", "b")]
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
        for owner in owners
    ]
    store.create(settings("owned", ownerReferences=references))
    store.delete(key("a"))
    assert names(store) == ["b", "owned"]
    store.delete(key("b"))
    assert names(store) == []


def test_a_namespace_takes_its_objects_along_and_waits_for_pods(store: Store) -> None:
    store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    inside = pod("bound", nodeName="node-1")
    inside["metadata"]["namespace"] = "shop"
    store.create(inside)
    store.delete(Key("", "namespaces", "", "shop"))
    assert "shop" in names(store, "namespaces")
    with pytest.raises(ApiError, match="being terminated"):
        store.create({**settings(), "metadata": {"name": "late", "namespace": "shop"}})
    store.delete(Key("", "pods", "shop", "bound"), grace=0)
    assert "shop" not in names(store, "namespaces")


def test_a_watch_cannot_start_from_what_was_forgotten(store: Store) -> None:
    version = store.version
    store.create(settings())
    assert [change.key.name for change in store.since(version)] == ["settings"]
    store.forget()
    with pytest.raises(ApiError) as expired:
        store.since(version)
    assert expired.value.reason == "Expired"
    assert store.since(store.version) == []
