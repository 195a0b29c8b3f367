"""Facts of plain Kubernetes: namespaces, pods, workloads, nodes, quotas. Slim: only what rules read."""

import msgspec

from pilotage.domain.istio import Selector
from pilotage.domain.names import INJECTION_STATUS, OWNER_LABEL, PROXY_CONTAINER, REV
from pilotage.domain.objects import Obj

Labels = dict[str, str]


class Namespace(msgspec.Struct, frozen=True):
    name: str
    labels: Labels = {}
    terminating: bool = False
    raw: Obj = {}  # metadata with managedFields: who owns its labels


class Container(msgspec.Struct, frozen=True):
    name: str
    image: str = ""
    ready: bool = False
    restarts: int = 0
    reason: str = ""  # waiting reason, as in CrashLoopBackOff
    message: str = ""


class Pod(msgspec.Struct, frozen=True):
    """`workload` is (kind, name) of what owns it: ReplicaSets are already resolved to their Deployment."""

    namespace: str
    name: str
    phase: str = "Running"
    ready: bool = True
    deleting: bool = False
    labels: Labels = {}
    annotations: Labels = {}  # only Istio's and ours
    workload: tuple[str, str] = ("Pod", "")
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    node: str = ""
    ip: str = ""
    cpu: int = 0  # requested, millicores
    memory: int = 0  # requested, bytes
    created: str = ""  # RFC 3339
    reason: str = ""  # why it is not scheduled or not ready, in the cluster's words
    host_network: bool = False

    @property
    def finished(self) -> bool:
        """Succeeded, Failed and Evicted pods hold nothing."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def proxy(self) -> Container | None:
        """istio-proxy, in `containers` or, as a native sidecar, in `initContainers`."""
        for containers in (self.containers, self.init_containers):  # rules ask it of every pod: nothing is built
            for container in containers:
                if container.name == PROXY_CONTAINER:
                    return container
        return None

    @property
    def ours(self) -> bool:
        """Of a gateway that Pilotage installed: it comes and goes with its revision."""
        return OWNER_LABEL in self.labels

    @property
    def revision(self) -> str | None:
        """The revision that injected it, by annotation: the label of that name is what was asked for, maybe a tag."""
        revision = self.annotations.get(REV)
        injected = revision is not None and (INJECTION_STATUS in self.annotations or self.proxy is not None)
        return revision if injected else None


class Workload(msgspec.Struct, frozen=True):
    """What owns pods. `desired` counts replicas; a suspended CronJob or a Deployment at 0 still comes back."""

    kind: str
    namespace: str
    name: str
    api_version: str = "apps/v1"
    labels: Labels = {}  # of the pod template
    annotations: Labels = {}  # of the pod template
    desired: int = 1
    updated: int = 1  # replicas of the newest template
    ready: int = 1
    available: int = 1
    total: int = 1  # all replicas that still exist, old ones too
    observed: bool = True  # its controller has seen the newest generation
    finished: bool = False  # a Job that is done
    on_delete: bool = False  # update strategy OnDelete: a template change restarts nothing
    paused: bool = False
    reason: str = ""  # ProgressDeadlineExceeded and the like
    missing: int = 0  # pods that its rolling update may leave out at once


class Node(msgspec.Struct, frozen=True):
    name: str
    cpu: int  # allocatable, millicores
    memory: int  # allocatable, bytes
    pods: int  # allocatable
    schedulable: bool = True
    taints: tuple[str, ...] = ()  # keys of NoSchedule and NoExecute


class Budget(msgspec.Struct, frozen=True):
    """One PodDisruptionBudget. Of `least` (pods that must stay) and `most` (that may be gone) one is given."""

    namespace: str
    name: str
    pods: Selector
    least: int | str | None = None
    most: int | str | None = None


class Quota(msgspec.Struct, frozen=True):
    """One ResourceQuota: resource name -> (hard, used), millicores or bytes or counts."""

    namespace: str
    name: str
    limits: dict[str, tuple[int, int]]
