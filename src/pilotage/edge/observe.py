"""The cluster at one moment as a Snapshot, from all its lists at once, in threads. Called by `looking` and by faces.

A fact is a field of Snapshot and a row of `_READERS`. `parts` names the facts to look at. What was not looked at, or
may not be read (403), stands in `Snapshot.unknown` with the cause, so that no rule takes it for empty.

Readers import what they need when they are asked: most verbs want a few small lists and should answer at once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, Final

from pilotage.domain.catalog import Catalog
from pilotage.domain.cluster import Namespace, Node, Pod, Quota, Workload
from pilotage.domain.errors import Denied, Refused
from pilotage.domain.istio import ControlPlane, IstiodReport
from pilotage.domain.mesh import ServiceMesh
from pilotage.domain.names import LEASE, MESH_KEY
from pilotage.domain.objects import Obj, ObjectRef, labels_of
from pilotage.domain.profile import Profile
from pilotage.domain.state import Snapshot
from pilotage.domain.version import Version
from pilotage.edge import webhooks
from pilotage.edge.kube import Kube
from pilotage.edge.look import Look
from pilotage.edge.reads import Lists, Source

Parts = frozenset[str]
_HPA: Final = ("autoscaling/v2", "HorizontalPodAutoscaler")


def observe(  # noqa: PLR0913 - what is asked of the cluster, and what a Snapshot holds that no cluster tells
    kube: Kube | Source,
    profile: Profile,
    catalog: Catalog,
    now: datetime,
    *,
    parts: Parts | None = None,
    mesh: ServiceMesh | None = None,
    refs: Iterable[ObjectRef] = (),
) -> Snapshot:
    """A Snapshot of `parts` (ALL by default), from lists that `kube` makes now or from a `Source` that has them.

    `refs`: objects to look for in `live` beside our inventory.

    Raises Unreachable and Retry as `Kube` does: half a look is none; and Refused for a 401. A 403 makes a fact unknown.
    """
    wanted = ALL if parts is None else parts
    for module in sorted({module for part in wanted for module in _DECODERS.get(part, ())}):
        import_module(f"pilotage.edge.{module}")
    source = Lists(kube) if isinstance(kube, Kube) else kube
    with source.pools() as pools:
        look = Look(source, profile.namespace, now, tuple(refs), pools)
        begun = {field: pools.facts.submit(_READERS[field], look) for field in _READERS if field in wanted}
        facts: dict[str, Any] = {}
        unknown = dict.fromkeys(ALL - wanted, "not looked at")
        for field, future in begun.items():
            try:
                facts[field] = future.result()
            except Denied as denied:
                unknown[field] = str(denied)
    facts.setdefault("kubernetes", Version(0, 0))
    return Snapshot(now=now, catalog=catalog, profile=profile, mesh=mesh, unknown=unknown, **facts)


def refuse_blind(seen: Snapshot, parts: Parts) -> None:
    """Raises Refused where one of `parts` may not be read.

    Nothing can be planned for what is not seen: it would be written again and again.
    """
    blind = {part: why for part, why in seen.unknown.items() if part in parts}
    if blind:
        part, why = next(iter(blind.items()))
        raise Refused(f"cannot see {part}: {why}", fix="kubectl auth can-i --list")


def _namespaces(look: Look) -> tuple[Namespace, ...]:
    listed = look.source.list_metadata("v1", "Namespace")
    return tuple(
        Namespace(obj["metadata"]["name"], labels_of(obj), "deletionTimestamp" in obj["metadata"], obj)
        for obj in listed
    )


def _pods(look: Look) -> tuple[Pod, ...]:
    from pilotage.edge.workloads import cron_owners, of_cron_jobs

    pods, _ = look.pods()
    return tuple(of_cron_jobs(pods, cron_owners(job.metadata for job in look.jobs())))


def _workloads(look: Look) -> tuple[Workload, ...]:
    """Jobs that a CronJob makes are the CronJob's; what no list shows is told by its pods."""
    from pilotage.edge.workloads import cron_owners, others, workload_of

    crons = cron_owners(job.metadata for job in look.jobs())
    listed = (
        workload_of(kind, wire)
        for kind, wires in look.workloads().items()
        for wire in wires
        if kind != "Job" or (wire.metadata.namespace, wire.metadata.name) not in crons
    )
    pods, owners = look.pods()
    return (*listed, *others(pods, owners))


def _nodes(look: Look) -> tuple[Node, ...]:
    from pilotage.edge.capacity import nodes

    return nodes(look.source)


