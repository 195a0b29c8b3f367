"""Who holds which field of an object: metadata.managedFields, as updates and applies change it. Used by `lifecycle`.

As the API server does it (sigs.k8s.io/structured-merge-diff): an update takes over what it changes; an apply holds what
it names, conflicts with what others hold and it would change, and gives up what it no longer names.
"""

from typing import Final, NamedTuple

from pilotage_memory.errors import refusal
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
    fields: Fields
    version: str
    time: str


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
        found[who] = Holding(decode(entry["fieldsV1"]), entry["apiVersion"], entry["time"])
    return found


def entries(held: Holdings) -> list[Obj]:
    """As managedFields, appliers first, then by time."""
    ordered = sorted(held.items(), key=lambda each: (each[0].operation, each[1].time, each[0]))
    return [
        {
            "manager": who.name,
            "operation": who.operation,
            "apiVersion": holding.version,
            "time": holding.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": encode(holding.fields),
        }
        | ({"subresource": who.subresource} if who.subresource else {})
        for who, holding in ordered
    ]


def updated(before: Obj | None, after: Obj, shape: Shape, who: Manager, time: str) -> list[Obj]:
    """managedFields once `who` has written `after` over `before`."""
    held = holdings(before) if before is not None else {}
    change = difference(ABSENT if before is None else _bare(before), _bare(after), shape)
    _give_up(held, change)
    took = change.changed - _NOBODYS
    if took:
        mine = held[who].fields if who in held else frozenset()
        held[who] = Holding(mine | took, after["apiVersion"], time)
    return entries(held)


def applied(before: Obj, config: Obj, shape: Shape, who: Manager) -> tuple[Obj, Holdings]:
    """The object once `who` has applied `config` to it, not defaulted yet, and who would hold what.

    Raises BadRequest for a list that cannot be merged by its keys.
    """
    wrong = unmergeable(config, shape)
    if wrong is not None:
        raise refusal("BadRequest", f"{words(wrong)}: an item names no key, or one that another item has")
    held = holdings(before)
    last = held[who].fields if who in held else frozenset()
    names = fields_of(_bare(config), shape) - _NOBODYS
    held[who] = Holding(names, config["apiVersion"], held[who].time if who in held else "")
    merged = merge(before, config, shape)
    if last:
        owned = named(frozenset().union(*(holding.fields for holding in held.values())))
        merged = without(merged, named(last) - owned - _NOBODYS, shape)
    return merged, held


class Apply(NamedTuple):
    who: Manager
    time: str
    force: bool


def settled(both: tuple[Obj, Obj], held: Holdings, shape: Shape, by: Apply) -> list[Obj]:
    """managedFields for what was and what is there once `applied`. Raises Conflict unless forced."""
    change = difference(_bare(both[0]), _bare(both[1]), shape)
    who, time = by.who, by.time
    conflicts = {
        other: taken for other, holding in held.items() if other != who and (taken := holding.fields & change.changed)
    }
    if conflicts and not by.force:
        raise _conflict(conflicts, held)
    mine = held.pop(who)
    _give_up(held, change)
    moved = bool(change.changed or change.removed) or not mine.time
    if mine.fields:
        held[who] = mine._replace(time=time if moved else mine.time)
    return entries(held)


def _give_up(held: Holdings, change: Difference) -> None:
    lost = change.changed | change.removed
    for who, holding in tuple(held.items()):
        kept = holding.fields - lost
        if not kept:
            del held[who]
        elif len(kept) < len(holding.fields):
            held[who] = holding._replace(fields=kept)


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
