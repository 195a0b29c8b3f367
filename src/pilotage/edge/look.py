"""One look at the cluster: lists that several facts need are asked for once, in threads. Used by `observe` only.

Decoders of pods and workloads are imported where they are used, as in `observe`.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pilotage.domain.cluster import Pod
from pilotage.domain.errors import Denied
from pilotage.domain.istio import WebhookConfig
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.edge import webhooks
from pilotage.edge.kube import Kube

if TYPE_CHECKING:
    from pilotage.edge.workloads import WorkloadWire

Found = TypeVar("Found")


class Look:
    """`pool` runs single requests, and nothing that waits for another of its tasks."""

    def __init__(self, kube: Kube, namespace: str, now: datetime, refs: Sequence[ObjectRef], pool: Executor) -> None:
        self.kube, self.namespace, self.now, self.refs, self.pool = kube, namespace, now, refs, pool
        self._lock = threading.Lock()
        self._begun: dict[str, Future[Any]] = {}

    def injectors(self) -> tuple[WebhookConfig, ...]:
        return self._begin("injectors", lambda: webhooks.injectors(self.kube)).result()

    def validators(self) -> tuple[WebhookConfig, ...]:
        return self._begin("validators", lambda: webhooks.validators(self.kube)).result()

    def services(self) -> tuple[Obj, ...]:
        """Metadata of the mesh namespace's Services."""
        return self._begin("services", lambda: webhooks.mesh_services(self.kube, self.namespace)).result()

    def leases(self) -> list[Obj]:
        """Those of the mesh namespace."""
        return self._begin("leases", lambda: self.kube.list("coordination.k8s.io/v1", "Lease", self.namespace)).result()

    def istiod_pods(self) -> tuple[Pod, ...]:
        from pilotage.edge.controlplanes import istiod_pods

        return self._begin("istiod pods", lambda: istiod_pods(self.kube)).result()

    def pods(self) -> tuple[list[Pod], dict[str, str]]:
        """Every pod, and kind -> apiVersion of what owns pods."""
        return self._begin("pods", self._pods).result()

    def workloads(self) -> dict[str, list["WorkloadWire"]]:
        """Every object of each kind of `workloads.KINDS`."""
        from pilotage.edge.workloads import KINDS

        begun = {kind: self._begin(kind, partial(self._workloads, kind)) for kind in KINDS}
        return {kind: future.result() for kind, future in begun.items()}

    def jobs(self) -> "list[WorkloadWire]":
        """None where they may not be read: for pods they only tell which CronJob a Job came from."""
        try:
            return self._begin("Job", partial(self._workloads, "Job")).result()
        except Denied:
            return []

    def _begin(self, name: str, ask: Callable[[], Found]) -> "Future[Found]":
        with self._lock:
            if name not in self._begun:
                self._begun[name] = self.pool.submit(ask)
            return self._begun[name]

    def _pods(self) -> tuple[list[Pod], dict[str, str]]:
        from pilotage.edge.pods import decode_pods

        owners: dict[str, str] = {}
        pages = self.kube.list_pages("v1", "Pod")
        return [pod for page in pages for pod in decode_pods(page, owners)], owners

    def _workloads(self, kind: str) -> "list[WorkloadWire]":
        from pilotage.edge.workloads import KINDS, decode_page

        pages = self.kube.list_pages(KINDS[kind], kind)
        return [wire for page in pages for wire in decode_page(page)]
