"""The metrics of the operator, every one in a table below; docs/operator.md lists them. Filled by `report`.

Gauges of the mesh are replaced as a whole, so that a revision that is gone leaves no number behind.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, Metric, ProcessCollector
from prometheus_client import Gauge as PlainGauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pilotage.decide.gauges import Gauge


class Declared(NamedTuple):
    """A gauge about the mesh, as `decide.gauges` names it."""

    name: str
    labels: tuple[str, ...]
    help: str


_REVISION: Final = ("revision",)
MESH: Final = (
    Declared("pilotage_mesh_phase", ("phase",), "1 for the phase that the mesh is in."),
    Declared("pilotage_mesh_condition", ("condition", "reason"), "Whether a condition of the ServiceMesh is True."),
    Declared("pilotage_mesh_waits", (), "Things that the plan waits for."),
    Declared("pilotage_mesh_wait_seconds", (), "How long the mesh has not been ready, while something is waited for."),
    Declared("pilotage_mesh_istiods_desired", _REVISION, "Replicas of istiod that are asked for."),
    Declared("pilotage_mesh_istiods_available", _REVISION, "Replicas of istiod that are available."),
    Declared("pilotage_mesh_support_days", _REVISION, "Days until the end of support, negative when it is past."),
    Declared("pilotage_catalog_age_days", (), "Days since the newest release that the catalog knows."),
    Declared("pilotage_mesh_findings", ("code", "severity"), "Findings of all rules."),
    Declared("pilotage_mesh_proxies", _REVISION, "Live pods with a proxy."),
    Declared("pilotage_mesh_proxies_ready", _REVISION, "Of these, Ready."),
    Declared("pilotage_mesh_proxies_connected", _REVISION, "Of these, connected to an istiod of the revision."),
    Declared("pilotage_mesh_proxies_synced", _REVISION, "Of these, in sync with istiod."),
    Declared("pilotage_mesh_proxies_rejecting", _REVISION, "Of these, rejecting configuration."),
)
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class _Mesh(Collector):
    """What was last told of the mesh, by who told it: the loop, or the survey."""

    def __init__(self) -> None:
        self.told: dict[str, tuple[Gauge, ...]] = {}

    def collect(self) -> Iterator[Metric]:
        gauges = [gauge for told in tuple(self.told.values()) for gauge in told]
        for declared in MESH:
            family = GaugeMetricFamily(declared.name, declared.help, labels=declared.labels)
            for gauge in gauges:
                if gauge.name == declared.name:
                    family.add_metric(gauge.labels, float(gauge.value))
            yield family


class Metrics:
    """One registry; nothing is shared between two of them."""

    def __init__(self, version: str) -> None:
        self.registry = every = CollectorRegistry()
        self._mesh = _Mesh()
        every.register(self._mesh)
        ProcessCollector(registry=every)
        Info("pilotage_build", "Version of Pilotage.", registry=every).info({"version": version})
        self.leader = PlainGauge("pilotage_leader", "1 while this process holds the Lease.", registry=every)
        self.stepped = PlainGauge(
            "pilotage_last_successful_step_timestamp_seconds", "When a step last ended well.", registry=every
        )
        self.surveyed = PlainGauge(
            "pilotage_last_survey_timestamp_seconds", "When the whole cluster was last looked at.", registry=every
        )
        self.reconciles = Counter("pilotage_reconciles_total", "Steps of the loop.", ["result"], registry=every)
        self.reconcile_seconds = Histogram(
            "pilotage_reconcile_duration_seconds", "Time of one step.", registry=every, buckets=_SECONDS
        )
        self.writes = Counter(
            "pilotage_writes_total", "Writes that the plan asked for.", ["verb", "result"], registry=every
        )
        self.requests = Counter(
            "pilotage_api_requests_total", "Requests to the API server.", ["verb", "code"], registry=every
        )
        self.request_seconds = Histogram(
            "pilotage_api_request_duration_seconds",
            "Time to the head of the API server's answer.",
            ["verb"],
            registry=every,
            buckets=_SECONDS,
        )
        self.watch_restarts = Counter(
            "pilotage_watch_restarts_total", "Watches that lost their place.", ["reason"], registry=every
        )

    def tell(self, who: str, gauges: Iterable[Gauge]) -> None:
        """All that `who` knows of the mesh now."""
        self._mesh.told[who] = tuple(gauges)

    def forget(self) -> None:
        """Who does not lead knows nothing of the mesh."""
        self._mesh.told = {}

    def now(self, gauge: PlainGauge) -> None:
        gauge.set(time.time())
