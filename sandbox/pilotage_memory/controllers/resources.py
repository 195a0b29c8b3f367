"""CPU, memory and pods: what a pod asks for, and whether it fits. Pure. Called by the scheduler and by quotas."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from pilotage_memory.kinds import Obj

Amounts = dict[str, Decimal]  # cpu in cores, memory in bytes

_UNITS: Final = {"": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3")}
_POWERS: Final = {unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)} | {
    f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)
}
_QUANTITY: Final = re.compile(r"([0-9.]+(?:[eE][-+]?[0-9]+)?)([numkMGTPE]|[KMGTPE]i)?")


def quantity(text: object) -> Decimal:
    """`500m`, `2Gi`, `3`. Raises ValueError for anything else."""
    found = _QUANTITY.fullmatch(str(text))
    if not found:
        raise ValueError(f"{text!r} is no quantity")
    return Decimal(found[1]) * (_UNITS | _POWERS)[found[2] or ""]


def requested(pod: Obj, what: str = "requests") -> Amounts:
    """As the scheduler counts: what runs together, or the init container that wants more, by resource."""
    spec = pod["spec"]
    together: list[Amounts] = []
    most: Amounts = {}
    for each in spec.get("initContainers") or ():
        own = _asked(each, what)
        if each.get("restartPolicy") == "Always":
            together.append(own)
            own = {}
        most = _larger(most, total([*together, own]))
    return _larger(most, total([*together, *(_asked(each, what) for each in spec["containers"])]))


def total(amounts: Iterable[Amounts]) -> Amounts:
    added: Amounts = {}
    for each in amounts:
        for name, number in each.items():
            added[name] = added.get(name, Decimal(0)) + number
    return added


def fits(wanted: Amounts, used: Amounts, allocatable: Mapping[str, str]) -> bool:
    return all(
        used.get(name, Decimal(0)) + number <= quantity(allocatable.get(name, "0")) for name, number in wanted.items()
    )


def _asked(container: Obj, what: str) -> Amounts:
    given = (container.get("resources") or {}).get(what) or {}
    return {name: quantity(number) for name, number in given.items()}


def _larger(one: Amounts, other: Amounts) -> Amounts:
    zero = Decimal(0)
    return {name: max(one.get(name, zero), other.get(name, zero)) for name in one.keys() | other.keys()}
