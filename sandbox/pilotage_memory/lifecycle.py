"""What an API server itself writes into an object: system fields, generation, field managers. Used by `store`."""

from datetime import datetime
from typing import Final, NamedTuple

from pilotage_memory.errors import invalid, refusal
from pilotage_memory.kinds import Kind, Obj

_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
_SYSTEM: Final = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")


class By(NamedTuple):
    """Who writes, when, and through which subresource ("" for the object itself)."""

    manager: str
    now: datetime
    subresource: str = ""


def suffix(number: int) -> str:
    """Five letters, as generateName appends."""
    letters = ""
    for _ in range(5):
        number, at = divmod(number, len(_LETTERS))
        letters = _LETTERS[at] + letters
    return letters


def stamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def born(kind: Kind, obj: Obj, uid: str, by: By) -> Obj:
    """A new object as it will be stored."""
    meta = obj["metadata"]
    if not meta.get("name"):
        cause = {"reason": "FieldValueRequired", "message": "Required value: name or generateName is required"}
        raise invalid(kind.kind, kind.group, "", [cause | {"field": "metadata.name"}])
    for field in (*_SYSTEM, "resourceVersion", "selfLink", "managedFields"):
        meta.pop(field, None)
    meta |= {"uid": uid, "creationTimestamp": stamp(by.now), "generation": 1}
    return obj


def changed(kind: Kind, before: Obj, after: Obj, by: By) -> Obj:
    """`after` as it will be stored over `before`; equal to `before` where nothing changes."""
    if by.subresource == "status":
        after = {**before, "status": after.get("status", {})}
    elif by.subresource:
        raise refusal("NotFound", f"{kind.plural} have no subresource {by.subresource}")
    elif kind.status:
        after = {**after, "status": before["status"]} if "status" in before else _without_status(after)
    old = before["metadata"]
    meta = {key: value for key, value in after["metadata"].items() if key not in _SYSTEM}
    meta |= {key: old[key] for key in (*_SYSTEM, "resourceVersion") if key in old}
    after = {**after, "metadata": meta}
    if _intent(before) != _intent(after):
        meta["generation"] += 1
    return after


def _without_status(obj: Obj) -> Obj:
    return {key: value for key, value in obj.items() if key != "status"}


def _intent(obj: Obj) -> Obj:
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}
