"""Sets of fields, as managedFields holds them: which there are in a value, which differ between two. Pure.

A field is a tuple of steps: `f:name` a field, `k:{"name":"x"}` an item of a list by its keys, `v:"x"` by its value.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from pilotage_memory.kinds import Obj
from pilotage_memory.shapes import Shape

Path = tuple[str, ...]
Fields = frozenset[Path]
ABSENT: Final = object()
_NO_KEY: Final = "k:"


class Difference(NamedTuple):
    added: Fields
    modified: Fields
    removed: Fields

    @property
    def changed(self) -> Fields:
        return self.added | self.modified


def step(item: Any, shape: Shape) -> str:
    """Names the item of a list that is a map or a set; _NO_KEY where one of its keys is missing."""
    if shape.unique:
        return "v:" + msgspec.json.encode(item).decode()
    keys = {key: shape.key(item, key) for key in sorted(shape.keys)}
    if None in keys.values():
        return _NO_KEY
    return "k:" + msgspec.json.encode(keys).decode()


def children(value: Any, shape: Shape) -> dict[str, tuple[Any, Shape]] | None:
    """Step -> (value, shape) of what merges one by one below `value`; None where it is one whole.

    A list that names an item twice, or leaves out a key, is one whole too.
    """
    if isinstance(value, dict) and not shape.atomic:
        return {f"f:{name}": (inner, shape.inside(name)) for name, inner in value.items()}
    if isinstance(value, list) and (shape.keys or shape.unique):
        items = {step(item, shape): (item, shape.inside("")) for item in value}
        return items if len(items) == len(value) and _NO_KEY not in items else None
    return None


def unmergeable(value: Any, shape: Shape, path: Path = ()) -> Path | None:
    """The first list that cannot be merged by its keys, as a path."""
    below = children(value, shape)
    if below is None:
        return path if isinstance(value, list) and (shape.keys or shape.unique) else None
    tried = (unmergeable(inner, its, (*path, name)) for name, (inner, its) in below.items())
    return next((found for found in tried if found is not None), None)


def fields_of(value: Any, shape: Shape) -> Fields:
    """Every leaf, every item of a list that is a map or a set, every key that is the user's."""
    found: set[Path] = set()
    _collect(value, shape, (), found)
    return frozenset(found)


def _collect(value: Any, shape: Shape, path: Path, found: set[Path]) -> None:
    below = children(value, shape)
    if below is None:
        found.add(path)
        return
    whole = shape.free or isinstance(value, list)
    for name, (inner, its) in below.items():
        here = (*path, name)
        if whole or inner is None or inner == {}:
            found.add(here)
        if inner is not None and not (shape.unique and isinstance(value, list)):
            _collect(inner, its, here, found)


def difference(old: Any, new: Any, shape: Shape) -> Difference:
    """What writing `new` over `old` adds, modifies and removes. ABSENT for an object that is not there."""
    added: set[Path] = set()
    modified: set[Path] = set()
    removed: set[Path] = set()
    _compare((old, new), shape, (), (added, modified, removed))
    return Difference(frozenset(added), frozenset(modified), frozenset(removed))


def _compare(both: tuple[Any, Any], shape: Shape, path: Path, out: tuple[set[Path], set[Path], set[Path]]) -> None:
    old, new = both
    added, modified, removed = out
    if old is not ABSENT and new is not ABSENT and old == new:
        return
    before = {} if old is ABSENT else children(old, shape)
    after = {} if new is ABSENT else children(new, shape)
    if path[-1:] == ("f:metadata",) and not (before or after):
        return  # a struct in Go, so it is printed empty and is always there
    if before is None or after is None or not (before or after):
        (added if old is ABSENT else removed if new is ABSENT else modified).add(path)
        return
    for name in before.keys() | after.keys():
        then, its = before.get(name, (ABSENT, None))
        now, mine = after.get(name, (ABSENT, None))
        _compare((then, now), its or mine or shape, (*path, name), out)
    if path and old is ABSENT:
        added.add(path)
    elif path and new is ABSENT:
        removed.add(path)


def named(fields: Fields) -> Fields:
    """With the fields that hold them: who owns something in a struct owns the struct."""
    above: set[Path] = set()
    for path in fields:
        for length in range(len(path) - 1, 0, -1):
            if (holder := path[:length]) in above:
                break  # and so is all above it
            above.add(holder)
    return fields | {path for path in above if path[-1].startswith("f:")}


def encode(fields: Iterable[Path]) -> Obj:
    """As fieldsV1: a step is a key, and "." marks what is held although there is more below it."""
    root: Obj = {}
    for path in sorted(fields):
        node = root
        for name in path[:-1]:
            inner = node.setdefault(name, {})
            node = inner
        node.setdefault(path[-1], {})
    held = set(fields)
    _mark(root, (), held)
    return root


def _mark(node: Obj, path: Path, held: set[Path]) -> None:
    for name, inner in node.items():
        if not inner:
            continue
        here = (*path, name)
        _mark(inner, here, held)
        if here in held:
            inner["."] = {}


def decode(tree: Obj, path: Path = ()) -> Fields:
    """The reverse of `encode`."""
    found: set[Path] = set()
    for name, inner in tree.items():
        if name == ".":
            found.add(path)
        elif not inner:
            found.add((*path, name))
        else:
            found |= decode(inner, (*path, name))
    return frozenset(found)


def words(path: Path) -> str:
    """As Kubernetes prints a field: `.spec.containers[name="app"].image`."""
    text = ""
    for each in path:
        mark, _, rest = each.partition(":")
        if mark == "f":
            text += f".{rest}"
        elif mark == "v":
            text += f"[={rest}]"
        else:
            keys = msgspec.json.decode(rest)
            text += "[" + ",".join(f"{key}={msgspec.json.encode(value).decode()}" for key, value in keys.items()) + "]"
    return text
