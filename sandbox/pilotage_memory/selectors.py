"""Label and field selectors. Used by `listing` and `watching`."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pilotage_memory.errors import refusal, unsupported
from pilotage_memory.kinds import Kind, Obj

Test = Callable[[Obj], bool]
_TERM: Final = re.compile(
    r"\s*(?:(?P<absent>!)\s*(?P<without>[^\s!=,()]+)"
    r"|(?P<key>[^\s!=,()]+)\s*(?:(?P<op>==|=|!=)\s*(?P<value>[^\s!=,()]*)"
    r"|\s(?P<set>in|notin)\s*\((?P<values>[^)]*)\))?)\s*(?:,|$)"
)
# Fields that can be selected by, beside metadata.name and metadata.namespace, as far as we know them.
_FIELDS: Final[dict[str, frozenset[str]]] = {
    "Pod": frozenset({"spec.nodeName", "status.phase", "spec.serviceAccountName", "spec.schedulerName"}),
    "Namespace": frozenset({"status.phase"}),
    "Event": frozenset({"reason", "type", "reportingController", "regarding.name"}),
}


def selection(kind: Kind, labels: str, fields: str) -> Test:
    """Does an object match both? Raises BadRequest for what is no selector, or no field to select by."""
    tests = [*_labels(labels), *_fields(kind, fields)]
    return lambda obj: all(test(obj) for test in tests)


def _labels(text: str) -> list[Test]:
    tests: list[Test] = []
    at = 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None or found.end() == at:
            raise refusal("BadRequest", f"unable to parse requirement: {text[at:]}")
        tests.append(_requirement(found))
        at = found.end()
    return tests


def _requirement(found: "re.Match[str]") -> Test:
    if found["absent"]:
        return lambda obj: found["without"] not in _labels_of(obj)
    key, op = found["key"], found["op"] or found["set"]
    values = {each.strip() for each in found["values"].split(",")} if found["set"] else {found["value"]}
    if op in ("=", "==", "in"):
        return lambda obj: _labels_of(obj).get(key) in values
    if op in ("!=", "notin"):
        return lambda obj: _labels_of(obj).get(key) not in values
    return lambda obj: key in _labels_of(obj)


def _labels_of(obj: Obj) -> Mapping[str, str]:
    labels: Mapping[str, str] = obj["metadata"].get("labels") or {}
    return labels


def _fields(kind: Kind, text: str) -> list[Test]:
    return [_field(kind, term) for term in text.split(",") if term]


def _field(kind: Kind, term: str) -> Test:
    found = re.fullmatch(r"([^!=]+)(==|=|!=)(.*)", term)
    if found is None:
        raise refusal("BadRequest", f"invalid field selector: {term!r}")
    path, op, value = found.groups()
    if path not in {"metadata.name", "metadata.namespace"} | _FIELDS.get(kind.kind, frozenset()):
        if kind.crd is None:
            raise unsupported(f"field selector {path} of {kind.kind}")
        raise refusal("BadRequest", f"field label not supported: {path}")
    return lambda obj: (_at(obj, path) == value) == (op != "!=")


def _at(obj: Any, path: str) -> str:
    for name in path.split("."):
        obj = obj.get(name) if isinstance(obj, dict) else None
    return str(obj) if obj is not None else ""
