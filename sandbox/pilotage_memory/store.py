"""The objects of the in-memory cluster: thread-safe, in-process; the HTTP face is a thin layer over it.

What controllers may rely on:

* Objects are JSON dicts. What is returned or told is a copy, what is given is never kept.
* `create` keeps a `status` that it is given (HTTP drops it); `update` writes either all but the status, or with
  `subresource="status"` the status only. A write that changes nothing is no write: no event, no resourceVersion.
* `admission` sees every create, dry runs too, before defaults are filled in. It may raise ApiError.
* `history.inspectors` are called with every change at the moment of its commit, before anything follows from it, under
  the lock: they look at the store and never write.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from pilotage_memory import lifecycle, removal
from pilotage_memory.errors import ApiError, already_exists, invalid, not_found, refusal, stale
from pilotage_memory.history import ADDED, DELETED, FIRST, MODIFIED, Change, Entry, History, Watcher, clone, entry_of
from pilotage_memory.kinds import Key, Kind, Kinds, Obj

__all__ = ["ApiError", "Key", "Obj", "Store", "clone"]

# Names of their own, for within the class `list` is the method.
Objs = list[Obj]
Admission = Callable[[str, Obj], Obj]
Inside = Callable[[str, str, int, str], tuple[int, bytes] | None]


Entries = list[tuple[Key, Entry]]
Changes = list[Change]


class Store:
    """See the top of this module."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self.kinds = Kinds()
        self.admission: list[Admission] = []
        self.inside: Inside = lambda *_: None
        self.lock = threading.RLock()
        self.history = History(self.lock)
        self.version = FIRST
        self._objects: dict[tuple[str, str], dict[Key, Entry]] = {}
        self._names = 0
        for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def get(self, key: Key) -> Obj | None:
        entry = self.entry(Key(*key))
        return None if entry is None else entry.copy()

    def list(self, group: str, plural: str, namespace: str = "") -> Objs:
        return [entry.copy() for _, entry in self.entries(group, plural, namespace)]

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
        self.history.watch(callback)

    def create(self, obj: Obj, *, manager: str = "memory", dry_run: bool = False) -> Obj:
        """Raises AlreadyExists, NotFound (its kind or namespace), Forbidden, Invalid, and what `admission` raises."""
        kind = self.kind_of(obj)
        with self._writing():
            made = self._new(kind, clone(obj))
            return self._commit(kind, lifecycle.held(kind, None, made, self._by(manager)), None, dry_run)

    def update(self, obj: Obj, *, manager: str = "memory", subresource: str = "", dry_run: bool = False) -> Obj:
        """Replaces the object. Raises Conflict for a resourceVersion that is not the newest, NotFound, Invalid."""
        kind = self.kind_of(obj)
        with self._writing():
            before = self._newest(kind, obj)
            if before is None:
                raise not_found(kind.plural, kind.group, obj["metadata"]["name"])
            after = lifecycle.changed(kind, before.obj, clone(obj), subresource)
            held = lifecycle.held(kind, before.obj, after, self._by(manager, subresource))
            return self._commit(kind, held, before, dry_run)

    def apply(self, config: Obj, by: lifecycle.By, *, dry_run: bool = False) -> Obj:
        """Server-side apply. Raises Conflict where another holds a field and `by` does not force, and as `update`."""
        kind = self.kind_of(config)
        with self._writing():
            before = self._newest(kind, config)
            if before is None and by.subresource:
                raise not_found(kind.plural, kind.group, config["metadata"]["name"])
            base = before.obj if before is not None else lifecycle.seed(config)
            merged, holdings = lifecycle.applied(kind, base, clone(config), by)
            new = before is None
            after = self._new(kind, merged) if new else lifecycle.changed(kind, base, merged, by.subresource)
            return self._commit(kind, lifecycle.settled((base, after), holdings, by), before, dry_run)

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

    def orphan(self, uid: str) -> None:
        """Nobody is owned by `uid` any more."""
        with self._writing():
            removal.orphan(self, uid)

    def since(self, version: int) -> Changes:
        """What changed after `version`. Raises Expired where that is not remembered."""
        with self.lock:
            return self.history.since(version)

    def forget(self) -> None:
        """From now on what is older than now has expired, for watches and for lists in pages."""
        with self.lock:
            self.version += 1
            self.history.forget(self.version)

    def go_on_from(self, other: "Store") -> None:
        """Takes over all that another store holds; what happened before has expired. Nobody may be writing to it."""
        with other.lock, self.lock:
            self._objects = {place: dict(table) for place, table in other._objects.items()}
            self.version, self._names = other.version, other._names
            self.kinds.go_on_from(other.kinds)
            self.history.forget(self.version)

    def put(self, key: Key, obj: Obj, before: Entry | None) -> Obj:
        """Commits what is ready. Under the lock, by this module and `removal`."""
        self.version += 1
        entry = entry_of(obj, self.version)
        self._table(key.group, key.plural)[key] = entry
        self.history.record(Change(self.version, MODIFIED if before else ADDED, key, entry, before))
        if key.plural == "customresourcedefinitions":
            self.kinds.serve(obj)
        return entry.copy()

    def drop(self, key: Key) -> Obj:
        """Ends an object now, and returns it. Under the lock, by `removal`."""
        before = self._table(key.group, key.plural).pop(key)
        self.version += 1
        last = entry_of(before.obj, self.version)
        if key.plural == "customresourcedefinitions":
            self.kinds.stop(last.obj)
        self.history.record(Change(self.version, DELETED, key, last, before))
        return last.obj

    def everything(self) -> Entries:
        """Under the lock."""
        return [each for table in self._objects.values() for each in table.items()]

    def _table(self, group: str, plural: str) -> dict[Key, Entry]:
        return self._objects.setdefault((group, plural), {})

    def _commit(self, kind: Kind, after: Obj, before: Entry | None, dry_run: bool) -> Obj:
        if before is not None and after == before.obj:
            return before.copy()
        if dry_run:
            return after
        key = kind.key(after)
        stored = self.put(key, after, before)
        if removal.is_over(after):
            removal.end(self, key)
        elif kind.kind == "CustomResourceDefinition" and not after["status"]["conditions"]:
            self.update(lifecycle.established(after, self.clock()), manager="kube-apiserver", subresource="status")
        return stored

    def _new(self, kind: Kind, obj: Obj) -> Obj:
        """What a create makes of `obj`, but for managedFields."""
        self._name(kind, obj)
        self._admit_place(kind, obj)
        for admit in self.admission:
            obj = admit("CREATE", obj)
        key = kind.key(obj)
        if self.entry(key) is not None:
            raise already_exists(kind.plural, kind.group, key.name)
        return lifecycle.born(kind, obj, self._uid(), self.clock())

    def _newest(self, kind: Kind, obj: Obj) -> Entry | None:
        """What `obj` would replace. Raises Conflict if it was made from an older one."""
        entry = self.entry(kind.key(obj))
        sent = obj["metadata"].get("resourceVersion")
        if sent and entry is not None and sent != entry.obj["metadata"]["resourceVersion"]:
            raise stale(kind.plural, kind.group, obj["metadata"]["name"])
        return entry

    def _by(self, manager: str, subresource: str = "") -> lifecycle.By:
        return lifecycle.By(manager, self.clock(), subresource)

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

    def _name(self, kind: Kind, obj: Obj) -> None:
        meta = obj.setdefault("metadata", {})
        if not meta.get("name") and meta.get("generateName"):
            self._names += 1
            meta["name"] = meta["generateName"] + lifecycle.suffix(self._names)
        if not meta.get("name"):
            cause = {"reason": "FieldValueRequired", "message": "Required value: name or generateName is required"}
            raise invalid(kind.kind, kind.group, "", [cause | {"field": "metadata.name"}])

    def _uid(self) -> str:
        self._names += 1
        return f"00000000-0000-4000-8000-{self._names:012x}"

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self.lock:
            yield
        self.history.tell()
