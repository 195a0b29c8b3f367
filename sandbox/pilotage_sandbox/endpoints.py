"""Which pods a load balancer sends new connections to, and how late it hears of a change. Pure but for the timer.

Called by `balancer`. Endpoints as kube-proxy and clouds take them: those that are ready; where none is, those that are
terminating but still serve.
"""

import random
from collections.abc import Callable, Iterable

from pilotage_sandbox.kube import Object

Target = tuple[str, int]  # a pod's address and port
After = Callable[[float, Callable[[], None]], object]
"""Calls back after so many seconds."""

SOONEST, LATEST = 1.0, 10.0  # seconds; how late clouds' load balancers follow


def wanted(slices: Iterable[Object], port_name: str) -> set[Target]:
    """Where a Service's port of that name leads to, by its EndpointSlices."""
    ready: set[Target] = set()
    leaving: set[Target] = set()
    for piece in slices:
        numbers = [port["port"] for port in piece.get("ports") or [] if port.get("name", "") == port_name]
        for endpoint in piece.get("endpoints") or []:
            conditions = endpoint.get("conditions", {})
            found = {(address, number) for address in endpoint["addresses"] for number in numbers}
            if conditions.get("ready", True):
                ready |= found
            elif conditions.get("terminating") and conditions.get("serving"):
                leaving |= found
    return ready or leaving


class Follower:
    """The targets in use: each change is taken over by itself, SOONEST to LATEST seconds late at random."""

    def __init__(self, chance: random.Random, after: After, say: Callable[[str], None]):
        self._chance, self._after, self._say = chance, after, say
        self._wanted: set[Target] = set()
        self._used: list[Target] = []
        self._turn = 0

    def follow(self, targets: set[Target]) -> None:
        """What is wanted from now on."""
        for target in sorted(targets ^ self._wanted):
            late = self._chance.uniform(SOONEST, LATEST)
            self._after(late, lambda target=target, late=late: self._take_over(target, late))  # type: ignore[misc]
        self._wanted = targets

    def next(self) -> Target | None:
        """Where the next connection goes; the targets take turns."""
        if not self._used:
            return None
        self._turn += 1
        return self._used[self._turn % len(self._used)]

    def _take_over(self, target: Target, late: float) -> None:
        """As it is wanted now: a second change may have overtaken the first."""
        is_wanted = target in self._wanted
        if is_wanted == (target in self._used):
            return
        (self._used.append if is_wanted else self._used.remove)(target)
        self._say(f"{'in' if is_wanted else 'out'} {target[0]}:{target[1]}, {late:.1f} s late")
