"""Pages of a pod list -> domain pods. Called by `reads` and `store`; pure but for its cache of quantities."""

from functools import lru_cache
from typing import Final

import msgspec

from pilotage.domain.cluster import Container, Pod
from pilotage.domain.names import GROUP
from pilotage.edge.wire import (
    Condition,
    ContainerSpec,
    Meta,
    PodSpec,
    Wire,
    count,
    millicores,
    requests_of,
    workload_of,
)

_KEPT: Final = ("istio.io/", "sidecar.istio.io/", "proxy.istio.io/", "inject.istio.io/", f"{GROUP}/", "sandbox.")

_millicores = lru_cache(1024)(millicores)
_count = lru_cache(1024)(count)


class Waiting(Wire):
    reason: str | None = ""
    message: str | None = ""


class State(Wire):
    waiting: Waiting | None = None
    terminated: Waiting | None = None


class ContainerStatus(Wire):
    name: str = ""
    ready: bool = False
    restart_count: int = 0
    state: State | None = None


class PodStatus(Wire):
    phase: str = "Unknown"
    reason: str | None = ""
    message: str | None = ""
    pod_ip: str | None = msgspec.field(name="podIP", default="")
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class PodWire(Wire):
    metadata: Meta
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class PodPage(Wire):
    items: list[PodWire] | None = None


_ONE: Final = msgspec.json.Decoder(PodWire)


def pods_of(page: PodPage, owners: dict[str, str]) -> list[Pod]:
    """The pods of one page. `owners` collects the apiVersion of each kind that owns pods, for `workloads`."""
    return [_pod(wire, owners) for wire in page.items or ()]


def decode_pod(raw: msgspec.Raw, owners: dict[str, str]) -> Pod:
    """One pod, as a watch tells it."""
    return _pod(_ONE.decode(raw), owners)


def _pod(wire: PodWire, owners: dict[str, str]) -> Pod:
    meta, spec, status = wire.metadata, wire.spec, wire.status
    conditions = {condition.type: condition for condition in status.conditions or ()}
    ready = conditions.get("Ready")
    containers = _containers(spec.containers, status.container_statuses)
    init = _containers(spec.init_containers, status.init_container_statuses)
    cpu, memory = _requested(spec)
    is_ready = ready is not None and ready.status == "True"
    return Pod(
        meta.namespace,
        meta.name,
        status.phase,
        is_ready,
        meta.deletion_timestamp is not None,
        meta.labels or {},
        {key: value for key, value in (meta.annotations or {}).items() if key.startswith(_KEPT)},
        workload_of(meta, owners),
        containers,
        init,
        spec.node_name or "",
        status.pod_ip or "",
        cpu,
        memory,
        meta.creation_timestamp or "",
        "" if is_ready else _reason(status, conditions, (*init, *containers)),
        spec.host_network,
    )


def _containers(specs: list[ContainerSpec] | None, statuses: list[ContainerStatus] | None) -> tuple[Container, ...]:
    known = {status.name: status for status in statuses or ()}
    return tuple(_container(spec, known.get(spec.name)) for spec in specs or ())


def _container(spec: ContainerSpec, status: ContainerStatus | None) -> Container:
    if status is None:
        return Container(spec.name, spec.image or "")
    why = status.state and (status.state.waiting or status.state.terminated)
    reason, message = (why.reason or "", why.message or "") if why and not status.ready else ("", "")
    if reason == "Completed":
        reason, message = "", ""
    return Container(spec.name, spec.image or "", status.ready, status.restart_count, reason, message)


def _reason(status: PodStatus, conditions: dict[str, Condition], containers: tuple[Container, ...]) -> str:
    """Why it is not Ready, the most telling words first: evicted, not scheduled, a container that cannot start."""
    scheduled = conditions.get("PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        return scheduled.message or scheduled.reason or ""
    stuck = next((each for each in containers if each.reason and each.reason != "PodInitializing"), None)
    if stuck is not None:
        return f"{stuck.name}: {stuck.reason}" + (f": {stuck.message}" if stuck.message else "")
    if status.reason or status.message:
        return ": ".join(part for part in (status.reason, status.message) if part)
    ready = conditions.get("Ready")
    return (ready.message or ready.reason or "") if ready is not None and ready.reason != "PodCompleted" else ""


def _requested(spec: PodSpec) -> tuple[int, int]:
    """Millicores and bytes as the scheduler counts them: the larger of running together and of any init container."""
    cpu = memory = init_cpu = init_memory = 0
    for container in spec.init_containers or ():
        asked = requests_of(container)
        own_cpu, own_memory = _millicores(asked.get("cpu", 0)), _count(asked.get("memory", 0))
        if container.restart_policy == "Always":  # runs on beside the others
            cpu, memory = cpu + own_cpu, memory + own_memory
            own_cpu, own_memory = cpu, memory
        else:
            own_cpu, own_memory = cpu + own_cpu, memory + own_memory
        init_cpu, init_memory = max(init_cpu, own_cpu), max(init_memory, own_memory)
    for container in spec.containers:
        asked = requests_of(container)
        cpu += _millicores(asked.get("cpu", 0))
        memory += _count(asked.get("memory", 0))
    return max(cpu, init_cpu), max(memory, init_memory)