def _quotas(look: Look) -> tuple[Quota, ...]:
    from pilotage.edge.capacity import quotas

    return quotas(look.source, sorted(_homes(look)))


def _control_planes(look: Look) -> tuple[ControlPlane, ...]:
    """Without pods only the reason of one that is not available is missing."""
    from pilotage.edge.controlplanes import control_planes, istiod_deployments

    deployments = look.pool.submit(istiod_deployments, look.source)
    try:
        pods = look.istiod_pods()
    except Denied:
        pods = ()
    return control_planes(deployments.result(), pods)


def _services(look: Look) -> frozenset[tuple[str, str]]:
    configs = (*look.injectors(), *look.validators())
    return webhooks.existing(look.source, look.services(), configs, look.namespace)


def _configs(look: Look) -> dict[str, str]:
    listed = look.source.list("v1", "ConfigMap", look.namespace)
    data = ((obj["metadata"]["name"], obj.get("data") or {}) for obj in listed)
    return {name: held[MESH_KEY] for name, held in data if MESH_KEY in held}


def _roots(look: Look) -> dict[str, str]:
    from pilotage.edge.roots import roots_of

    return roots_of(look.injectors())


def _live(look: Look) -> dict[ObjectRef, Obj]:
    from pilotage.edge.inventory import inventory

    return inventory(look.source, look.refs, look.pool)


def _autoscalers(look: Look) -> tuple[Obj, ...]:
    lists = [look.pool.submit(look.source.list, *_HPA, space) for space in sorted(_homes(look))]
    return tuple(obj for future in lists for obj in future.result())


def _homes(look: Look) -> set[str]:
    """Namespaces that our Deployments are in, or will be."""
    return {look.namespace} | {ref.namespace for ref in look.refs if ref.kind == "Deployment"}


def _istiods(look: Look) -> tuple[IstiodReport, ...]:
    return look.source.reports(look.istiod_pods(), look.pool)


def _leases(look: Look) -> tuple[str, ...]:
    return tuple(sorted(obj["metadata"]["name"] for obj in look.leases()))


def _operator(look: Look) -> bool:
    from pilotage.edge.operators import operator_runs

    lease = next((obj for obj in look.leases() if obj["metadata"]["name"] == LEASE), None)
    return operator_runs(lease, look.now)


_READERS: Final[Mapping[str, Callable[[Look], Any]]] = {
    "kubernetes": lambda look: look.source.version(),
    "namespaces": _namespaces,
    "pods": _pods,
    "workloads": _workloads,
    "nodes": _nodes,
    "quotas": _quotas,
    "injectors": lambda look: look.injectors(),
    "validators": lambda look: look.validators(),
    "control_planes": _control_planes,
    "services": _services,
    "revision_services": lambda look: webhooks.revision_services(look.services()),
    "resources": lambda look: webhooks.labelled_resources(look.source, look.pool),
    "istio_gateways": lambda look: webhooks.istio_gateways(look.source),
    "configs": _configs,
    "roots": _roots,
    "autoscalers": _autoscalers,
    "live": _live,
    "istiods": _istiods,
    "leases": _leases,
    "operator": _operator,
}

# Modules that make msgspec decoders, by the facts that need them. They are imported before there are threads: two that
# make decoders of the same types at once crash the process.
_DECODERS: Final[Mapping[str, Sequence[str]]] = {
    "pods": ("pods", "workloads"),
    "workloads": ("pods", "workloads"),
    "control_planes": ("pods",),
    "istiods": ("pods", "istiod"),
}

ALL: Final[Parts] = frozenset(_READERS)
# What the loop reads where something may be removed: not what a canary may still ask for, nor who runs the loop.
GUARD: Final[Parts] = ALL - {"nodes", "quotas", "operator"}
# What an install looks at, step after step; whether something may be removed needs GUARD.
INSTALL: Final[Parts] = frozenset(
    {"namespaces", "injectors", "validators", "control_planes", "roots", "autoscalers", "live"}
)
# What changes by itself while a control plane that was applied gets ready.
READINESS: Final[Parts] = frozenset({"injectors", "validators", "control_planes", "roots"})
# What tells that an istiod still starts: as little as can be asked, for each look takes time from its start.
STARTING: Final[Parts] = frozenset({"control_planes"})
# What the rules ahead of an install read: not what each istiod says, nor what only a removal asks.
PREFLIGHT: Final[Parts] = frozenset(
    {
        "kubernetes",
        "namespaces",
        "pods",
        "workloads",
        "nodes",
        "quotas",
        "injectors",
        "control_planes",
        "configs",
        "live",
    }
)
