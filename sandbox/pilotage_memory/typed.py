"""What passing through an API server's Go types does to a built-in object. Used by `lifecycle`.

Null, and what is empty and optional, is dropped; quantities are written in their shortest form. In ConfigMaps and
labels an empty text is a value, so maps whose keys are the user's are left alone. Custom resources do not come here.
"""

import re
from decimal import Decimal
from typing import Any, Final

from pilotage_memory.kinds import Obj

_TEXTS: Final = frozenset({"labels", "annotations", "data", "binaryData", "matchLabels", "nodeSelector", "parameters"})
_QUANTITIES: Final = frozenset({"limits", "requests", "hard", "used", "capacity", "allocatable", "overhead"})
_KEPT_EMPTY: Final = frozenset({"rules", "type", "holderIdentity"})  # of roles, of a hostPath, of a Lease
_UNSAID: Final = frozenset({"hostNetwork", "hostPID", "hostIPC", "readOnly", "stdin", "tty", "paused", "unschedulable"})
_DECIMAL: Final = {
    suffix: Decimal(10) ** power for suffix, power in zip(("n", "u", "m", "", *"kMGTPE"), range(-9, 19, 3), strict=True)
}
_BINARY: Final = {
    suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)
}
_QUANTITY: Final = re.compile(r"([+-]?[0-9.]+)([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE]?)$")


def as_typed(obj: Obj) -> Obj:
    """A new object; only its innermost values are shared."""
    typed: Obj = _value("", obj)
    return typed


def _meta(meta: Obj) -> Obj:
    return {name: value for name, value in meta.items() if value not in (None, {}, [], "")}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_value("", item) for item in value]
    if not isinstance(value, dict) or name in _TEXTS:
        return value
    if name in _QUANTITIES:
        return {key: canonical(each) for key, each in value.items()}
    return {
        key: _meta(inner) if key == "metadata" and isinstance(inner, dict) else _value(key, inner)
        for key, inner in value.items()
        if not _dropped(key, inner)
    }


def _dropped(name: str, value: Any) -> bool:
    if value is None or (value is False and name in _UNSAID):
        return True
    if name in _TEXTS or name in _QUANTITIES:
        return bool(value == {})
    empty = value == "" or value == []
    return bool(empty) and name not in _KEPT_EMPTY


def canonical(value: Any) -> Any:
    """`2048Mi` -> `2Gi`, `1000m` -> `1`, `0.5` -> `500m`: a whole number with the biggest suffix that leaves it one."""
    found = _QUANTITY.match(str(value))
    if found is None:
        return value
    digits, suffix = Decimal(found[1]), found[2]
    if suffix in _BINARY and digits * _BINARY[suffix] >= _BINARY["Ki"]:
        return _shortest(digits * _BINARY[suffix], _BINARY | {"": 1})
    if suffix not in _BINARY and suffix not in _DECIMAL:  # 1e3
        return _shortest(digits * Decimal(10) ** int(suffix[1:]), _DECIMAL)
    return _shortest(digits * (_DECIMAL | _BINARY)[suffix], _DECIMAL)


def _shortest(number: Decimal, suffixes: dict[str, Any]) -> str:
    by_size = sorted(suffixes.items(), key=lambda each: each[1], reverse=True)
    suffix, size = next((each for each in by_size if number % each[1] == 0), by_size[-1])
    return f"{int(number / size)}{suffix if number else ''}"
