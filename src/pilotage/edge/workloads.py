"""Lists of Deployments, StatefulSets, … -> domain workloads. Called by `observe`; pure."""

import math
from collections.abc import Iterable
from typing import Final

import msgspec

from pilotage.domain.cluster import Pod, Workload
from pilotage.domain.quantity import left_out, of_count
from pilotage.edge.wire import Condition, Meta, Template, Wire, controller_of

KINDS: Final = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
}


_ROLLED: Final = ("StatefulSet", "DaemonSet")


class RollingUpdate(Wire):
    max_unavailable: int | str | None = None
    max_surge: int | str | None = None


class UpdateStrategy(Wire):
    type: str | None = ""
    rolling_update: RollingUpdate | None = None


class JobSpec(Wire):
    template: Template | None = None


class JobTemplate(Wire):
    spec: JobSpec | None = None


class WorkloadSpec(Wire):
    """The specs of all five kinds, as they share most fields."""

    replicas: int | None = None
    template: Template | None = None
    update_strategy: UpdateStrategy | None = None
    strategy: UpdateStrategy | None = None  # a Deployment's name for it
    paused: bool | None = False
    suspend: bool | None = False
    parallelism: int | None = None
    job_template: JobTemplate | None = None


class WorkloadStatus(Wire):
    observed_generation: int | None = None
    replicas: int | None = 0
    updated_replicas: int | None = 0
    ready_replicas: int | None = 0
    available_replicas: int | None = 0
    desired_number_scheduled: int | None = 0
    current_number_scheduled: int | None = 0
    updated_number_scheduled: int | None = 0
    number_ready: int | None = 0
    number_available: int | None = 0
    active: int | list[msgspec.Raw] | None = 0
    ready: int | None = 0
    conditions: list[Condition] | None = None


class WorkloadWire(Wire):
    metadata: Meta
    spec: WorkloadSpec = msgspec.field(default_factory=WorkloadSpec)
    status: WorkloadStatus = msgspec.field(default_factory=WorkloadStatus)


class WorkloadPage(Wire):
    items: list[WorkloadWire] | None = None


_ONE: Final = msgspec.json.Decoder(WorkloadWire)


def decode_workload(raw: msgspec.Raw) -> WorkloadWire:
    """One object, as a watch tells it."""
    return _ONE.decode(raw)


def workload_of(kind: str, wire: WorkloadWire) -> Workload:
    """One object of `kind`, with the labels and annotations of its pod template."""
    spec, meta = wire.spec, wire.metadata
    template = spec.template
    if kind == "CronJob":
        template = (spec.job_template and spec.job_template.spec and spec.job_template.spec.template) or None
    pod_meta = (template and template.metadata) or Meta()
    desired, updated, ready, available, total = _counts(kind, wire)
    seen = wire.status.observed_generation
    strategy = spec.update_strategy
    return Workload(
        kind,
        meta.namespace,
        meta.name,
        KINDS[kind],
        pod_meta.labels or {},
        pod_meta.annotations or {},
        desired=desired,
        updated=updated,
        ready=ready,
        available=available,
        total=total,
        observed=kind in ("Job", "CronJob") or (seen is not None and seen >= meta.generation),
        finished=kind == "Job" and _condition(wire, "Complete", "Failed") is not None,
        on_delete=strategy is not None and strategy.type == "OnDelete",
        paused=bool(spec.paused or spec.suspend),
        reason=_reason(wire),
        missing=_missing(kind, spec, desired),
    )


def _counts(kind: str, wire: WorkloadWire) -> tuple[int, int, int, int, int]:
    """desired, updated, ready, available, total."""
    spec, status = wire.spec, wire.status
    if kind == "DaemonSet":
        return (
            status.desired_number_scheduled or 0,
            status.updated_number_scheduled or 0,
            status.number_ready or 0,
            status.number_available or 0,
            status.current_number_scheduled or 0,
        )
    if kind == "Job":
        active = status.active if isinstance(status.active, int) else 0
        ready = status.ready or 0
        return (1 if spec.parallelism is None else spec.parallelism, active, ready, ready, active)
    if kind == "CronJob":
        running = len(status.active) if isinstance(status.active, list) else 0
        return (1, running, running, running, running)
    return (
        1 if spec.replicas is None else spec.replicas,
        status.updated_replicas or 0,
        status.ready_replicas or 0,
        status.available_replicas or 0,
        status.replicas or 0,
    )


def _missing(kind: str, spec: WorkloadSpec, desired: int) -> int:
    """Pods that a change of its template may leave out at once, as its controller counts them."""
    strategy = spec.strategy or spec.update_strategy or UpdateStrategy()
    rolling = strategy.rolling_update or RollingUpdate()
    if kind == "Deployment":
        whole = strategy.type == "Recreate"
        return desired if whole else left_out(rolling.max_unavailable, rolling.max_surge, desired)
    given_most = rolling.max_unavailable
    return math.ceil(of_count(1 if given_most is None else given_most, desired)) if kind in _ROLLED else 0


def _condition(wire: WorkloadWire, *types: str) -> Condition | None:
    conditions = wire.status.conditions or ()
    return next((each for each in conditions if each.type in types and each.status == "True"), None)


def _reason(wire: WorkloadWire) -> str:
    """Why it does not get on: a quota or admission that forbids its pods, or a rollout past its deadline."""
    failure = _condition(wire, "ReplicaFailure", "Failed")
    if failure is not None:
        return failure.message or failure.reason or ""
    for condition in wire.status.conditions or ():
        if condition.type == "Progressing" and condition.status == "False":
            return condition.reason or condition.message or ""
    return ""


def cron_owners(jobs: Iterable[Meta]) -> dict[tuple[str, str], str]:
    """(namespace, Job) -> CronJob, of the Jobs' metadata."""
    owned = ((job, controller_of(job)) for job in jobs)
    return {(job.namespace, job.name): owner.name for job, owner in owned if owner and owner.kind == "CronJob"}


def of_cron_jobs(pods: Iterable[Pod], crons: dict[tuple[str, str], str]) -> list[Pod]:
    """The pods, those of a CronJob's Jobs owned by the CronJob."""
    return [
        msgspec.structs.replace(pod, workload=("CronJob", crons[key]))
        if (key := (pod.namespace, pod.workload[1])) in crons and pod.workload[0] == "Job"
        else pod
        for pod in pods
    ]


def others(pods: Iterable[Pod], owners: dict[str, str]) -> list[Workload]:
    """Bare pods, and what is owned by controllers that are not listed (Rollout, ReplicationController, …), by pods."""
    groups: dict[tuple[str, str, str], list[Pod]] = {}
    for pod in pods:
        kind, name = pod.workload
        if kind not in KINDS and not pod.finished:
            groups.setdefault((kind, pod.namespace, name), []).append(pod)
    return [_other(key, members, owners.get(key[0], "v1")) for key, members in groups.items()]


def _other(key: tuple[str, str, str], members: list[Pod], api_version: str) -> Workload:
    kind, namespace, name = key
    size, ready = len(members), sum(pod.ready for pod in members)
    first = members[0]
    return Workload(
        kind,
        namespace,
        name,
        api_version,
        first.labels,
        first.annotations,
        desired=size,
        updated=size,
        ready=ready,
        available=ready,
        total=size,
    )
