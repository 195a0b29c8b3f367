"""Reads YAML with the place of every value, unforgivingly: tabs, duplicate keys and several documents are errors.

Called by `meshconfig` and `catalogfile`, whose messages name line and column. JSON is YAML, so it is read as well.
`plain` forgives, but for what would end the process: `injector` reads with it what anyone may write onto a pod.
"""

from typing import Any, Literal

import msgspec
import yaml

Scalars = Literal["typed", "text"]
_MAX_NODES = 100_000  # aliases that unfold beyond this are an attack, not a configuration
_MAX_DEPTH = 200  # the parser's own recursion has no limit but the stack, which ends the process


class YamlError(ValueError):
    """`line` and `column` count from 1."""

    def __init__(self, line: int, column: int, problem: str) -> None:
        super().__init__(f"line {line}, column {column}: {problem}")


class Node(msgspec.Struct, frozen=True):
    """`value`: a dict or list of Nodes, or a str, int, float, bool, None.

    `line` and `column` count from 1; of what stands under a key, they are the key's.
    """

    value: Any
    line: int = 1
    column: int = 1

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value


class _Reader:
    """`scalars`: `typed` as YAML says, or `text` as written, so that 1.30 stays 1.30."""

    def __init__(self, scalars: Scalars) -> None:
        self.scalars = scalars
        self.left = _MAX_NODES

    def node(self, node: yaml.Node) -> Node:
        self.left -= 1
        if self.left < 0:
            raise self._error(node, "too many values: do aliases refer to themselves?")
        place = (node.start_mark.line + 1, node.start_mark.column + 1)
        if isinstance(node, yaml.MappingNode):
            return Node(self._mapping(node), *place)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.node(child) for child in node.value], *place)
        return Node(self._scalar(node), *place)

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Node]:
        found: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                merged |= self._merge(value)
            elif not isinstance(key, yaml.ScalarNode):
                raise self._error(key, "a key must be plain text")
            elif key.value in found:
                raise self._error(key, f"key {key.value!r} is given twice")
            else:
                found[key.value] = Node(self.node(value).value, key.start_mark.line + 1, key.start_mark.column + 1)
        return merged | found

    def _merge(self, node: yaml.Node) -> dict[str, Node]:
        merged = self.node(node).value
        parts = [part.value for part in merged] if isinstance(merged, list) else [merged]
        found: dict[str, Node] = {}
        for part in reversed(parts):
            if not isinstance(part, dict):
                raise self._error(node, "<< takes a mapping")
            found |= part
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        kind = node.tag.rpartition(":")[2]
        if kind == "null":
            return None
        if self.scalars == "text":
            return node.value
        if kind == "bool":
            return node.value.lower() in ("true", "yes", "on")
        if kind in ("int", "float"):
            return _number(node.value, kind)
        return node.value

    def _error(self, node: yaml.Node, problem: str) -> YamlError:
        return YamlError(node.start_mark.line + 1, node.start_mark.column + 1, problem)


def parse(text: str, scalars: Scalars = "typed") -> Node:
    """The one document of `text`; an empty one is a Node of None. Raises YamlError."""
    try:
        _refuse_deep(text)
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
        return _Reader(scalars).node(root) if root is not None else Node(None)
    except yaml.MarkedYAMLError as error:
        raise _translated(error, text) from None
    except yaml.YAMLError as error:  # a character that YAML forbids: it says where by offset only
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise YamlError(line, 1, str(error).splitlines()[0]) from None
    except RecursionError:
        raise YamlError(1, 1, "nested too deep") from None


def plain(text: str) -> Any:
    """The values of the one document of `text`, as any reader of YAML has them. Raises YamlError."""
    try:
        _refuse_deep(text)
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise YamlError(1, 1, " ".join(str(error).split())) from None


def _refuse_deep(text: str) -> None:
    """By events, which are told one after another, however deep."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH and event.start_mark:
            raise YamlError(event.start_mark.line + 1, event.start_mark.column + 1, "nested too deep")


def _translated(error: yaml.MarkedYAMLError, text: str) -> YamlError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.splitlines()
    for at in (line, line - 1):
        tab = lines[at].find("\t") if 0 <= at < len(lines) else -1
        if tab >= 0:
            return YamlError(at + 1, tab + 1, "a tab: YAML is indented with spaces")
    return YamlError(line + 1, column + 1, f"not YAML: {error.problem or error.context}")


def _number(text: str, kind: str) -> Any:
    cleaned = text.replace("_", "")
    try:
        return (
            int(cleaned, 0) if kind == "int" else float(cleaned.lower().replace(".inf", "inf").replace(".nan", "nan"))
        )
    except ValueError:
        return text  # octal 0755, sexagesimal: no setting of Istio is written so
