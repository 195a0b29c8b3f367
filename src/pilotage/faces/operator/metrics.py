"""The metrics of the operator, every one in a table below. Filled by `report`.

Gauges of the mesh are replaced as a whole, so that a revision that is gone leaves no number behind.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, ProcessCollector, disable_created_metrics
from prometheus_client import Gauge as PlainGauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pilotage.decide.gauges import Gauge


class Declared(NamedTuple):
    """One metric."""

    name: str
    labels: tuple[str, ...]
    help: str


_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_REVISION: Final = ("revision",)
# As `decide.gauges` names them.
MESH: Final = (
    Declared("pilotage_mesh_phase", ("phase",), "1 for the phase that the mesh is in."),
    Declared("pilotage_mesh_condition", ("condition", "reason"), "Whether a condition of the ServiceMesh is True."),
    Declared("pilotage_mesh_waits", (), "Things that the plan waits for."),
    Declared("pilotage_mesh_wait_seconds", (), "How long the mesh has not been ready; 0 when it is."),
    Declared("pilotage_mesh_istiods_desired", _REVISION, "Replicas of istiod that are asked for."),
    Declared("pilotage_mesh_istiods_available", _REVISION, "Replicas of istiod that are available."),
    Declared("pilotage_mesh_support_days", _REVISION, "Days until the end of support, negative when it is past."),
    Declared("pilotage_mesh_patches_behind", _REVISION, "Newer patches of its minor that are out."),
    Declared("pilotage_mesh_missing_cvss", _REVISION, "Highest CVSS score that newer patches fix; 0 if none is known."),
    Declared("pilotage_catalog_age_days", (), "Days since the day until which the catalog is complete."),
    Declared("pilotage_mesh_findings", ("code", "severity"), "Findings of all rules."),
    Declared("pilotage_mesh_proxies", _REVISION, "Live pods with a proxy."),
    Declared("pilotage_mesh_proxies_ready", _REVISION, "Of these, Ready."),
    Declared("pilotage_mesh_proxies_connected", _REVISION, "Of these, connected to an istiod of the revision."),
    Declared("pilotage_mesh_proxies_synced", _REVISION, "Of these, in sync with istiod."),
    Declared("pilotage_mesh_proxies_rejecting", _REVISION, "Of these, rejecting configuration."),
)
_LEADER: Final = Declared("pilotage_leader", (), "1 while this process holds the Lease.")
_STEPPED: Final = Declared(
    "pilotage_last_successful_step_timestamp_seconds", (), "When a step of the loop last ended well."
)
_SURVEYED: Final = Declared("pilotage_last_survey_timestamp_seconds", (), "When the whole mesh was last looked at.")
_STEPS: Final = Declared("pilotage_reconciles_total", ("result",), "Steps of the loop.")
_STEP: Final = Declared("pilotage_reconcile_duration_seconds", (), "Time of one step.")
_WRITES: Final = Declared("pilotage_writes_total", ("verb", "result"), "Writes that the plan asked for.")
_REQUESTS: Final = Declared(
    "pilotage_api_requests_total", ("verb", "code"), "Requests to the API server; code none for no answer."
)
_REQUEST: Final = Declared(
    "pilotage_api_request_duration_seconds", ("verb",), "Time to the head of the API server's answer."
)
_RESTARTS: Final = Declared("pilotage_watch_restarts_total", ("reason",), "Watches that lost their place.")
_BUILD: Final = Declared("pilotage_build_info", ("version",), "1, with the version of Pilotage.")
_OWN: Final = (_LEADER, _STEPPED, _SURVEYED, _STEPS, _STEP, _WRITES, _REQUESTS, _REQUEST, _RESTARTS, _BUILD)
_PROCESS: Final = (
    Declared("process_cpu_seconds_total", (), "Processor time of the process."),
    Declared("process_resident_memory_bytes", (), "Memory of the process."),
)


def documented() -> tuple[Declared, ...]:
    """What others may rely on: `tools.generate` writes it into docs/operator.md."""
    return (*MESH, *_OWN, *_PROCESS)


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
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series per counter that nobody reads
        self.registry = CollectorRegistry()
        self._mesh = _Mesh()
        self.registry.register(self._mesh)
        ProcessCollector(registry=self.registry)
        self._gauge(_BUILD).labels(version).set(1)
        self.leader, self._stepped, self._surveyed = map(self._gauge, (_LEADER, _STEPPED, _SURVEYED))
        self.reconciles, self.writes = self._counter(_STEPS), self._counter(_WRITES)
        self.requests, self.watch_restarts = self._counter(_REQUESTS), self._counter(_RESTARTS)
        self.reconcile_seconds, self.request_seconds = self._histogram(_STEP), self._histogram(_REQUEST)

    def tell(self, who: str, gauges: Iterable[Gauge]) -> None:
        """All that `who` knows of the mesh now."""
        self._mesh.told[who] = tuple(gauges)

    def forget(self) -> None:
        """Who does not lead knows nothing of the mesh."""
        self._mesh.told = {}

    def stepped(self) -> None:
        """A step of the loop ended well."""
        self._stepped.set(time.time())

    def surveyed(self) -> None:
        """The whole mesh was looked at."""
        self._surveyed.set(time.time())

    def _gauge(self, of: Declared) -> PlainGauge:
        return PlainGauge(of.name, of.help, of.labels, registry=self.registry)

    def _counter(self, of: Declared) -> Counter:
        return Counter(of.name, of.help, of.labels, registry=self.registry)

    def _histogram(self, of: Declared) -> Histogram:
        return Histogram(of.name, of.help, of.labels, registry=self.registry, buckets=_SECONDS)
