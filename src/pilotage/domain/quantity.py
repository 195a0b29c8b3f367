"""Kubernetes quantities: `500m`, `2Gi`, `1`, `25%`. Called wherever requests and limits are compared or added."""

import math
import re
from decimal import Decimal
from typing import Any

_QUANTITY = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|n|u)?")
_SCALE = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
}


def parse_quantity(value: Any) -> Decimal:
    """Raises ValueError for anything but a quantity."""
    found = _QUANTITY.fullmatch(str(value))
    if found is None:
        raise ValueError(f"not a quantity: {value!r}")
    return Decimal(found[1]) * _SCALE[found[2] or ""]


def of_count(value: int | str, whole: int) -> float:
    """An integer or a percentage of `whole`, not rounded: 2 -> 2, `25%` of 10 -> 2.5."""
    text = str(value)
    return int(text[:-1]) * whole / 100 if text.endswith("%") else int(text)


def left_out(unavailable: int | str | None, surge: int | str | None, replicas: int) -> int:
    """Pods that a Deployment's rolling update may leave out at once; either limit is 25% where it is not given.

    The one is rounded down and the other up, and of nothing on both sides Kubernetes makes one pod, or none would move.
    """
    missing, more = (of_count("25%" if each is None else each, replicas) for each in (unavailable, surge))
    return min(math.floor(missing) or int(not more), replicas)


def same_quantity(one: Any, other: Any) -> bool:
    """`1000m` and `1` are the same; the API server rewrites one as the other."""
    if not isinstance(one, str | int | float) or not isinstance(other, str | int | float):
        return False
    try:
        return parse_quantity(one) == parse_quantity(other)
    except (ValueError, ArithmeticError):
        return False
