"""Who owns a field: who would put its value back. Called before every direct write: `tags`, `dataplane`.

An owner shows by managedFields, or by a mark that it leaves on what it keeps. The table is data/owners.yaml.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import msgspec

from pilotage.data import read
from pilotage.domain.objects import Obj, annotations_of, labels_of

# One step of a path: the name of a field, or the keys of an item of a list, as in {"name": "istio-proxy"}.
Step = str | Mapping[str, Any]


class FieldOwner(msgspec.Struct, frozen=True):
    """`name` for people; `evidence` is the field manager, mark or ownerReference that shows it."""

    name: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.name} ({self.evidence})"


class _Owner(msgspec.Struct, frozen=True):
    name: str
    managers: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    apis: tuple[str, ...] = ()


class _Table(msgspec.Struct, frozen=True):
    owners: tuple[_Owner, ...]
    copiers: tuple[str, ...]


@cache
def _table() -> _Table:
    """The table ships with the package and never changes while it runs, so reading it is no fact of the cluster."""
    from yaml import safe_load  # noqa: PLC0415 - costs start-up time, and only writes need it

    return msgspec.convert(safe_load(read("owners.yaml")), _Table)


def owner_of(obj: Obj, path: Sequence[Step]) -> FieldOwner | None:
    """Who would put the field at `path` back; None where a write lasts.

    A mark counts only for a field that is there: nobody takes away a label that its own source does not know.
    """
    holders = tuple(_holders(obj, path))
    by_manager = (_by_manager(owner, holders, path) for owner in _table().owners)
    by_mark = (_by_mark(owner, obj) for owner in _table().owners) if _present(obj, path) else iter(())
    found = (found for found in (*by_manager, *by_mark) if found)
    return next(found, None)


def _by_manager(owner: _Owner, holders: Sequence[str], path: Sequence[Step]) -> FieldOwner | None:
    if owner.only and path[-1] not in owner.only:
        return None
    holding = (name for name in holders if any(fnmatchcase(name, each) for each in owner.managers))
    name = next(holding, None)
    return FieldOwner(owner.name, f"field manager {name}") if name else None


def _by_mark(owner: _Owner, obj: Obj) -> FieldOwner | None:
    for mark in owner.marks:
        key, _, value = mark.partition("=")
        for place, marks in (("labels", labels_of(obj)), ("annotations", annotations_of(obj))):
            if key in marks and value in ("", marks[key]) and not _copied(obj, place, key):
                return FieldOwner(owner.name, f"{place[:-1]} {key}={marks[key]}")
    for reference in obj.get("metadata", {}).get("ownerReferences") or ():
        if reference["apiVersion"].partition("/")[0] in owner.apis:
            return FieldOwner(owner.name, f"owner {reference['kind']} {reference['name']}")
    return None


def _copied(obj: Obj, place: str, key: str) -> bool:
    wrote = tuple(_holders(obj, ("metadata", place, key)))
    return bool(wrote) and all(name in _table().copiers for name in wrote)


def _holders(obj: Obj, path: Sequence[Step]) -> Iterator[str]:
    """Field managers that hold the field, or something below it."""
    for entry in obj.get("metadata", {}).get("managedFields") or ():
        if entry.get("subresource", "") == "" and holds(entry.get("fieldsV1") or {}, path):
            yield entry.get("manager", "")


def holds(fields: Obj, path: Sequence[Step]) -> bool:
    """Whether `fieldsV1` of an entry of managedFields has the field at `path`, or something below it."""
    for step in path:
        inner = next((inner for key, inner in fields.items() if _names(key, step)), None)
        if inner is None:
            return False
        if not inner:
            return True  # a leaf, or a list or map held as one value
        fields = inner
    return True


def _names(key: str, step: Step) -> bool:
    """Keys of fieldsV1: `f:name` a field, `k:{"name":"x"}` an item by key, `v:"x"` an item by value."""
    kind, _, text = key.partition(":")
    if isinstance(step, str):
        return text == step if kind == "f" else kind == "v" and json.loads(text) == step
    return kind == "k" and bool(json.loads(text) == dict(step))


def _present(obj: Obj, path: Sequence[Step]) -> bool:
    here: Any = obj
    for step in path:
        if isinstance(here, list):
            items = (item for item in here if item == step or _item_is(item, step))
            here = next(items, None)
        else:
            here = here.get(step) if isinstance(here, dict) else None
        if here is None:
            return False
    return True


def _item_is(item: Any, step: Step) -> bool:
    return isinstance(item, dict) and isinstance(step, Mapping) and all(item.get(k) == v for k, v in step.items())
