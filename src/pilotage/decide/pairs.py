"""HPAs of stable and canary that scale the same component, and who else keeps one of them.

Called by `autoscaling` and `hpa_findings`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from pilotage.decide.autoscalers import Difference, autoscalers_of, controller_of, differences, settings
from pilotage.decide.inventory import is_ours
from pilotage.decide.ownership import FieldOwner, owner_of
from pilotage.domain.objects import Obj, ref_of
from pilotage.domain.state import Snapshot


class Pair(NamedTuple):
    """HPAs that scale the same component, and where the canary's, one that we installed, says otherwise."""

    stable: Obj
    canary: Obj
    differing: tuple[Difference, ...]


def pairs(snapshot: Snapshot, stable: str, canary: str) -> Iterator[Pair]:
    """None where stable has no HPA: then the canary's is its own."""
    sources = autoscalers_of(snapshot, stable)
    for place, hpa in autoscalers_of(snapshot, canary).items():
        if place in sources and is_ours(hpa):
            yield Pair(sources[place], hpa, tuple(differences(settings(hpa), settings(sources[place]))))


def kept_by(pair: Pair) -> FieldOwner | None:
    """Who keeps one of the two otherwise, so that the canary's is left alone: Git, KEDA, any other controller.

    None where they are alike: nobody is in the way of anything, and at each look most are.
    """
    if not pair.differing:
        return None
    for hpa in (pair.stable, pair.canary):
        if owner := controller_of(hpa):
            return FieldOwner(owner, f"which controls {ref_of(hpa)}")
    fields = {"maxReplicas", *(difference.path[0] for difference in pair.differing)}  # the one that every HPA has
    owners = (owner_of(pair.canary, ("spec", field)) for field in sorted(fields))
    return next((owner for owner in owners if owner), None)
