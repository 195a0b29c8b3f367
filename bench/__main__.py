"""Measures, prints the table, writes bench/results.json. Run by `make bench`; ends with 1 where an aim is missed."""

import statistics
import sys
from collections.abc import Iterator

from bench import start, startup
from bench.figure import HEADER, Figure, keep, row, within
from bench.place import Place

_UPS = 3
_READY_WITHIN = 20.0  # seconds, programs built already


def main() -> None:
    place = Place()
    figures: list[Figure] = []
    print(HEADER, flush=True)
    try:
        for figure in _all(place):
            figures.append(figure)
            print(row(figure), flush=True)
    finally:
        place.down()
    keep(figures)
    sys.exit(0 if all(figure.ok for figure in figures) else 1)


def _all(place: Place) -> Iterator[Figure]:
    yield within("pilotage-sandbox up, empty", statistics.median(place.up() for _ in range(_UPS)), _READY_WITHIN)
    place.enable()
    yield from startup.figures(place)
    yield from start.figures(place)


if __name__ == "__main__":
    main()
