"""One collection, kept as a watch tells it, in a thread of its own. Used by `store`.

What cannot be followed now is not known: `read` raises the cause rather than show what was there once. What we wrote
ourselves is awaited: a plan made on what was there before would write it again.
"""

import threading
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from pilotage.domain.errors import MeshError, Retry
from pilotage.domain.objects import Obj
from pilotage.edge.store.shapes import Shape
from pilotage.edge.watch import DELETED, Head, Objects

T = TypeVar("T")
Key = tuple[str, str]  # namespace, name

_PATIENCE: Final = 3.0  # seconds until an own write that the watch has not shown is looked for by a GET


class Held(NamedTuple, Generic[T]):
    """One object as kept. `leaving`: it is being deleted."""

    version: str
    leaving: bool
    item: T


class Board:
    """What all informers share: the lock and bell in `changed`, and how many changes there were to what was read."""

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self.changed = threading.Condition()
        self.serial = 0
        self.closed = False
        self.say = say  # a collection, and why it cannot be followed: "" when it can again


class Informer(Generic[T]):
    """The `Feed` of one `Follower`, which tells either the first list or why there is none: readers wait for that."""

    def __init__(self, name: str, shape: Shape[T], board: Board) -> None:
        self._name, self._shape, self._board = name, shape, board
        self.wakes = False  # whether its changes count: the last look of the loop has read it
        self._held: dict[Key, Held[T]] = {}
        self._place = ""
        self._listed = False
        self._failure: MeshError | None = None
        self._awaited: dict[Key, tuple[str, Callable[[], Obj | None]]] = {}  # version ("" for gone), and a GET
        self._sorted: tuple[T, ...] | None = None

    def replace(self, objects: Objects, place: Callable[[], str]) -> None:
        fresh = {head.key: self._kept(head, raw) for head, raw in objects}
        with self._board.changed:
            before, self._held, self._place = self._held, fresh, place()
            known, self._listed = self._listed, True
            alike = before.keys() == fresh.keys() and all(self._alike(held, fresh[key]) for key, held in before.items())
            self._changed(known and not alike)  # for the first list its readers wait

    def take(self, change: str, head: Head, raw: msgspec.Raw) -> None:
        held = None if change == DELETED else self._kept(head, raw)
        with self._board.changed:
            before = self._held.pop(head.key, None)
            if held is not None:
                self._held[head.key] = held
            self._place = head.metadata.resource_version
            self._changed(before is not held and not (before and held and self._alike(before, held)))

    def at(self, place: str) -> None:
        with self._board.changed:
            self._place = place
            self._board.changed.notify_all()

    def alive(self) -> None:
        self._tell(None)

    def failed(self, error: MeshError) -> None:
        self._tell(error)

    def read(self) -> tuple[T, ...]:
        """All of it, in the order of a list, own writes included.

        Raises what its requests raise while it cannot be followed, Retry while an own write is not seen, or at the end.
        """
        with self._board.changed:
            self._board.changed.wait_for(lambda: self._listed or self._failure or self._board.closed)
            if self._board.closed:  # who follows it may have ended before there was anything to read
                raise Retry("this process stops")
            self._board.changed.wait_for(lambda: self._failure or not self._unseen(), _PATIENCE)
            if self._failure is not None:
                raise self._failure.with_traceback(None)
            unseen = self._unseen()
            if not unseen:
                return self._items()
        self._look_for(unseen)
        with self._board.changed:
            return self._items()

    def expect(self, key: Key, version: str, get: Callable[[], Obj | None]) -> None:
        """We wrote this: readers wait until it, or what came after, was told. `version` "": we deleted it."""
        with self._board.changed:
            self._awaited[key] = (version, get)

    def has(self, key: Key) -> bool:
        with self._board.changed:
            return key in self._held

    def _kept(self, head: Head, raw: msgspec.Raw) -> Held[T]:
        """Decoded, unless it is kept in this very version already."""
        before = self._held.get(head.key)
        version = head.metadata.resource_version
        if before is not None and version and before.version == version:
            return before
        return Held(version, head.metadata.deletion_timestamp is not None, self._shape.decode(raw))

    def _alike(self, old: Held[T], new: Held[T]) -> bool:
        return old is new or (old.leaving == new.leaving and self._shape.same(old.item, new.item))

    def _changed(self, matters: bool) -> None:
        """Tells waiting readers, and where it matters the loop."""
        self._sorted = None
        self._board.serial += matters and self.wakes
        self._board.changed.notify_all()

    def _tell(self, failure: MeshError | None) -> None:
        with self._board.changed:
            before, self._failure = self._failure, failure
            if bool(before) != bool(failure):
                self._changed(True)
        if str(before or "") != str(failure or ""):
            self._board.say(self._name, str(failure or ""))

    def _items(self) -> tuple[T, ...]:
        """Ordered as etcd orders its keys, which is how the API server lists."""
        if self._sorted is None:
            ordered = sorted(self._held, key=lambda key: f"{key[0]}/{key[1]}" if key[0] else key[1])
            self._sorted = tuple(self._held[key].item for key in ordered)
        return self._sorted

    def _unseen(self) -> dict[Key, tuple[str, Callable[[], Obj | None]]]:
        for key in [key for key, (version, _) in self._awaited.items() if self._shows(key, version)]:
            del self._awaited[key]
        return dict(self._awaited)

    def _shows(self, key: Key, version: str) -> bool:
        held = self._held.get(key)
        if not version:
            return held is None or held.leaving
        return _reached(self._place, version) or (held is not None and _reached(held.version, version))

    def _look_for(self, unseen: dict[Key, tuple[str, Callable[[], Obj | None]]]) -> None:
        """By GETs. Raises Retry where one shows what the watch does not."""
        for key, (_, get) in unseen.items():
            found = get()
            version = found["metadata"]["resourceVersion"] if found else None
            with self._board.changed:
                held = self._held.get(key)
                if version != (held.version if held else None):
                    raise Retry(f"{self._name}: the watch does not show {key[1]} as it was written; waiting for it")
                self._awaited.pop(key, None)


def _reached(place: str, version: str) -> bool:
    """Versions of one resource are numbers that grow; what is no number tells only whether it is the same."""
    if place.isdigit() and version.isdigit():
        return int(place) >= int(version)
    return place == version
