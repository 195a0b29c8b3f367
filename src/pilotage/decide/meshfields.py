"""The fields of MeshConfig, ProxyConfig within, and what of a document does not fit them. Called by `meshconfig`.

The tree is generated from Istio's own API (`tools/istio/meshconfigfields`) and is that of its newest minor. It is part
of this code and happens to be JSON: the same for every cluster, so reading it is no look at the world.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from pilotage.data import read
from pilotage.decide.strictyaml import Node
from pilotage.decide.wording import did_you_mean

# As istiod decodes durations: Go's, not only seconds.
_DURATION = re.compile(r"[-+]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+)")
_SCALARS = {"string": "text", "bytes": "text in base64", "timestamp": "a time such as 2026-11-22T12:00:00Z"}


class FieldTree(msgspec.Struct, frozen=True):
    """`messages`: message -> field -> type. Types are explained at the head of the generator."""

    root: str
    source: str
    messages: dict[str, dict[str, str]]


@cache
def field_tree() -> FieldTree:
    return msgspec.json.decode(read("meshconfig-fields.json"), type=FieldTree)


def problems(root: Node) -> Iterator[str]:
    """What istiod would not read as it was meant, one line each, with its place."""
    if root.value is not None:
        yield from _check(root, f"message:{field_tree().root}", "")


def _check(node: Node, kind: str, path: str) -> Iterator[str]:
    if node.value is None:  # istiod reads null as absent
        return
    head, _, rest = kind.partition(":")
    if head == "message":
        yield from _message(node, rest, path)
    elif head == "list":
        yield from _list(node, rest, path)
    elif head == "map":
        yield from _map(node, rest, path)
    elif head != "any":
        expected = _scalar(node.value, head, rest)
        if expected:
            yield f"{_place(node)}: {path} must be {expected}, not {_shown(node.value)}"


def _message(node: Node, message: str, path: str) -> Iterator[str]:
    if not isinstance(node.value, dict):
        yield f"{_place(node)}: {path or 'the mesh configuration'} must be a mapping, not {_shown(node.value)}"
        return
    fields = field_tree().messages[message]
    for key, child in node.value.items():
        where = f"{path}.{key}" if path else key
        kind = fields.get(key) or fields.get(_camel(key))
        if kind is None:
            hint = did_you_mean(key, fields)
            yield f"{_place(child)}: {where} is no field that Istio knows, it would be ignored{hint}"
        else:
            yield from _check(child, kind, where)


def _list(node: Node, kind: str, path: str) -> Iterator[str]:
    if not isinstance(node.value, list):
        yield f"{_place(node)}: {path} must be a list, not {_shown(node.value)}"
        return
    for index, child in enumerate(node.value):
        yield from _check(child, kind, f"{path}[{index}]")


def _map(node: Node, kind: str, path: str) -> Iterator[str]:
    if not isinstance(node.value, dict):
        yield f"{_place(node)}: {path} must be a mapping, not {_shown(node.value)}"
        return
    for key, child in node.value.items():
        yield from _check(child, kind, f"{path}.{key}")


def _scalar(value: Any, kind: str, choices: str) -> str:
    """What the value should have been, "" where it is fine. Numbers may be quoted, as in Istio."""
    if kind == "bool":
        return "" if isinstance(value, bool) else "true or false"
    if kind in ("int", "float"):
        return "" if _is_number(value, kind) else "a whole number" if kind == "int" else "a number"
    if kind == "enum":
        known = choices.split("|")
        return "" if value in known or _is_number(value, "int") else f"one of {', '.join(known)}"
    if kind == "duration":
        fine = isinstance(value, str) and _DURATION.fullmatch(value)
        return "" if fine else "a duration such as 10s"
    return "" if isinstance(value, str) else _SCALARS[kind]


def _is_number(value: Any, kind: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    try:
        number = float(value)
    except ValueError:
        return False
    return kind == "float" or number.is_integer()


def _camel(name: str) -> str:
    """Istio takes a field by its name in the API's source as well: access_log_file."""
    head, *words = name.split("_")
    return head + "".join(word.capitalize() for word in words)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = "true" if value is True else "false" if value is False else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _place(node: Node) -> str:
    return f"line {node.line}, column {node.column}"
