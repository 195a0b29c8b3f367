"""Kinds that are asked and not kept: who am I, and may I. Used by `api`."""

from collections.abc import Callable
from typing import Any, Final

from pilotage_memory.discovery import REVIEWS
from pilotage_memory.kinds import Obj
from pilotage_memory.messages import Response
from pilotage_memory.messages import answer as told
from pilotage_memory.paths import Place

Allows = Callable[[dict[str, Any]], bool]  # given the resourceAttributes of a SelfSubjectAccessReview
USER: Final = "memory-admin"


def kind_of(place: Place) -> str:
    """ "" for a place that is no review's."""
    return "" if place.name else REVIEWS.get((place.group, place.plural), "")


def answer(kind: str, body: Obj, allows: Allows) -> Response:
    if kind == "SelfSubjectReview":
        status: Obj = {"userInfo": {"username": USER, "groups": ["system:masters", "system:authenticated"]}}
    else:
        status = {"allowed": allows(body.get("spec", {}).get("resourceAttributes", {}))}
    return told({**body, "status": status}, 201)
