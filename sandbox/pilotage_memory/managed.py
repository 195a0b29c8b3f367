"""Who holds which field of an object: metadata.managedFields, as updates and applies change it. Used by `lifecycle`.

As the API server does it (sigs.k8s.io/structured-merge-diff): an update takes over what it changes; an apply holds what
it names, conflicts with what others hold and it would change, and gives up what it no longer names.
"""

from typing import Any, Final, NamedTuple

from pilotage_memory.errors import ApiError, refusal
from pilotage_memory.fieldsets import (
    ABSENT,
    Difference,
    Fields,
    decode,
    difference,
    encode,
    fields_of,
    named,
    unmergeable,
    words,
)
from pilotage_memory.kinds import Obj
from pilotage_memory.merge import merge, without
from pilotage_memory.shapes import Shape


class Manager(NamedTuple):
    """Identity of an entry. An applier keeps its entry whatever version it applies; `version` is "" for it here."""

    name: str
    operation: str
    version: str
    subresource: str


class Holding(NamedTuple):
    """`entry`: as it was read, where nothing of it has changed since."""

    fields: Fields
    version: str
    time: str
    entry: Obj | None = None

    def changed(self, **fields: Any) -> "Holding":
        return self._replace(entry=None, **fields)


Holdings = dict[Manager, Holding]
_SYSTEM: Final = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
)
_NOBODYS: Final = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)} | {("f:metadata", f"f:{name}") for name in _SYSTEM}
)


def holdings(obj: Obj) -> Holdings:
    """From managedFields."""
    found: Holdings = {}
    for entry in obj.get("metadata", {}).get("managedFields", ()):
        applied = entry["operation"] == "Apply"
        who = Manager(
            entry["manager"], entry["operation"], "" if applied else entry["apiVersion"], entry.get("subresource", "")
        )
        found[who] = Holding(decode(entry["fieldsV1"]), entry["apiVersion"], entry["time"], entry)
    return found


def entries(held: Holdings) -> list[Obj]:
    """As managedFields, appliers first, then by time."""
    ordered = sorted(held.items(), key=lambda each: (each[0].operation, each[1].time, each[0]))
    return [holding.entry or _entry(who, holding) for who, holding in ordered]


def _entry(who: Manager, holding: Holding) -> Obj:
    entry: Obj = {"manager": who.name, "operation": who.operation, "apiVersion": holding.version, "time": holding.time}
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": encode(holding.fields)}
    return entry | ({"subresource": who.subresource} if who.subresource else {})


def updated(before: Obj | None, after: Obj, shape: Shape, who: Manager, time: str) -> list[Obj]:
    """managedFields once `who` has written `after` over `before`."""
    held = holdings(before) if before is not None else {}
    if before is not None and not held:
        return []  # nobody keeps count of an object that nobody holds
    change = difference(ABSENT if before is None else _bare(before), _bare(after), shape)
    _give_up(held, change)
    took = change.changed - _NOBODYS
    if took:
        mine = held[who].fields if who in held else frozenset()
        held[who] = Holding(mine | took, after["apiVersion"], time)
    return entries(held)


class Apply(NamedTuple):
    """Who applies, and whether it takes what others hold."""

    who: Manager
    force: bool


def applied(before: Obj, config: Obj, shape: Shape, by: Apply) -> tuple[Obj, Holdings]:
    """The object once `config` is applied to it, not completed by defaults yet, and who holds what then.

    Raises Conflict unless forced, and 500, as the real server does, for a list that cannot be merged by its keys.
    """
    wrong = unmergeable(config, shape)
    if wrong is not None:
        problem = "an item names no key, or one that another item has"
        raise ApiError(500, "", f"failed to create typed patch object: {words(wrong)}: {problem}")
    held = holdings(before) or _before_first_apply(before, shape)
    last = held.get(by.who, Holding(frozenset(), "", ""))
    names = fields_of(_bare(config), shape) - _NOBODYS
    same = (names, config["apiVersion"]) == last[:2]
    mine = last if same else Holding(names, config["apiVersion"], last.time)
    held[by.who] = mine
    merged = merge(before, config, shape)
    if last.fields:
        owned = named(frozenset().union(*(holding.fields for holding in held.values())))
        merged = without(merged, named(last.fields) - owned - _NOBODYS, shape)
    change = difference(_bare(before), _bare(merged), shape)
    del held[by.who]
    conflicts = {who: both for who, holding in held.items() if (both := holding.fields & change.changed)}
    if conflicts and not by.force:
        raise _conflict(conflicts, held)
    _give_up(held, change)
    return merged, held | ({by.who: mine} if mine.fields else {})


def _before_first_apply(before: Obj, shape: Shape) -> Holdings:
    """Who holds an object that is there although nobody holds it."""
    fields = difference(ABSENT, _bare(before), shape).added - _NOBODYS if "uid" in before["metadata"] else frozenset()
    who = Manager("before-first-apply", "Update", before["apiVersion"], "")
    return {who: Holding(fields, before["apiVersion"], before["metadata"]["creationTimestamp"])} if fields else {}


def settled(both: tuple[Obj, Obj], held: Holdings, who: Manager, time: str) -> list[Obj]:
    """managedFields for what was there and what is, once `applied`. An apply that changes nothing keeps its time."""
    if who in held and (not held[who].time or _bare(both[0]) != _bare(both[1])):
        held = held | {who: held[who].changed(time=time)}
    return entries(held)


def _give_up(held: Holdings, change: Difference) -> None:
    lost = change.changed | change.removed
    for who, holding in tuple(held.items()):
        kept = holding.fields - lost
        if not kept:
            del held[who]
        elif len(kept) < len(holding.fields):
            held[who] = holding.changed(fields=kept)


def _bare(obj: Obj) -> Obj:
    meta = {name: value for name, value in obj.get("metadata", {}).items() if name not in _SYSTEM}
    return {name: value for name, value in obj.items() if name not in ("apiVersion", "kind")} | {"metadata": meta}


def _conflict(conflicts: dict[Manager, Fields], held: Holdings) -> Exception:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {_who(who, held[who])}", "field": words(path)}
        for who, fields in sorted(conflicts.items())
        for path in sorted(fields)
    ]
    count = len(causes)
    told = "; ".join(f"{cause['message']}: {cause['field']}" for cause in causes)
    return refusal("Conflict", f"Apply failed with {count} conflict{'s' if count > 1 else ''}: {told}", causes=causes)


def _who(who: Manager, holding: Holding) -> str:
    through = f' with subresource "{who.subresource}"' if who.subresource else ""
    return f'"{who.name}"{through}' + (f" using {holding.version}" if who.operation == "Update" else "")
