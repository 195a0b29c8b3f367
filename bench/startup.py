"""How long a person waits for the smallest answers, against `istioctl tag list` in the same run."""

from collections.abc import Iterator

from bench.figure import Figure, against
from bench.place import MESH, Place, medians

_ROUNDS = 15
_MOST = 4.0  # istioctl is a compiled binary; Python has its imports to do


def figures(place: Place) -> Iterator[Figure]:
    tags, upgrades, reference = medians(
        _ROUNDS,
        lambda: place.run("pilotage", "tag", "list", "-i", MESH),
        lambda: place.run("pilotage", "get-upgrades"),
        lambda: place.run(place.assets["istioctl"], "tag", "list", "-i", MESH),
    )
    yield against("pilotage tag list", tags, reference, _MOST)
    yield against("pilotage get-upgrades", upgrades, reference, _MOST)
