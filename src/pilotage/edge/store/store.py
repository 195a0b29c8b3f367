"""Lists that watches keep up to date, as a `Source` for `observe`, and the bell that wakes the operator's loop.

A collection is followed from when it is first asked for: what no plan asks costs nothing. The bell rings for changes of
what the last look has read, and for no others.
"""

import copy
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

from pilotage.domain.cluster import Pod
from pilotage.domain.errors import Denied
from pilotage.domain.istio import IstiodReport
from pilotage.domain.names import MESH_KIND
from pilotage.domain.objects import Obj, ObjectRef, labels_of
from pilotage.domain.version import Version
from pilotage.edge import istiod
from pilotage.edge.kube import Kube
from pilotage.edge.reads import Kinds, Objs, Pods, Pools, Wires
from pilotage.edge.store.asked import Asked
from pilotage.edge.store.informer import Board, Informer
from pilotage.edge.store.shapes import PODS, WORKLOADS, Shape, whole
from pilotage.edge.watch import Watched
from pilotage.edge.workloads import KINDS

T = TypeVar("T")

_AT_ONCE: Final = 4  # requests, and facts that wait for them; what is followed is answered at once
_ASIDE: Final = 2  # the same for who looks now and then
_REPORTS: Final = 5.0  # seconds for which an istiod's answer will do
_KNOWN: Final = 600.0  # seconds for what changes with the API server itself
_SERVED: Final = 60.0  # seconds for the kinds that it serves, where no CRD tells of new ones
_TAKES: Final = 60.0  # seconds at most from a CRD to the kind that is served; meanwhile they are asked for every _SOON
_SOON: Final = 5.0
_ABSENT: Final = 60.0  # seconds until a kind that is not served is looked for again
_ENABLED: Final = 5.0  # the same for the ServiceMesh, which a user is about to make
_CRD: Final = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
# Few objects, and asked for both whole and by label: one watch for both.
_UNSELECTED: Final = frozenset({MESH_KIND, "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"})


