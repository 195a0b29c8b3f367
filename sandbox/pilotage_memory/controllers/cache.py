"""All objects by kind, place and owner, always as the store has them now: what the simulations read, never write to.

It follows the store's history, so a look costs no copy and no search.
"""

from collections import defaultdict
from collections.abc import Iterable

from pilotage_memory.errors import ApiError
from pilotage_memory.kinds import Key, Kind, Obj
from pilotage_memory.store import Store

_Kind = tuple[str, str]  # group, plural
Objs = list[Obj]  # a name of its own, for within the class `list` is the method


class Cache:
    """Thread-safe, by the store's own lock."""

    def __init__(self, store: Store) -> None:
        self._store, self._version = store, 0
        self._kinds: defaultdict[_Kind, dict[Key, Obj]] = defaultdict(dict)
        self._owned: defaultdict[str, dict[Key, None]] = defaultdict(dict)

    def get(self, kind: Kind, name: str, namespace: str = "") -> Obj | None:
        with self._store.lock:
            self._follow()
            return self._kinds[kind.group, kind.plural].get(Key(kind.group, kind.plural, namespace, name))

    def list(self, kind: Kind, namespace: str = "") -> Objs:
        """Of one namespace, or of all; by age."""
        with self._store.lock:
            self._follow()
            found = self._kinds[kind.group, kind.plural].items()
            return [obj for key, obj in found if namespace in ("", key.namespace)]

    def owned(self, owner: Obj, kind: Kind) -> Objs:
        """Those of a kind that refer to `owner`, by age."""
        with self._store.lock:
            self._follow()
            held = self._kinds[kind.group, kind.plural]
            return [held[key] for key in self._owned.get(owner["metadata"]["uid"], ()) if key in held]

    def look_again(self) -> None:
        """At all of the store, whose objects are others now."""
        with self._store.lock:
            self._kinds.clear()
            self._owned.clear()
            for key, entry in self._store.everything():
                self._see(key, entry.obj)
            self._version = self._store.version

    def _follow(self) -> None:
        if self._version == self._store.version:
            return
        try:
            for change in self._store.since(self._version):
                self._see(change.key, None if change.type == "DELETED" else change.entry.obj)
            self._version = self._store.version
        except ApiError:  # too long ago to be remembered
            self.look_again()

    def _see(self, key: Key, obj: Obj | None) -> None:
        held = self._kinds[key.group, key.plural]
        for uid in _owners(held.get(key)):
            self._owned[uid].pop(key, None)
        if obj is None:
            held.pop(key, None)
            return
        held[key] = obj
        for uid in _owners(obj):
            self._owned[uid][key] = None


def _owners(obj: Obj | None) -> Iterable[str]:
    return [owner["uid"] for owner in obj["metadata"].get("ownerReferences") or ()] if obj else ()
