"""How a Deployment moves from old ReplicaSets to its new one: the arithmetic of kube-controller-manager. Pure.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Side(NamedTuple):
    """One ReplicaSet: pods it should have, and those of them that are available."""

    size: int
    available: int


class Room(NamedTuple):
    """Pods above the wanted number, and below it, that a rollout may make use of."""

    surge: int
    unavailable: int


def room(replicas: int, surge: int | str, unavailable: int | str) -> Room:
    """Numbers or percentages; of two zeros one pod may be unavailable, or nothing could ever move."""
    up, down = _amount(surge, replicas, math.ceil), _amount(unavailable, replicas, math.floor)
    return Room(up, down or (0 if up else 1))


def grown(replicas: int, room: Room, new: Side, old: Sequence[Side]) -> int:
    """The new one's next size."""
    if new.size >= replicas:
        return replicas
    total = new.size + sum(side.size for side in old)
    return new.size + max(0, min(replicas + room.surge - total, replicas - new.size))


def shrunk(replicas: int, room: Room, new: Side, old: Sequence[Side]) -> list[int]:
    """The old ones' next sizes, oldest first: what does not run goes first, then as many as are spare."""
    sizes = [side.size for side in old]
    least = replicas - room.unavailable
    spare = new.size + sum(sizes) - least - (new.size - new.available)
    if spare <= 0:
        return sizes
    for index, side in enumerate(old):
        idle = min(spare, side.size - side.available)
        sizes[index] -= idle
        spare -= idle
    spare = new.available + sum(side.available for side in old) - least
    for index, size in enumerate(sizes):
        going = max(0, min(size, spare))
        sizes[index] -= going
        spare -= going
    return sizes


def _amount(given: int | str, of: int, rounded: Callable[[float], int]) -> int:
    if isinstance(given, int):
        return given
    return rounded(of * int(given.removesuffix("%")) / 100)
