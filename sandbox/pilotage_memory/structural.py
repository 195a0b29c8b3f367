"""Custom resources against the structural schema of their CustomResourceDefinition. Used by `lifecycle`. Pure.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from pilotage_memory import cel
from pilotage_memory.errors import Cause
from pilotage_memory.fieldsets import ABSENT, step
from pilotage_memory.kinds import Kind, Obj
from pilotage_memory.shapes import Shape

_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}
_LIMITS: Final[dict[str, tuple[Callable[[Any, Any], bool], str]]] = {
    "minLength": (lambda value, limit: len(value) >= limit, "should be at least {} chars long"),
    "maxLength": (lambda value, limit: len(value) <= limit, "may not be more than {} bytes"),
    "minItems": (lambda value, limit: len(value) >= limit, "should have at least {} items"),
    "maxItems": (lambda value, limit: len(value) <= limit, "must have at most {} items"),
    "minimum": (lambda value, limit: value >= limit, "should be greater than or equal to {}"),
    "maximum": (lambda value, limit: value <= limit, "should be less than or equal to {}"),
    "pattern": (lambda value, limit: bool(re.search(limit, value)), "should match '{}'"),
}

_REASONS: Final = {"maxLength": ("FieldValueTooLong", "Too long: "), "maxItems": ("FieldValueTooMany", "Too many: ")}

_BLOCKING: Final = {
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
}


def schema_of(kind: Kind, version: str) -> Obj:
    """Of a whole custom resource."""
    versions = {each["name"]: each for each in (kind.crd or {})["spec"]["versions"]}
    schema: Obj = versions[version].get("schema", {}).get("openAPIV3Schema", {})
    return schema


def complete(schema: Obj, obj: Obj) -> Obj:
    """With the schema's defaults, without fields that it does not know. metadata is not its business."""
    system = {name: obj[name] for name in ("apiVersion", "kind", "metadata")}
    return {**_complete(schema, obj), **system}


def _complete(schema: Obj, value: Any) -> Any:
    if isinstance(value, list):
        return [_complete(schema.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    fields: Obj = schema.get("properties", {})
    others = schema.get("additionalProperties")
    kept = {}
    for name, inner in value.items():
        if name in fields:
            if inner is not None or fields[name].get("nullable"):
                kept[name] = _complete(fields[name], inner)
        elif isinstance(others, dict):
            kept[name] = _complete(others, inner)
        elif others or schema.get("x-kubernetes-preserve-unknown-fields"):
            kept[name] = inner
    for name, its in fields.items():
        if name not in kept and "default" in its:
            kept[name] = _complete(its, its["default"])
    return kept


def wrong(schema: Obj, value: Any, old: Any = ABSENT) -> list[Cause]:
    """All that is wrong with `value`, which replaces `old`. Raises NotImplemented for a rule that `cel` lacks.

    As in a real server, rules are not asked about a value that is far from its schema.
    """
    causes = list(_unlike(schema, value, ""))
    if _BLOCKING.isdisjoint(cause["reason"] for cause in causes):
        return causes + list(_broken(schema, value, old, ""))
    words = "some validation rules were not checked because the object was invalid"
    skipped = _cause("FieldValueInvalid", "", f"Invalid value: null: {words}")
    return [*causes, skipped] if _has_rules(schema) else causes


def _has_rules(schema: Obj) -> bool:
    below = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    return "x-kubernetes-validations" in schema or any(_has_rules(each) for each in below)


def _unlike(schema: Obj, value: Any, path: str) -> Iterator[Cause]:
    kind = schema.get("type")
    if kind and not schema.get("x-kubernetes-int-or-string") and not _is(value, kind):
        found = next((name for name in _TYPES if _is(value, name)), "null")
        told = f'Invalid value: "{found}": {path} in body must be of type {kind}: "{found}"'
        yield _cause("FieldValueTypeInvalid", path, told)
        return
    yield from _limits(schema, value, path)
    yield from _branches(schema, value, path)
    yield from _twice(schema, value, path)
    for its, inner, _, there in _children(schema, value, ABSENT, path):
        yield from _unlike(its, inner, there)


def _broken(schema: Obj, value: Any, old: Any, path: str) -> Iterator[Cause]:
    for its, inner, before, there in _children(schema, value, old, path):
        yield from _broken(its, inner, before, there)
    for rule in schema.get("x-kubernetes-validations", ()):
        if not cel.holds(rule["rule"], value, None if old is ABSENT else old):
            yield _cause("FieldValueInvalid", path, f"Invalid value: {rule.get('message', rule['rule'])}")


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _limits(schema: Obj, value: Any, path: str) -> Iterator[Cause]:
    if "enum" in schema and value not in schema["enum"]:
        allowed = ", ".join(f'"{each}"' for each in schema["enum"])
        yield _cause("FieldValueNotSupported", path, f'Unsupported value: "{value}": supported values: {allowed}')
    for name, (fits, words) in _LIMITS.items():
        if name in schema and not fits(value, schema[name]):
            start = f"Invalid value: {msgspec.json.encode(value).decode()}: {path} in body "
            reason, start = _REASONS.get(name, ("FieldValueInvalid", start))
            yield _cause(reason, path, f"{start}{words.format(schema[name])}")
    for name in schema.get("required", ()) if isinstance(value, dict) else ():
        if name not in value:
            yield _cause("FieldValueRequired", f"{path}.{name}".lstrip("."), "Required value")


def _branches(schema: Obj, value: Any, path: str) -> Iterator[Cause]:
    def fitting(name: str) -> int:
        return sum(not any(_unlike(each, value, "")) for each in schema[name])

    failed = (
        ("allOf" in schema and fitting("allOf") < len(schema["allOf"]))
        or ("anyOf" in schema and not fitting("anyOf"))
        or ("oneOf" in schema and fitting("oneOf") != 1)
        or ("not" in schema and not any(_unlike(schema["not"], value, "")))
    )
    if failed:
        yield _cause("FieldValueInvalid", path, "Invalid value: must validate one and only one schema (oneOf)")


def _twice(schema: Obj, value: Any, path: str) -> Iterator[Cause]:
    shape = _keyed(schema)
    if not (shape.keys and isinstance(value, list)):
        return
    seen = set()
    for at, item in enumerate(value):
        name = step(item, shape)
        if name in seen:
            yield _cause("FieldValueDuplicate", f"{path}[{at}]", f"Duplicate value: {name.removeprefix('k:')}")
        seen.add(name)


def _children(schema: Obj, value: Any, old: Any, path: str) -> Iterator[tuple[Obj, Any, Any, str]]:
    """(schema, value, old value, path) of fields and items. Items have an old value where the list has keys."""
    if isinstance(value, dict):
        fields, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, inner in value.items():
            its = fields.get(name, others)
            if isinstance(its, dict):
                before = old.get(name, ABSENT) if isinstance(old, dict) else ABSENT
                yield its, inner, before, f"{path}.{name}".lstrip(".")
    elif isinstance(value, list):
        shape = _keyed(schema)
        then = {step(item, shape): item for item in old} if shape.keys and isinstance(old, list) else {}
        for at, item in enumerate(value):
            before = then.get(step(item, shape), ABSENT) if shape.keys and isinstance(item, dict) else ABSENT
            yield schema.get("items", {}), item, before, f"{path}[{at}]"


def _keyed(schema: Obj) -> Shape:
    shape = Shape(lambda _: shape, keys=tuple(schema.get("x-kubernetes-list-map-keys", ())))
    return shape


def _cause(reason: str, field: str, message: str) -> Cause:
    return {"reason": reason, "message": message, "field": field or "<nil>"}