class Store:
    """Thread-safe. `say` is told which collection cannot be followed and why, and "" once it can again."""

    def __init__(self, kube: Kube, say: Callable[[str, str], None] = lambda _collection, _cause: None) -> None:
        self.kube = kube.reporting(self._wrote)
        self._board = Board(say)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._informers: dict[Watched, Informer[Any]] = {}
        self._asked = Asked()
        self._pools, self._others = _pools(_AT_ONCE), _pools(_ASIDE)
        self._wakes = True

    def aside(self) -> "Store":
        """The same, for one who looks now and then: what only it reads rings no bell, and it keeps no thread busy
        that the loop needs: an istiod that hangs has it wait for long."""
        other = copy.copy(self)
        other._wakes, other._pools = False, self._others
        return other

    def begin(self) -> int:
        """Begins a look. What it gives is for `rest`, after the look."""
        with self._lock, self._board.changed:
            for informer in self._informers.values():
                informer.wakes = False
            return self._board.serial

    def rest(self, serial: int, seconds: float) -> None:
        """Until what was read since `begin` gave `serial` has changed in a way that a rule could see.

        At most for `seconds`, and for less: not all operators wake at once.
        """
        with self._board.changed:
            self._board.changed.wait_for(lambda: self._board.serial != serial, seconds * random.uniform(0.8, 1.0))

    def wake(self) -> None:
        """End the rest of who rests."""
        with self._board.changed:
            self._board.serial += 1
            self._board.changed.notify_all()

    def close(self) -> None:
        """Follow nothing any more; each thread ends with its request at the latest, and no reader waits any longer."""
        self._over.set()
        with self._board.changed:
            self._board.closed = True
            self._board.changed.notify_all()
        for pool in (*self._pools, *self._others):
            pool.shutdown(wait=False)

    def get(self, ref: ObjectRef) -> Obj | None:
        if ref.kind not in _UNSELECTED:
            return self.kube.get(ref)
        objects = self.list(ref.api_version, ref.kind)
        return next((obj for obj in objects if obj["metadata"]["name"] == ref.name), None)

    def list(self, api_version: str, kind: str, namespace: str = "", *, labels: str = "") -> Objs:
        if kind in _UNSELECTED and labels:
            return [obj for obj in self.list(api_version, kind) if _selects(labels, labels_of(obj))]
        watched = Watched(api_version, kind, namespace, labels)
        return [*self._informer(watched, whole(watched)).read()]

    def list_metadata(self, api_version: str, kind: str, namespace: str = "", *, labels: str = "") -> Objs:
        watched = Watched(api_version, kind, namespace, labels, metadata=True)
        return [*self._informer(watched, whole(watched)).read()]

    def pods(self, labels: str = "") -> Pods:
        owned = self._informer(Watched("v1", "Pod", labels=labels), PODS).read()
        owners = {pod.workload[0]: api_version for pod, api_version in owned if api_version}
        return Pods([pod for pod, _ in owned], owners)

    def workloads(self, kind: str) -> Wires:
        return [*self._informer(Watched(KINDS[kind], kind), WORKLOADS).read()]

    def resources(self, group_suffix: str) -> Kinds:
        seconds, crds = _SERVED, tuple[Any, ...]()
        with suppress(Denied):  # then they are asked for more often instead
            metas = (crd["metadata"] for crd in self.list_metadata(*_CRD))
            crds = tuple((meta["name"], meta.get("generation")) for meta in metas)
            seconds = _KNOWN if self._asked.age("crds", crds) > _TAKES else _SOON
        return self._asked.once(f"kinds {group_suffix}", crds, seconds, lambda: self.kube.resources(group_suffix))

    def version(self) -> Version:
        return self._asked.once("version", (), _KNOWN, self.kube.version)

    def reports(self, pods: Iterable[Pod], pool: Executor) -> tuple[IstiodReport, ...]:
        running = tuple(filter(istiod.runs, pods))
        about = tuple((pod.namespace, pod.name) for pod in running)
        return self._asked.once("reports", about, _REPORTS, lambda: istiod.reports(self.kube, running, pool))

    @contextmanager
    def pools(self) -> Iterator[Pools]:
        yield self._pools

    def _informer(self, watched: Watched, shape: Shape[T]) -> Informer[T]:
        with self._lock:
            if watched not in self._informers:
                informer = Informer(str(watched), shape, self._board)
                absent = _ENABLED if watched.kind == MESH_KIND else _ABSENT
                follower = self.kube.follower(watched, informer, self._over, absent)
                self._informers[watched] = informer
                threading.Thread(target=follower.run, name=str(watched), daemon=True).start()
            self._informers[watched].wakes |= self._wakes
            return self._informers[watched]

    def _wrote(self, ref: ObjectRef, obj: Obj | None) -> None:
        """Whoever follows the object is to show it as it is now; `obj` None: deleted."""
        with self._lock:
            followed = [(watched, each) for watched, each in self._informers.items() if _covers(watched, ref)]
        for watched, informer in followed:
            key = (ref.namespace, ref.name)
            if obj is None or _selects(watched.labels, labels_of(obj)) or informer.has(key):
                version = obj["metadata"]["resourceVersion"] if obj else ""
                informer.expect(key, version, lambda: self.kube.get(ref))


def _pools(threads: int) -> Pools:
    return Pools(ThreadPoolExecutor(threads, "requests"), ThreadPoolExecutor(threads, "facts"))


def _covers(watched: Watched, ref: ObjectRef) -> bool:
    same_kind = (watched.api_version, watched.kind) == (ref.api_version, ref.kind)
    return same_kind and watched.namespace in ("", ref.namespace)


def _selects(labels: str, there: dict[str, str]) -> bool:
    """`key` or `key=value`; "" selects everything."""
    key, equals, value = labels.partition("=")
    return not labels or (there.get(key) == value if equals else key in there)
