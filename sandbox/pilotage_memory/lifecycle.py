"""What an API server makes of an object that is written: defaults, checks, system fields, field managers.

Used by `store`. Functions of what is there and what was sent.
"""

from datetime import datetime
from typing import Final, NamedTuple

from pilotage_memory import defaults, managed, structural, validation
from pilotage_memory.default_tables import UNHELD
from pilotage_memory.errors import invalid, refusal
from pilotage_memory.kinds import Kind, Obj
from pilotage_memory.shapes import shape_of
from pilotage_memory.typed import as_typed

_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
_SYSTEM: Final = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
# Built-in kinds that do not count the generations of their spec.
_UNCOUNTED: Final = {
    "ConfigMap",
    "ControllerRevision",
    "Endpoints",
    "Event",
    "HorizontalPodAutoscaler",
    "IngressClass",
    "Lease",
    "LimitRange",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "ResourceQuota",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "Service",
    "ServiceAccount",
}


class By(NamedTuple):
    """Who writes, when, and through which subresource ("" for the object itself)."""

    manager: str
    now: datetime
    subresource: str = ""
    force: bool = True

    def who(self, operation: str, version: str) -> managed.Manager:
        return managed.Manager(self.manager, operation, version, self.subresource)


def suffix(number: int) -> str:
    """Five letters, as generateName appends."""
    letters = ""
    for _ in range(5):
        number, at = divmod(number, len(_LETTERS))
        letters = _LETTERS[at] + letters
    return letters


def stamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def born(kind: Kind, obj: Obj, uid: str, now: datetime) -> Obj:
    """A new object as it will be stored, but for managedFields. Raises Invalid."""
    meta = obj["metadata"]
    kept = {name: value for name, value in meta.items() if name not in (*_SYSTEM, *_UNSENT)}
    made = _complete(kind, {**obj, "metadata": kept | {"uid": uid, "creationTimestamp": stamp(now)}})
    if kind.crd is not None or kind.kind not in _UNCOUNTED:
        made["metadata"]["generation"] = 1
    _check(kind, made, None)
    return made


def changed(kind: Kind, before: Obj, after: Obj, subresource: str) -> Obj:
    """`after` as it will be stored over `before`, but for managedFields. Raises Invalid, NotFound (subresource)."""
    if subresource == "status" and kind.status:
        after = {**before, "status": after.get("status", {})}
    elif subresource:
        raise refusal("NotFound", f"{kind.plural} have no subresource {subresource}")
    elif kind.status:
        after = {**_without(after, "status"), **({"status": before["status"]} if "status" in before else {})}
    old = before["metadata"]
    meta = {name: value for name, value in after["metadata"].items() if name not in (*_SYSTEM, *_UNSENT)}
    kept = {name: old[name] for name in (*_SYSTEM, "resourceVersion") if name in old}
    after = _complete(kind, {**after, "metadata": meta | kept})
    if "generation" in old and _intent(before) != _intent(after):
        after["metadata"]["generation"] = old["generation"] + 1
    _check(kind, after, before)
    return after


def held(kind: Kind, before: Obj | None, after: Obj, by: By) -> Obj:
    """`after` with its managedFields once it was written (not applied) over `before`."""
    who = by.who("Update", after["apiVersion"])
    shape = shape_of(kind, after["apiVersion"].rpartition("/")[2])
    sent = after if before is not None else _as_sent(kind, after)
    return _with(after, managed.updated(before, sent, shape, who, stamp(by.now)))


def _as_sent(kind: Kind, obj: Obj) -> Obj:
    """A new object without what is filled in by nobody."""
    kept = _without(obj, "status") if kind.status else obj
    late = UNHELD.get(kind.kind) if kind.crd is None else None
    if not late:
        return kept
    spec = {name: each for name, each in obj["spec"].items() if name not in late}
    return {**kept, "spec": spec} if spec else _without(kept, "spec")


def seed(config: Obj) -> Obj:
    """What an apply that creates an object starts from."""
    meta = {name: config["metadata"][name] for name in ("name", "namespace") if name in config["metadata"]}
    return {"apiVersion": config["apiVersion"], "kind": config["kind"], "metadata": meta}


def established(crd: Obj, now: datetime) -> Obj:
    """A CustomResourceDefinition whose kind is served."""
    told = (
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    )
    conditions = [
        {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": stamp(now)}
        for kind, reason, message in told
    ]
    stored = [version["name"] for version in crd["spec"]["versions"] if version["storage"]]
    status = {"conditions": conditions, "acceptedNames": crd["spec"]["names"], "storedVersions": stored}
    return {**_without(crd, "status"), "status": status, "metadata": {**crd["metadata"], "resourceVersion": ""}}


def applied(kind: Kind, before: Obj, config: Obj, by: By) -> tuple[Obj, managed.Holdings]:
    """What applying `config` makes of `before`, to go through `changed` or `born`, and who holds what then."""
    shape = shape_of(kind, config["apiVersion"].rpartition("/")[2])
    if by.subresource:
        config = seed(config) | {name: value for name, value in config.items() if name == by.subresource}
    elif kind.status:
        config = _without(config, "status")
    return managed.applied(before, config, shape, managed.Apply(by.who("Apply", ""), by.force))


def settled(both: tuple[Obj, Obj], holdings: managed.Holdings, by: By) -> Obj:
    """What is there after an apply, of (before, after), with its managedFields."""
    return _with(both[1], managed.settled(both, holdings, by.who("Apply", ""), stamp(by.now)))


_UNSENT: Final = ("resourceVersion", "selfLink", "managedFields")


def _complete(kind: Kind, obj: Obj) -> Obj:
    if kind.crd is not None:
        return structural.complete(structural.schema_of(kind, obj["apiVersion"].rpartition("/")[2]), obj)
    if kind.kind != "CustomResourceDefinition":  # nothing in a schema may be taken for empty
        obj = as_typed(obj)
    defaults.fill_in(obj)
    return obj


def _check(kind: Kind, obj: Obj, old: Obj | None) -> None:
    if kind.crd is None:
        causes = list(validation.wrong(kind, obj, old))
    else:
        schema = structural.schema_of(kind, obj["apiVersion"].rpartition("/")[2])
        causes = structural.wrong(schema, obj) if old is None else structural.wrong(schema, obj, old)
    if causes:
        raise invalid(kind.kind, kind.group, obj["metadata"]["name"], causes)


def _with(obj: Obj, entries: list[Obj]) -> Obj:
    return {**obj, "metadata": obj["metadata"] | ({"managedFields": entries} if entries else {})}


def _without(obj: Obj, field: str) -> Obj:
    return {name: value for name, value in obj.items() if name != field}


def _intent(obj: Obj) -> Obj:
    return {name: value for name, value in obj.items() if name not in ("metadata", "status")}
