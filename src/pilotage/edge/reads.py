"""What `observe` asks of a cluster, and by whom it is answered: `Lists` here for a verb, `store` for the operator.

Both give the same facts: a verb makes each list once, the operator follows the same lists by watches.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

from pilotage.domain.cluster import Pod
from pilotage.domain.istio import IstiodReport
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.domain.version import Version
from pilotage.edge.discovery import Served
from pilotage.edge.kube import Kube

if TYPE_CHECKING:
    from pilotage.edge.workloads import WorkloadWire

# Names of their own, for within a class `list` is the method.
Objs: TypeAlias = list[Obj]
Kinds: TypeAlias = list[Served]
Wires: TypeAlias = "list[WorkloadWire]"

ISTIOD: Final = "app=istiod"  # label of istiod's Deployments and pods, whoever installed them

_REQUESTS: Final = 8  # at once; the API server's own limit per client is not far above
_READERS: Final = 32  # more than there are facts: each waits for requests


class Reads(Protocol):
    """The part of `Kube` that only reads; each method as there."""

    def get(self, ref: ObjectRef) -> Obj | None: ...

    def list(self, api_version: str, kind: str, namespace: str = "", *, labels: str = "") -> Objs: ...

    def list_metadata(self, api_version: str, kind: str, namespace: str = "", *, labels: str = "") -> Objs: ...

    def resources(self, group_suffix: str) -> Kinds: ...

    def version(self) -> Version: ...


class Pods(NamedTuple):
    """Pods as rules read them, and kind -> apiVersion of what owns pods."""

    pods: list[Pod]
    owners: dict[str, str]


class Pools(NamedTuple):
    """`requests` runs single requests, and nothing that waits for another of its tasks; `facts` waits for those."""

    requests: Executor
    facts: Executor


class Source(Reads, Protocol):
    """All that a look needs."""

    def pods(self, labels: str = "") -> Pods: ...

    def workloads(self, kind: str) -> Wires:
        """Every object of a kind of `workloads.KINDS`."""
        ...

    def reports(self, pods: Iterable[Pod], pool: Executor) -> tuple[IstiodReport, ...]:
        """What each running istiod of `pods` says, as `istiod.reports`."""
        ...

    def pools(self) -> AbstractContextManager[Pools]: ...


class Lists:
    """A `Source` that asks the API server, each time anew. Decoders are imported where they are used."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self.get, self.list, self.list_metadata = kube.get, kube.list, kube.list_metadata
        self.resources, self.version = kube.resources, kube.version

    def pods(self, labels: str = "") -> Pods:
        from pilotage.edge.pods import PodPage, pods_of

        owners: dict[str, str] = {}
        pages = self._kube.list_pages("v1", "Pod", labels=labels)
        read = self._kube.decode
        return Pods([pod for page in pages for pod in pods_of(read(page, PodPage), owners)], owners)

    def workloads(self, kind: str) -> Wires:
        from pilotage.edge.workloads import KINDS, WorkloadPage

        pages = self._kube.list_pages(KINDS[kind], kind)
        return [wire for page in pages for wire in self._kube.decode(page, WorkloadPage).items or ()]

    def reports(self, pods: Iterable[Pod], pool: Executor) -> tuple[IstiodReport, ...]:
        from pilotage.edge.istiod import reports

        return reports(self._kube, pods, pool)

    @contextmanager
    def pools(self) -> Iterator[Pools]:
        with ThreadPoolExecutor(_REQUESTS) as requests, ThreadPoolExecutor(_READERS) as facts:
            yield Pools(requests, facts)
