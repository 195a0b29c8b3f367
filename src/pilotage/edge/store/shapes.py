"""What is kept of an object, and which of its changes are worth a look. Used by `store`.

Pods and workloads are kept as the slim structs that rules read; of namespaces, Services and CRDs the metadata is told.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from pilotage.domain.cluster import Labels, Pod
from pilotage.domain.names import MESH_KIND
from pilotage.domain.objects import Obj
from pilotage.edge.mesh import RESTARTS
from pilotage.edge.pods import decode_pod
from pilotage.edge.watch import Watched
from pilotage.edge.workloads import WorkloadWire, decode_workload

T = TypeVar("T")

_OBJECTS: Final = msgspec.json.Decoder(dict[str, Any])
_ALIKE: Final = 8192  # kinds of pods that are told apart
_BOOKKEEPING: Final = ("resourceVersion", "managedFields", "generation")


class Shape(NamedTuple, Generic[T]):
    """`decode` makes the kept form; `same` tells whether two of one object, old and new, are alike to every rule."""

    decode: Callable[[msgspec.Raw], T]
    same: Callable[[T, T], bool]


class OwnedPod(NamedTuple):
    """`api_version` is that of what owns it, "" for a bare pod."""

    pod: Pod
    api_version: str


def whole(watched: Watched) -> Shape[Obj]:
    """Raw dicts, as `Kube.list` gives them."""

    def decode(raw: msgspec.Raw) -> Obj:
        obj: Obj = _OBJECTS.decode(raw)
        obj["apiVersion"], obj["kind"] = watched.api_version, watched.kind
        return obj

    return Shape(decode, _SAME.get(watched.kind, _same))


def _pod(raw: msgspec.Raw) -> OwnedPod:
    """Pods of one workload are alike: what they have in common is kept once, at half the memory."""
    owners: dict[str, str] = {}
    pod = decode_pod(raw, owners)
    shared = msgspec.structs.replace(
        pod,
        labels=_shared_labels(tuple(pod.labels.items())),
        annotations=_shared_labels(tuple(pod.annotations.items())),
        workload=_shared(pod.workload),
        containers=_shared(pod.containers),
        init_containers=_shared(pod.init_containers),
    )
    return OwnedPod(shared, next(iter(owners.values()), ""))


@lru_cache(_ALIKE)
def _shared(value: T) -> T:
    """The first of equal values."""
    return value


@lru_cache(_ALIKE)
def _shared_labels(items: tuple[tuple[str, str], ...]) -> Labels:
    return dict(items)


def _same(old: Obj, new: Obj) -> bool:
    """But for what the API server itself notes at each write."""
    return _essence(old) == _essence(new)


def _essence(obj: Obj) -> Obj:
    meta = {key: value for key, value in obj["metadata"].items() if key not in _BOOKKEEPING}
    return obj | {"metadata": meta}


def _same_spec(old: Obj, new: Obj) -> bool:
    """An HPA's status tells its metrics every few seconds."""
    return _same({**old, "status": None}, {**new, "status": None})


def _same_mesh(old: Obj, new: Obj) -> bool:
    """But for the status, which the loop wrote itself: all but what became of restarts."""
    return _same({**old, "status": _restarts(old)}, {**new, "status": _restarts(new)})


def _restarts(obj: Obj) -> Obj:
    return {"stopped": ((obj.get("status") or {}).get(RESTARTS) or {}).get("stopped")}


def _same_name(_old: Obj, _new: Obj) -> bool:
    """A Lease is renewed all the time: only that it is there says something."""
    return True


_SAME: Final[dict[str, Callable[[Obj, Obj], bool]]] = {
    "HorizontalPodAutoscaler": _same_spec,
    MESH_KIND: _same_mesh,
    "Lease": _same_name,
}
PODS: Final[Shape[OwnedPod]] = Shape(_pod, lambda old, new: old == new)
WORKLOADS: Final[Shape[WorkloadWire]] = Shape(decode_workload, lambda old, new: old == new)
