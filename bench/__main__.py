"""Measures, prints the table, writes bench/results.json. Run by `make bench`; ends with 1 where an aim is missed.

With words (`make bench ONLY=operator`) only those groups of figures.
"""

import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from bench import drift, operator, start, startup, traffic
from bench.figure import HEADER, Figure, keep, row, within
from bench.place import Place

_UPS = 3
_READY_WITHIN = 20.0  # seconds, programs built already


def main() -> None:
    groups = sys.argv[1:] or [group for group in _GROUPS if group not in _WITHIN]
    if strange := [group for group in groups if group not in _GROUPS]:
        sys.exit(f"bench: there is no group {strange[0]}; there are {', '.join(_GROUPS)}")
    place = Place()
    figures: list[Figure] = []
    print(HEADER, flush=True)
    try:
        for figure in _all(place, groups):
            figures.append(figure)
            print(row(figure), flush=True)
    finally:
        place.down()
    keep(figures)
    sys.exit(0 if all(figure.ok for figure in figures) else 1)


def _all(place: Place, groups: Sequence[str]) -> Iterator[Figure]:
    ups = [place.up() for _ in range(_UPS if "sandbox" in groups else 1)]
    if "sandbox" in groups:
        yield within("pilotage-sandbox up, empty", statistics.median(ups), _READY_WITHIN)
    place.enable()
    for group in groups:
        yield from _GROUPS[group](place)


_GROUPS: Final[Mapping[str, Callable[[Place], Iterator[Figure]]]] = {
    "sandbox": lambda _: iter(()),  # measured as it is made
    "startup": startup.figures,
    "start": start.figures,
    "drift": drift.figures,
    "operator": operator.figures,
    "hpa": operator.scaling_figures,
    "traffic": traffic.figures,  # last: the mesh is on another revision afterwards
}
_WITHIN: Final = ("hpa",)  # measured with another group too


if __name__ == "__main__":
    main()
