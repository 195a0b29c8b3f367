"""CEL rules that CustomResourceDefinitions may hold: a table from the rule's text to a function. Used by `structural`.

A rule that is not here is not guessed: an object that it would judge is answered 501.
"""

from collections.abc import Callable
from typing import Any, Final

from pilotage_memory.errors import unsupported

_Rule = Callable[[Any, Any], bool]


def _names(spec: Any) -> set[str]:
    return {revision["name"] for revision in spec["revisions"]}


_RULES: Final[dict[str, _Rule]] = {
    "self == oldSelf": lambda new, old: bool(new == old),
    "self.metadata.name == 'default'": lambda new, _: bool(new["metadata"]["name"] == "default"),
    "self.profile == oldSelf.profile": lambda new, old: bool(new["profile"] == old["profile"]),
    "self.revisions.exists(r, oldSelf.revisions.exists(o, o.name == r.name))": (
        lambda new, old: not _names(new).isdisjoint(_names(old))
    ),
    "size(self.revisions) < 2 || size(oldSelf.revisions) < 2 || "
    "self.revisions.all(r, oldSelf.revisions.exists(o, o.name == r.name))": (
        lambda new, old: len(_names(new)) < 2 or len(_names(old)) < 2 or _names(new) <= _names(old)
    ),
}


def holds(rule: str, value: Any, old: Any | None) -> bool:
    """A rule about `oldSelf` holds where there is none. Raises NotImplemented for a rule that is not in the table."""
    text = " ".join(rule.split())
    if text not in _RULES:
        raise unsupported(f"the CEL rule {text}")
    return (old is None and "oldSelf" in text) or _RULES[text](value, old)
