"""One look at the cluster: what several facts need is asked for once, in threads. Used by `observe` only."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pilotage.domain.cluster import Pod
from pilotage.domain.errors import Denied
from pilotage.domain.istio import WebhookConfig
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.edge import webhooks
from pilotage.edge.reads import ISTIOD, Pods, Pools, Source

if TYPE_CHECKING:
    from pilotage.edge.workloads import WorkloadWire

Found = TypeVar("Found")


class Look:
    """At the mesh of `namespace`. `refs`: objects to look for beside our inventory."""

    def __init__(self, source: Source, namespace: str, now: datetime, refs: Sequence[ObjectRef], pools: Pools) -> None:
        self.source, self.namespace, self.now, self.refs = source, namespace, now, refs
        self.pool = pools.requests
        self._lock = threading.Lock()
        self._begun: dict[str, Future[Any]] = {}

    def injectors(self) -> tuple[WebhookConfig, ...]:
        return self._begin("injectors", lambda: webhooks.injectors(self.source)).result()

    def validators(self) -> tuple[WebhookConfig, ...]:
        return self._begin("validators", lambda: webhooks.validators(self.source)).result()

    def services(self) -> tuple[Obj, ...]:
        """Metadata of the mesh namespace's Services."""
        return self._begin("services", lambda: webhooks.mesh_services(self.source, self.namespace)).result()

    def leases(self) -> list[Obj]:
        """Those of the mesh namespace."""
        ask = partial(self.source.list, "coordination.k8s.io/v1", "Lease", self.namespace)
        return self._begin("leases", ask).result()

    def istiod_pods(self) -> tuple[Pod, ...]:
        """Pods labelled app=istiod, of every namespace."""
        return self._begin("istiod pods", lambda: tuple(self.source.pods(ISTIOD).pods)).result()

    def pods(self) -> Pods:
        return self._begin("pods", self.source.pods).result()

    def workloads(self) -> dict[str, list["WorkloadWire"]]:
        """Every object of each kind of `workloads.KINDS`."""
        from pilotage.edge.workloads import KINDS

        begun = {kind: self._begin(kind, partial(self.source.workloads, kind)) for kind in KINDS}
        return {kind: future.result() for kind, future in begun.items()}

    def jobs(self) -> "list[WorkloadWire]":
        """None where they may not be read: for pods they only tell which CronJob a Job came from."""
        try:
            return self._begin("Job", partial(self.source.workloads, "Job")).result()
        except Denied:
            return []

    def _begin(self, name: str, ask: Callable[[], Found]) -> "Future[Found]":
        with self._lock:
            if name not in self._begun:
                self._begun[name] = self.pool.submit(ask)
            return self._begun[name]
