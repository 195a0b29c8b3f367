"""Kinds that are asked and not kept: who am I, and may I. Used by `api`."""

from pilotage_memory.discovery import REVIEWS
from pilotage_memory.kinds import Obj
from pilotage_memory.messages import Response
from pilotage_memory.messages import answer as told
from pilotage_memory.paths import Place
from pilotage_memory.rights import ADMIN, Rights


def kind_of(place: Place) -> str:
    """ "" for a place that is no review's."""
    return "" if place.name else REVIEWS.get((place.group, place.plural), "")


def answer(kind: str, body: Obj, rights: Rights, user: str) -> Response:
    if kind == "SelfSubjectReview":
        masters = ["system:masters"] if user == ADMIN else []
        status: Obj = {"userInfo": {"username": user, "groups": [*masters, "system:authenticated"]}}
    else:
        status = {"allowed": rights.allows(user, body["spec"]["resourceAttributes"])}
    return told({**body, "status": status}, 201)
