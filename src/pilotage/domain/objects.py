"""Kubernetes objects as raw dicts: a typed model cannot say "absent" and drops newer fields."""

from typing import Any, NamedTuple

Obj = dict[str, Any]


class ObjectRef(NamedTuple):
    """Identity of an object; `namespace` is empty for cluster-scoped kinds."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {place}{self.name}"


def ref_of(obj: Obj) -> ObjectRef:
    meta = obj.get("metadata", {})
    return ObjectRef(obj["apiVersion"], obj["kind"], meta.get("namespace", ""), meta["name"])


def labels_of(obj: Obj) -> dict[str, str]:
    return obj.get("metadata", {}).get("labels") or {}


def annotations_of(obj: Obj) -> dict[str, str]:
    return obj.get("metadata", {}).get("annotations") or {}
