"""CEL rules that CustomResourceDefinitions may hold: a table from the rule's text to a function. Used by `structural`.

Those of the ServiceMesh, and those of Istio's CRDs that ordinary resources meet. A rule that is not here is never
guessed: an object that it would judge is answered 501.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from pilotage_memory.errors import unsupported

_Rule = Callable[[Any, Any], bool]


def _names(spec: Any) -> set[str]:
    return {revision["name"] for revision in spec["revisions"]}


_MESH: Final[dict[str, _Rule]] = {
    "self == oldSelf": lambda new, old: bool(new == old),
    "self.metadata.name == 'default'": lambda new, _: bool(new["metadata"]["name"] == "default"),
    "has(self.__namespace__) == has(oldSelf.__namespace__) && "
    "(!has(self.__namespace__) || self.__namespace__ == oldSelf.__namespace__)": (
        lambda new, old: bool(new.get("namespace", "") == old.get("namespace", ""))
    ),
    "self.type == oldSelf.type": lambda new, old: bool(new["type"] == old["type"]),
    "self.profile == oldSelf.profile": lambda new, old: bool(new["profile"] == old["profile"]),
    "oldSelf.mode == 'Disabled' || self.revisions.exists(r, oldSelf.revisions.exists(o, o.name == r.name))": (
        lambda new, old: old["mode"] == "Disabled" or not _names(new).isdisjoint(_names(old))
    ),
    "size(self.revisions) < 2 || size(oldSelf.revisions) < 2 || "
    "self.revisions.all(r, oldSelf.revisions.exists(o, o.name == r.name))": (
        lambda new, old: len(_names(new)) < 2 or len(_names(old)) < 2 or _names(new) <= _names(old)
    ),
}

_MESH[
    "(has(self.daily) ? 1 : 0) + (has(self.weekly) ? 1 : 0) + "
    "(has(self.absoluteMonthly) ? 1 : 0) + (has(self.relativeMonthly) ? 1 : 0) == 1"
] = lambda new, _: len({"daily", "weekly", "absoluteMonthly", "relativeMonthly"} & set(new)) == 1
_MESH["!(has(self.utcOffset) && has(self.timeZone))"] = lambda new, _: not {"utcOffset", "timeZone"} <= set(new)

# One value at a time: `it` is what the rule calls self.
_ISTIO: Final[dict[str, Callable[[Any], bool]]] = {
    "duration(self) >= duration('1ms')": lambda it: _seconds(it) >= 0.001,
    "0 < self && self <= 65535": lambda it: 0 < it <= 65535,
    '!self.contains("*")': lambda it: "*" not in it,
    'self != "*"': lambda it: bool(it != "*"),
    "self.size() == 0": lambda it: not it,
    'self.all(key, !key.contains("*"))': lambda it: not any("*" in key for key in it),
    "self.all(key, key.size() != 0)": lambda it: all(it),
    "self.all(key, 0 < int(key) && int(key) <= 65535)": lambda it: all(0 < int(key) <= 65535 for key in it),
    "has(self.address) || has(self.network)": lambda it: "address" in it or "network" in it,
    '(has(self.address) ? self.address : "").startsWith("unix://") ? !has(self.ports) : true': (
        lambda it: not it.get("address", "").startswith("unix://") or "ports" not in it
    ),
    'self.startsWith("unix://") ? (self.substring(7, 8) == "/" || self.substring(7, 8) == "@") : true': (
        lambda it: not it.startswith("unix://") or it[7:8] in ("/", "@")
    ),
    'self.startsWith("unix://") ? !self.endsWith("/") : true': (
        lambda it: not it.startswith("unix://") or not it.endswith("/")
    ),
    'self.all(key, size(key) < 63 && key.matches("^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$"))': (
        lambda it: all(len(key) < 63 and re.fullmatch(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?", key) for key in it)
    ),
    "self.all(l1, self.exists_one(l2, l1.number == l2.number))": (
        lambda it: len({port["number"] for port in it}) == len(it)
    ),
    '((has(self.resolution) ? self.resolution : "NONE") == "NONE") ? !has(self.endpoints) : true': (
        lambda it: it.get("resolution", "NONE") != "NONE" or "endpoints" not in it
    ),
    '((has(self.resolution) ? self.resolution : "") == "DNS_ROUND_ROBIN") ? '
    "((has(self.endpoints) ? self.endpoints : []).size() <= 1) : true": (
        lambda it: it.get("resolution") != "DNS_ROUND_ROBIN" or len(it.get("endpoints", [])) <= 1
    ),
    '!((has(self.addresses) ? self.addresses : []).exists(k, k.contains("/")) && '
    '!((has(self.resolution) ? self.resolution : "NONE") in ["STATIC", "NONE"]))': (
        lambda it: (
            it.get("resolution", "NONE") in ("STATIC", "NONE") or not any("/" in k for k in it.get("addresses", []))
        )
    ),
    "has(self.portLevelMtls) ? (((has(self.selector) && has(self.selector.matchLabels)) ? "
    "self.selector.matchLabels : {}).size() > 0) : true": (
        lambda it: "portLevelMtls" not in it or bool(it.get("selector", {}).get("matchLabels"))
    ),
}
_AT_MOST_ONE: Final = re.compile(r"\(has\(self\.\w+\) \? 1 : 0\)(?: \+ \(has\(self\.\w+\) \? 1 : 0\))+ <= 1")
_DURATION: Final = re.compile(r"([0-9.]+)(ms|h|m|s)")
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def holds(rule: str, value: Any, old: Any | None) -> bool:
    """A rule about `oldSelf` holds where there is none. Raises NotImplemented for a rule that is not in the tables."""
    text = " ".join(rule.split())
    if text in _MESH:
        return (old is None and "oldSelf" in text) or _MESH[text](value, old)
    if text in _ISTIO:
        return _ISTIO[text](value)
    if _AT_MOST_ONE.fullmatch(text):
        return sum(field in value for field in re.findall(r"self\.(\w+)", text)) <= 1
    raise unsupported(f"the CEL rule {text}")


def _seconds(text: str) -> float:
    """`1m30s` -> 90.0; -1.0 for what is no duration."""
    found = _DURATION.findall(text)
    if "".join(number + unit for number, unit in found) != text:
        return -1.0
    return sum(float(number) * _UNITS[unit] for number, unit in found)
