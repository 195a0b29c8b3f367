"""The whole in-memory cluster: store, controllers, kubelets, istiods, nodes. Called by tests."""

from collections.abc import Callable
from datetime import UTC, datetime

from pilotage_memory.controllers.accounts import AccountAdmission, Namespaces
from pilotage_memory.controllers.autoscalers import Autoscalers
from pilotage_memory.controllers.deployments import Deployments
from pilotage_memory.controllers.jobs import Jobs
from pilotage_memory.controllers.kubelets import Kubelets, Scheduler
from pilotage_memory.controllers.loop import Loop, Pace, take_over
from pilotage_memory.controllers.objects import NAMESPACE, NODE, named
from pilotage_memory.controllers.quotas import QuotaAdmission, Quotas
from pilotage_memory.controllers.replicasets import ReplicaSets
from pilotage_memory.controllers.statefulsets import DaemonSets, StatefulSets
from pilotage_memory.debug import Inside
from pilotage_memory.inject import Webhooks
from pilotage_memory.istiods import Istiods
from pilotage_memory.kinds import Obj
from pilotage_memory.store import Store

_CAPACITY = {"cpu": "32", "memory": "128Gi", "pods": "250", "ephemeral-storage": "100Gi"}
_CONTROLLERS = (
    Namespaces,
    Scheduler,
    Kubelets,
    Istiods,
    ReplicaSets,
    StatefulSets,
    DaemonSets,
    Jobs,
    Deployments,
    Autoscalers,
    Quotas,
)


class World:
    """Alive from the start. Without a `pace` every write settles before it returns; with one, time is `loop.tick`.

    `kubelet_version`: from v1.33 on istiods make native sidecars; "" is none that they take for new enough.
    """

    def __init__(
        self,
        nodes: int = 3,
        kubelet_version: str = "",
        pace: Pace | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.store = Store(clock)
        self.loop = Loop(self.store, pace)
        self.webhooks = Webhooks(self.loop)
        self.store.admission += [AccountAdmission(self.loop), self.webhooks, QuotaAdmission(self.loop)]
        self.store.inside = Inside(self.loop.cache)
        self.loop.start([controller(self.loop) for controller in _CONTROLLERS])
        for namespace in self.store.list(NAMESPACE.group, NAMESPACE.plural):
            self.loop.look("ADDED", namespace)
        for number in range(1, nodes + 1):
            self.store.create(_node(number, kubelet_version))
        self.loop.settle()

    def fork(self, clock: Callable[[], datetime] | None = None) -> "World":
        """A second world that goes on from here by itself. Nobody may be in the middle of a write to this one."""
        other = World(0, pace=self.loop.pace, clock=clock or self.store.clock)
        other.store.go_on_from(self.store)
        other.loop.go_on_from(self.loop)
        for admission, before in zip(other.store.admission, self.store.admission, strict=True):
            take_over(admission, before)
        return other


def _node(number: int, kubelet_version: str) -> Obj:
    name = f"node-{number}"
    marks = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    addresses = [{"type": "InternalIP", "address": f"10.243.0.{number}"}, {"type": "Hostname", "address": name}]
    return named(
        NODE,
        name,
        labels=marks,
        spec={},
        status={
            "capacity": _CAPACITY,
            "allocatable": _CAPACITY,
            "addresses": addresses,
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            "nodeInfo": {"kubeletVersion": kubelet_version, "architecture": "amd64", "operatingSystem": "linux"},
        },
    )
