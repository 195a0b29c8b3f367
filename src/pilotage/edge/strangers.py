"""Fields of a resource that this Pilotage does not know: a newer one wrote them. Called by `mesh`.

Who writes must know them all, or they would be lost; who only looks can leave them out.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from msgspec import inspect

from pilotage.domain.objects import Obj


def strangers(spec: Obj, shape: type) -> list[str]:
    """Their paths, as in `revisions[].pace`."""
    return sorted(set(_found(spec, _described(shape), "")))


def without(spec: Obj, shape: type) -> Obj:
    """The spec, less what is unknown."""
    known: Obj = _known(spec, _described(shape))
    return known


@cache
def _described(shape: type) -> inspect.Type:
    """Once per process: it takes longer than to read all of a resource, and that is looked at again and again."""
    return inspect.type_info(shape)


def _found(value: Any, kind: inspect.Type, path: str) -> Iterator[str]:
    if isinstance(kind, inspect.StructType) and isinstance(value, dict):
        fields = {field.encode_name: field.type for field in kind.fields}
        for name, held in value.items():
            place = f"{path}.{name}".lstrip(".")
            if name in fields:
                yield from _found(held, _inner(fields[name]), place)
            else:
                yield place
    elif isinstance(kind, inspect.ListType) and isinstance(value, list):
        for item in value:
            yield from _found(item, _inner(kind.item_type), f"{path}[]")


def _known(value: Any, kind: inspect.Type) -> Any:
    if isinstance(kind, inspect.StructType) and isinstance(value, dict):
        fields = {field.encode_name: field.type for field in kind.fields}
        return {name: _known(held, _inner(fields[name])) for name, held in value.items() if name in fields}
    if isinstance(kind, inspect.ListType) and isinstance(value, list):
        return [_known(item, _inner(kind.item_type)) for item in value]
    return value


def _inner(kind: inspect.Type) -> inspect.Type:
    """Of a type with a description, or of one that may be absent: what it holds."""
    if isinstance(kind, inspect.Metadata):
        return _inner(kind.type)
    if isinstance(kind, inspect.UnionType):
        structs = [each for each in map(_inner, kind.types) if isinstance(each, inspect.StructType | inspect.ListType)]
        return structs[0] if structs else kind
    return kind
