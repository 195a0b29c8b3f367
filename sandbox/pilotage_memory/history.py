"""Objects as they stand, and what happened to them: told to watchers, remembered for watches. Used by `store`."""

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from pilotage_memory.errors import gone
from pilotage_memory.kinds import Key, Obj

ADDED: Final = "ADDED"
MODIFIED: Final = "MODIFIED"
DELETED: Final = "DELETED"
FIRST: Final = 100  # version of an empty store: no client's first guess
_REMEMBERED: Final = 20_000  # changes that a watch may start from

Watcher = Callable[[str, Obj], None]
Inspector = Callable[["Change"], None]


class Entry(NamedTuple):
    """An object as it stands, never changed in place, and the same as JSON: apiVersion first, then kind."""

    obj: Obj
    raw: bytes

    def copy(self) -> Obj:
        obj: Obj = msgspec.json.decode(self.raw)
        return obj


class Change(NamedTuple):
    """`before` is None for what was added. `entry` of what was deleted is its last state."""

    version: int
    type: str
    key: Key
    entry: Entry
    before: Entry | None


def entry_of(obj: Obj, version: int) -> Entry:
    """`obj` as of `version`."""
    meta = obj["metadata"] | {"resourceVersion": str(version)}
    first = {"apiVersion": obj["apiVersion"], "kind": obj["kind"]}  # `listing` cuts them off without decoding
    whole = {**first, **obj, "metadata": meta}
    return Entry(whole, msgspec.json.encode(whole))


def clone(obj: Obj) -> Obj:
    copy: Obj = msgspec.json.decode(msgspec.json.encode(obj))
    return copy


class History:
    """Changes in order. `record`, `since` and `forget` are called under the store's lock, `tell` outside of it."""

    def __init__(self, lock: threading.RLock) -> None:
        self.changed = threading.Condition(lock)  # notified of every change
        self.forgotten = FIRST  # changes up to this version are not told any more
        self.inspectors: list[Inspector] = []
        self._changes: list[Change] = []
        self._watchers: list[Watcher] = []
        self._untold: deque[Change] = deque()
        self._telling = threading.Lock()

    def watch(self, callback: Watcher) -> None:
        self._watchers.append(callback)

    def record(self, change: Change) -> None:
        self._changes.append(change)
        if len(self._changes) > 2 * _REMEMBERED:
            self.forgotten = self._changes[_REMEMBERED - 1].version
            del self._changes[:_REMEMBERED]
        self._untold.append(change)
        self.changed.notify_all()
        for inspect in self.inspectors:
            inspect(change)

    @property
    def told(self) -> bool:
        """Nothing waits for `tell`."""
        return not self._untold

    def since(self, version: int) -> list[Change]:
        """What changed after `version`. Raises Expired where that is not remembered."""
        if version < self.forgotten:
            raise gone(f"too old resource version: {version} ({self.forgotten})")
        return self._changes[bisect_right(self._changes, version, key=lambda change: change.version) :]

    def forget(self, version: int) -> None:
        """What is older than `version` has expired."""
        self._changes.clear()
        self.forgotten = version

    def tell(self) -> None:
        """Calls the watchers. One thread does it at a time, for all: what it is called for meanwhile, it tells too."""
        while self._untold and self._telling.acquire(blocking=False):
            try:
                while self._untold:
                    change = self._untold.popleft()
                    for callback in tuple(self._watchers):
                        callback(change.type, change.entry.copy())
            finally:
                self._telling.release()
