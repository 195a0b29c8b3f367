"""Numbers about the mesh, for its metrics: from a plan, a Snapshot and the status. Called by the operator.

Labels are few: revisions, phases, conditions, codes; never a pod or a namespace. What is not known gives no number.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from pilotage.decide.announcements import highest, newer_patches
from pilotage.decide.revision_health import health
from pilotage.domain.actions import Plan
from pilotage.domain.findings import Finding
from pilotage.domain.objects import Obj
from pilotage.domain.state import Revision, Snapshot


class Gauge(NamedTuple):
    """One number; `labels` in the order in which the metric declares them."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


def of_status(status: Obj, now: datetime) -> Iterator[Gauge]:
    """Of the status as published; an empty one is that of no ServiceMesh."""
    yield Gauge("pilotage_mesh_phase", 1, (status.get("phase", "NotEnabled"),))
    waited = 0.0
    for condition in status.get("conditions", ()):
        kind, holds = condition["type"], condition["status"] == "True"
        yield Gauge("pilotage_mesh_condition", holds, (kind, condition["reason"]))
        if kind == "Ready" and not holds:
            waited = (now - datetime.fromisoformat(condition["lastTransitionTime"])).total_seconds()
    yield Gauge("pilotage_mesh_wait_seconds", waited)


def of_plan(made: Plan, revisions: Iterable[Revision], snapshot: Snapshot) -> Iterator[Gauge]:
    """Of a step that got as far as a plan. `revisions`: those asked for."""
    yield Gauge("pilotage_mesh_waits", len(made.waits))
    for plane in snapshot.control_planes:
        yield Gauge("pilotage_mesh_istiods_desired", plane.desired, (plane.revision,))
        yield Gauge("pilotage_mesh_istiods_available", plane.available, (plane.revision,))
    for revision in revisions:
        release = snapshot.catalog.find(revision.version.in_minor)
        if release is not None:
            yield Gauge("pilotage_mesh_support_days", (release.end - snapshot.today).days, (revision.name,))
            patches = newer_patches(revision, snapshot.catalog, snapshot.today)
            yield Gauge("pilotage_mesh_patches_behind", len(patches), (revision.name,))
            yield Gauge("pilotage_mesh_missing_cvss", highest(patches) or 0.0, (revision.name,))
    yield Gauge("pilotage_catalog_age_days", max((snapshot.today - snapshot.catalog.complete_until).days, 0))


def of_survey(snapshot: Snapshot, findings: Iterable[Finding]) -> Iterator[Gauge]:
    """Of a look at the whole cluster."""
    counts = Counter((finding.code, str(finding.severity)) for finding in findings)
    for labels, count in sorted(counts.items()):
        yield Gauge("pilotage_mesh_findings", count, labels)
    for each in health(snapshot):
        named = {
            "proxies": each.proxies,
            "proxies_ready": each.ready,
            "proxies_connected": each.connected,
            "proxies_synced": each.synced,
            "proxies_rejecting": each.rejecting,
        }
        for name, number in named.items():
            if number is not None:
                yield Gauge(f"pilotage_mesh_{name}", number, (each.revision,))
