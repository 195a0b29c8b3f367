"""What the simulated controllers share: reading the caches, writing a status where it differs, making pods."""

import hashlib
from collections.abc import Iterable
from typing import Any, ClassVar, Protocol

import msgspec

from pilotage_memory.controllers.loop import Loop, Place
from pilotage_memory.controllers.objects import POD, deleting, finished, holds, key_of, owned_by
from pilotage_memory.kinds import Kind, Obj
from pilotage_memory.store import clone

HASH = "pod-template-hash"


class Stamp(Protocol):
    """`Base.conditions`, for pure functions that make a status."""

    def __call__(self, before: Obj, /, *wanted: tuple[str, bool, str, str]) -> list[Obj]: ...


class Base:
    """`manager`: its name in managedFields."""

    manager: ClassVar[str] = "kube-controller-manager"

    def __init__(self, loop: Loop) -> None:
        self.loop, self.store, self.cache = loop, loop.store, loop.cache

    @property
    def now(self) -> str:
        """The cluster's clock, as Kubernetes writes times."""
        return self.store.clock().strftime("%Y-%m-%dT%H:%M:%SZ")

    def write_status(self, obj: Obj, status: Obj) -> None:
        if obj.get("status") != status:
            self.store.update({**obj, "status": status}, manager=self.manager, subresource="status")

    def edit(self, obj: Obj, *path: str, value: Any) -> None:
        """Write one field of a copy, unless it is there already."""
        changed = clone(obj)
        inner = changed
        for word in path[:-1]:
            inner = inner.setdefault(word, {})
        if inner.get(path[-1]) != value:
            inner[path[-1]] = value
            self.store.update(changed, manager=self.manager)

    def remove(self, kind: Kind, obj: Obj) -> None:
        self.store.delete(key_of(kind, obj["metadata"]["name"], obj["metadata"].get("namespace", "")))

    def pods_of(self, owner: Obj) -> list[Obj]:
        """Those that it made and that are neither finished nor being deleted, by age."""
        return [pod for pod in self.cache.owned(owner, POD) if lives(pod)]

    def make_pod(self, owner: Obj, name: str = "", labels: dict[str, str] | None = None, node: str = "") -> Obj:
        """A pod of the owner's template. Raises ApiError where admission refuses it."""
        template = clone(owner["spec"]["template"])
        meta = template.get("metadata") or {}
        own = meta | {"namespace": owner["metadata"]["namespace"], "ownerReferences": [owned_by(owner)]}
        own |= {"name": name} if name else {"generateName": f"{owner['metadata']['name']}-"}
        own["labels"] = {**(meta.get("labels") or {}), **(labels or {})}
        spec = template["spec"] | ({"nodeName": node} if node else {})
        pod = {"apiVersion": POD.api_version, "kind": POD.kind, "metadata": own, "spec": spec}
        return self.store.create(pod, manager=self.manager)

    def conditions(self, before: Obj, *wanted: tuple[str, bool, str, str]) -> list[Obj]:
        """(type, status, reason, message) as conditions; the time of one that stays as it was is kept."""
        old = {each["type"]: each for each in before.get("status", {}).get("conditions") or ()}
        made = []
        for kind, good, reason, message in wanted:
            word, known = "True" if good else "False", old.get(kind, {})
            since = known["lastTransitionTime"] if known.get("status") == word else self.now
            why = {"reason": reason, "message": message}
            made.append(
                {"type": kind, "status": word, "lastTransitionTime": since}
                | {field: words for field, words in why.items() if words}
            )
        return made


def lives(pod: Obj) -> bool:
    return not deleting(pod) and not finished(pod)


def ready(pods: Iterable[Obj]) -> int:
    return sum(holds(pod, "Ready") for pod in pods)


def digest(template: Obj) -> str:
    """The same for the same template, whatever its label of this name says."""
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH}
    text = msgspec.json.encode({**template, "metadata": {**meta, "labels": labels}}, order="sorted")
    return hashlib.sha256(text).hexdigest()[:10]


def place_of(what: str, obj: Obj) -> Place:
    return Place(what, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def place_of_owner(kind: Kind, obj: Obj) -> Iterable[Place]:
    """The owners of `kind` that an object refers to."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner["kind"] == kind.kind:
            yield Place(kind.kind, obj["metadata"].get("namespace", ""), owner["name"])
