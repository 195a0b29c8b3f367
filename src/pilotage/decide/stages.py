"""A step of a removal. Made by `removal` and `gateway_stages`; `plan` does the first that is not done."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from pilotage.domain.actions import Action, Wait

RUNNING: Final = ("HorizontalPodAutoscaler", "PodDisruptionBudget", "Deployment")  # what makes pods, or keeps them


class Stage(NamedTuple):
    """What is left to do of one step, and what it waits for. Neither: it is seen to be done."""

    name: str
    actions: tuple[Action, ...] = ()
    waits: tuple[Wait, ...] = ()


def unfinished(stages: Iterable[Stage]) -> list[Stage]:
    """Those that are not done yet."""
    return [stage for stage in stages if stage.actions or stage.waits]
