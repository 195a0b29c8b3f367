"""Custom resources against the structural schema of their CustomResourceDefinition. Used by `lifecycle`. Pure.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

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

_REASONS: Final = {"maxLength": "FieldValueTooLong", "maxItems": "FieldValueTooMany"}


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


def wrong(schema: Obj, value: Any, old: Any = ABSENT, path: str = "") -> Iterator[Cause]:
    """All that is wrong with `value`, which replaces `old`. Raises NotImplemented for a rule that `cel` lacks."""
    kind = schema.get("type")
    if kind and not schema.get("x-kubernetes-int-or-string") and not _is(value, kind):
        yield _cause("FieldValueTypeInvalid", path, f"Invalid value: in body must be of type {kind}")
        return
    yield from _limits(schema, value, path)
    yield from _branches(schema, value, path)
    yield from _below(schema, value, old, path)
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
            told = f"Invalid value: in body {words.format(schema[name])}"
            yield _cause(_REASONS.get(name, "FieldValueInvalid"), path, told)
    for name in schema.get("required", ()) if isinstance(value, dict) else ():
        if name not in value:
            yield _cause("FieldValueRequired", f"{path}.{name}".lstrip("."), "Required value")


def _branches(schema: Obj, value: Any, path: str) -> Iterator[Cause]:
    def fitting(name: str) -> int:
        return sum(not any(wrong(each, value)) for each in schema[name])

    failed = (
        ("allOf" in schema and fitting("allOf") < len(schema["allOf"]))
        or ("anyOf" in schema and not fitting("anyOf"))
        or ("oneOf" in schema and fitting("oneOf") != 1)
        or ("not" in schema and not any(wrong(schema["not"], value)))
    )
    if failed:
        yield _cause("FieldValueInvalid", path, "Invalid value: must validate one and only one schema (oneOf)")


def _below(schema: Obj, value: Any, old: Any, path: str) -> Iterator[Cause]:
    if isinstance(value, dict):
        fields, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, inner in value.items():
            its = fields.get(name, others)
            if isinstance(its, dict):
                then = old.get(name, ABSENT) if isinstance(old, dict) else ABSENT
                yield from wrong(its, inner, then, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        keys = tuple(schema.get("x-kubernetes-list-map-keys", ()))
        shape = Shape(lambda _: shape, keys=keys)
        before = {step(item, shape): item for item in old} if keys and isinstance(old, list) else {}
        seen = set()
        for at, item in enumerate(value):
            name = step(item, shape) if keys and isinstance(item, dict) else str(at)
            if name in seen:
                yield _cause("FieldValueDuplicate", f"{path}[{at}]", f"Duplicate value: {name.removeprefix('k:')}")
            seen.add(name)
            yield from wrong(schema.get("items", {}), item, before.get(name, ABSENT), f"{path}[{at}]")


def _cause(reason: str, field: str, message: str) -> Cause:
    return {"reason": reason, "message": message, "field": field or "<nil>"}
