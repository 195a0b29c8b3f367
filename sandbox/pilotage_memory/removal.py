"""How objects end: grace periods, finalizers, namespaces, owners. Used by `store`, under its lock."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pilotage_memory.kinds import Key, Obj
from pilotage_memory.lifecycle import stamp

if TYPE_CHECKING:
    from pilotage_memory.store import Store

_GRACE: Final = 30  # seconds of a pod that names none


def is_over(obj: Obj) -> bool:
    """It is being deleted and nothing holds it back any more. Pods wait for the kubelet, namespaces until empty."""
    meta = obj["metadata"]
    waits = obj["kind"] == "Namespace" or meta.get("deletionGracePeriodSeconds", 0) > 0
    return "deletionTimestamp" in meta and not meta.get("finalizers") and not waits


def remove(store: "Store", key: Key, obj: Obj, grace: int | None) -> None:
    """Begins the end of an object, and brings it about where nothing holds it back."""
    seconds = _grace(obj) if grace is None else grace
    if key.plural == "namespaces" and key.group == "":
        _mark(store, key, obj, 0, {"status": {"phase": "Terminating"}})
        for each, _ in store.everything():
            if each.namespace == key.name:
                _follow(store, each)
        _end_namespace(store, key.name)
    elif obj["metadata"].get("finalizers") or (seconds and _bound(obj)):
        _mark(store, key, obj, seconds if _bound(obj) else 0, {})
    else:
        end(store, key)


def orphan(store: "Store", uid: str) -> None:
    """Takes an owner away from what it owns."""
    for key, entry in store.everything():
        owners = entry.obj["metadata"].get("ownerReferences", [])
        left = [owner for owner in owners if owner["uid"] != uid]
        if len(left) < len(owners):
            store.put(key, {**entry.obj, "metadata": entry.obj["metadata"] | {"ownerReferences": left}}, entry)


def end(store: "Store", key: Key) -> None:
    """Ends it now; what only it owned follows, and so does its namespace if that waited for it."""
    obj = store.drop(key)
    if key.plural == "customresourcedefinitions":
        group, plural = obj["spec"]["group"], obj["spec"]["names"]["plural"]
        for each, _ in store.entries(group, plural):
            _follow(store, each)
    _followers(store, obj["metadata"]["uid"])
    if key.namespace:
        _end_namespace(store, key.namespace)


def _follow(store: "Store", key: Key) -> None:
    """One of several that go: one before it may have taken it along, or its end has begun."""
    entry = store.entry(key)
    if entry is not None and "deletionTimestamp" not in entry.obj["metadata"]:
        remove(store, key, entry.obj, None)


def _grace(obj: Obj) -> int:
    if obj["kind"] != "Pod":
        return 0
    return int(obj["spec"].get("terminationGracePeriodSeconds", _GRACE))


def _bound(obj: Obj) -> bool:
    """To a node, whose kubelet will end it."""
    finished = obj.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return obj["kind"] == "Pod" and bool(obj["spec"].get("nodeName")) and not finished


def _mark(store: "Store", key: Key, obj: Obj, seconds: int, more: Obj) -> None:
    if seconds >= obj["metadata"].get("deletionGracePeriodSeconds", seconds + 1):
        return
    ends = stamp(store.clock() + timedelta(seconds=seconds))
    meta = obj["metadata"] | {"deletionTimestamp": ends, "deletionGracePeriodSeconds": seconds}
    store.put(key, {**obj, **more, "metadata": meta}, store.entry(key))


def _followers(store: "Store", uid: str) -> None:
    living = {entry.obj["metadata"]["uid"] for _, entry in store.everything()}
    for key, entry in store.everything():
        owners = [owner["uid"] for owner in entry.obj["metadata"].get("ownerReferences", ())]
        if uid in owners and not living.intersection(owners):
            _follow(store, key)


def _end_namespace(store: "Store", name: str) -> None:
    key = Key("", "namespaces", "", name)
    namespace = store.entry(key)
    if namespace is None or "deletionTimestamp" not in namespace.obj["metadata"]:
        return
    if not namespace.obj["metadata"].get("finalizers") and not any(
        each.namespace == name for each, _ in store.everything()
    ):
        store.drop(key)
