"""The objects of the in-memory cluster: thread-safe, in-process; the HTTP face is a thin layer over it.

What controllers may rely on:

* Objects are JSON dicts. What is returned or told is a copy, what is given is never kept.
* `create` keeps a `status` that it is given (HTTP drops it); `update` writes either all but the status, or with
  `subresource="status"` the status only. A write that changes nothing is no write: no event, no resourceVersion.
* `admission` sees every create, dry runs too, before defaults are filled in. It may raise ApiError.
* `watch` callbacks are told every change, once, in order, after it is committed, outside the lock, in the thread of
  a writer. They may write: what that changes is told after they return.
* A pod that is bound to a node (`spec.nodeName`) and deleted with a grace period only gets its deletionTimestamp, as on
  a real API server: whoever plays the kubelet ends it with `delete(key, grace=0)`. An unbound one goes at once.
* Finalizers hold an object back; an update that takes the last one away ends it.
* A namespace that is deleted takes its objects along, an owner those that only it owns (Background).
* uids, generated names and resourceVersions are counted, so that two runs of the same steps are equal.
* `inside` is asked by the HTTP face what answers a port-forward: (namespace, pod, port, path) -> HTTP status and body,
  None where nobody listens.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from pilotage_memory import lifecycle, removal
from pilotage_memory.errors import ApiError, already_exists, not_found, refusal, stale
from pilotage_memory.kinds import Key, Kind, Kinds, Obj

__all__ = ["ApiError", "Key", "Obj", "Store"]

ADDED: Final = "ADDED"
MODIFIED: Final = "MODIFIED"
DELETED: Final = "DELETED"
_REMEMBERED: Final = 20_000  # changes that a watch may start from

# Names of their own, for within the class `list` is the method.
Objs = list[Obj]
Admission = Callable[[str, Obj], Obj]
Watcher = Callable[[str, Obj], None]
Inside = Callable[[str, str, int, str], tuple[int, bytes] | None]


class Entry(NamedTuple):
    """An object as it stands, never changed in place, and the same as JSON."""

    obj: Obj
    raw: bytes


Entries = list[tuple[Key, Entry]]


class Change(NamedTuple):
    """`before` is None for what was added. `entry` of what was deleted is its last state."""

    version: int
    type: str
    key: Key
    entry: Entry
    before: Entry | None


class Store:
    """See the top of this module."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self.kinds = Kinds()
        self.admission: list[Admission] = []
        self.inside: Inside = lambda *_: None
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)  # notified of every change
        self.history: deque[Change] = deque(maxlen=_REMEMBERED)
        self.version = 1
        self._objects: dict[tuple[str, str], dict[Key, Entry]] = {}
        self._names = 0
        self._watchers: list[Watcher] = []
        self._untold: deque[Change] = deque()
        self._telling = threading.Lock()
        for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def get(self, key: Key) -> Obj | None:
        entry = self.entry(Key(*key))
        return None if entry is None else _copy(entry)

    def list(self, group: str, plural: str, namespace: str = "") -> Objs:
        return [_copy(entry) for _, entry in self.entries(group, plural, namespace)]

    def entries(self, group: str, plural: str, namespace: str = "") -> Entries:
        """Not copied, and not to be changed; by namespace and name."""
        with self.lock:
            found = [each for each in self._table(group, plural).items() if namespace in ("", each[0].namespace)]
        return sorted(found, key=lambda each: each[0])

    def entry(self, key: Key) -> Entry | None:
        """Not copied, and not to be changed."""
        with self.lock:
            return self._table(key.group, key.plural).get(Key(*key))

    def watch(self, callback: Watcher) -> None:
        """Told every change from now on."""
        self._watchers.append(callback)

    def create(self, obj: Obj, *, manager: str = "memory", dry_run: bool = False) -> Obj:
        """Raises AlreadyExists, NotFound (its kind or namespace), Forbidden, Invalid, and what `admission` raises."""
        kind = self.kind_of(obj)
        made = msgspec.json.decode(msgspec.json.encode(obj))
        with self._writing():
            self._name(made)
            self._admit_place(kind, made)
            for admit in self.admission:
                made = admit("CREATE", made)
            key = kind.key(made)
            if self.entry(key) is not None:
                raise already_exists(kind.plural, kind.group, key.name)
            made = lifecycle.born(kind, made, self._uid(), lifecycle.By(manager, self.clock()))
            return self._commit(kind, made, None, dry_run)

    def update(self, obj: Obj, *, manager: str = "memory", subresource: str = "", dry_run: bool = False) -> Obj:
        """Replaces the object. Raises Conflict for a resourceVersion that is not the newest, NotFound, Invalid."""
        kind = self.kind_of(obj)
        with self._writing():
            before = self._must(kind, obj)
            sent = obj["metadata"].get("resourceVersion")
            if sent and sent != before.obj["metadata"]["resourceVersion"]:
                raise stale(kind.plural, kind.group, obj["metadata"]["name"])
            after = msgspec.json.decode(msgspec.json.encode(obj))
            after = lifecycle.changed(kind, before.obj, after, lifecycle.By(manager, self.clock(), subresource))
            return self._commit(kind, after, before, dry_run)

    def delete(self, key: Key, *, grace: int | None = None, dry_run: bool = False) -> bool:
        """False if it was not there. `grace` in seconds, None for the object's own."""
        with self._writing():
            entry = self.entry(Key(*key))
            if entry is None:
                return False
            if not dry_run:
                removal.remove(self, Key(*key), entry.obj, grace)
            return True

    def kind_of(self, obj: Obj) -> Kind:
        """Raises NotFound for a kind that is not served."""
        kind = self.kinds.named(obj["apiVersion"], obj["kind"])
        if kind is None:
            raise refusal("NotFound", f"no matches for kind {obj['kind']!r} in version {obj['apiVersion']!r}")
        return kind

    def forget(self) -> None:
        """Watches that start from now or earlier are answered 410."""
        with self.lock:
            self.history.clear()

    def put(self, key: Key, obj: Obj, before: Entry | None) -> Obj:
        """Commits what is ready. Under the lock, by this module and `removal`."""
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        entry = Entry(obj, msgspec.json.encode(obj))
        self._table(key.group, key.plural)[key] = entry
        self._record(Change(self.version, MODIFIED if before else ADDED, key, entry, before))
        if key.plural == "customresourcedefinitions":
            self.kinds.serve(obj)
        return _copy(entry)

    def drop(self, key: Key) -> Obj:
        """Ends an object now, and returns it. Under the lock, by `removal`."""
        before = self._table(key.group, key.plural).pop(key)
        self.version += 1
        last = {**before.obj, "metadata": before.obj["metadata"] | {"resourceVersion": str(self.version)}}
        if key.plural == "customresourcedefinitions":
            self.kinds.stop(last)
        self._record(Change(self.version, DELETED, key, Entry(last, msgspec.json.encode(last)), before))
        return last

    def everything(self) -> Entries:
        """Under the lock."""
        return [each for table in self._objects.values() for each in table.items()]

    def _table(self, group: str, plural: str) -> dict[Key, Entry]:
        return self._objects.setdefault((group, plural), {})

    def _commit(self, kind: Kind, after: Obj, before: Entry | None, dry_run: bool) -> Obj:
        if before is not None and after == before.obj:
            return _copy(before)
        if dry_run:
            return after
        stored = self.put(kind.key(after), after, before)
        if removal.is_over(after):
            removal.end(self, kind.key(after))
        return stored

    def _must(self, kind: Kind, obj: Obj) -> Entry:
        entry = self.entry(kind.key(obj))
        if entry is None:
            raise not_found(kind.plural, kind.group, obj["metadata"]["name"])
        return entry

    def _admit_place(self, kind: Kind, obj: Obj) -> None:
        meta = obj["metadata"]
        if not kind.namespaced:
            meta.pop("namespace", None)
            return
        place = meta.get("namespace", "")
        namespace = self.entry(Key("", "namespaces", "", place))
        if namespace is None:
            raise not_found("namespaces", "", place)
        if "deletionTimestamp" in namespace.obj["metadata"]:
            words = f"unable to create new content in namespace {place} because it is being terminated"
            raise refusal("Forbidden", f'{kind.plural} "{meta["name"]}" is forbidden: {words}')

    def _name(self, obj: Obj) -> None:
        meta = obj.setdefault("metadata", {})
        if not meta.get("name") and meta.get("generateName"):
            self._names += 1
            meta["name"] = meta["generateName"] + lifecycle.suffix(self._names)

    def _uid(self) -> str:
        self._names += 1
        return f"00000000-0000-4000-8000-{self._names:012x}"

    def _record(self, change: Change) -> None:
        self.history.append(change)
        self._untold.append(change)
        self.changed.notify_all()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self.lock:
            yield
        while self._untold and self._telling.acquire(blocking=False):
            try:
                while self._untold:
                    change = self._untold.popleft()
                    for callback in tuple(self._watchers):
                        callback(change.type, _copy(change.entry))
            finally:
                self._telling.release()


def _copy(entry: Entry) -> Obj:
    obj: Obj = msgspec.json.decode(entry.raw)
    return obj
