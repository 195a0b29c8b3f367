"""A standing operator as its watchers see it: probes, metrics, logs, conditions, and Events read with kubectl."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import pytest

from harness import CANARY, MESH, PILOTAGE, STABLE, Cluster, Obj, eventually, sandbox

pytestmark = pytest.mark.e2e


class Operator(NamedTuple):
    """A running one. `log`: where its stderr goes."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def lines(self) -> list[Obj]:
        """Whole lines only: the last may still be written."""
        return [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def said(self, event: str) -> list[Obj]:
        return [line for line in self.lines() if line["event"] == event]

    def ask(self, path: str) -> str:
        address = eventually("the operator serves", lambda: self.said("started"))[0]["listens"]
        with urlopen(f"http://{address}{path}", timeout=10) as answer:  # noqa: S310, its own address
            return str(answer.read().decode())

    def metric(self, series: str) -> float | None:
        """`pilotage_mesh_phase{phase="Canary"}` -> its value, None where it is not there."""
        found = re.search(rf"(?m)^{re.escape(series)} (.+)$", self.ask("/metrics"))
        return float(found[1]) if found else None


@contextmanager
def operator(mesh: Cluster, folder: Path) -> Iterator[Operator]:
    log = folder / "operator.log"
    words = [*PILOTAGE, "operator", "--listen", "127.0.0.1:0"]
    with log.open("wb") as err:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=err, env=mesh.environment)
    try:
        yield Operator(process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=60)
    assert code == 0, log.read_text()


@pytest.fixture(scope="module")
def mesh() -> Iterator[Cluster]:
    with sandbox("runtime") as made:
        made.enable().must()
        yield made


@pytest.fixture(scope="module")
def standing(mesh: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with operator(mesh, tmp_path_factory.mktemp("operator")) as running:
        eventually("it leads", lambda: running.metric("pilotage_leader") == 1)
        yield running


def test_probes_are_answered(standing: Operator) -> None:
    assert standing.ask("/healthz") == "ok\n"
    assert standing.ask("/readyz") == "ok\n"


def test_an_edit_is_seen_in_conditions_metrics_and_events(mesh: Cluster, standing: Operator) -> None:
    edit(mesh, {"revisions": [{"name": STABLE}, {"name": CANARY}]})
    eventually("the canary begins", lambda: "CanaryStarting" in reasons(mesh))
    wait(mesh, "Ready")
    eventually("Event Canary", lambda: "Canary" in reasons(mesh))
    assert {"NotReady", "Reconciling", "Ready", "NotReconciling"} <= reasons(mesh)
    eventually("metrics tell it", lambda: standing.metric('pilotage_mesh_phase{phase="Canary"}') == 1)
    for revision in (STABLE, CANARY):
        assert standing.metric(f'pilotage_mesh_istiods_available{{revision="{revision}"}}')
        assert standing.metric(f'pilotage_mesh_support_days{{revision="{revision}"}}') is not None
        proxies = f'pilotage_mesh_proxies{{revision="{revision}"}}'
        eventually("proxies are counted", lambda series=proxies: standing.metric(series) == 0)
    assert standing.metric('pilotage_writes_total{result="success",verb="apply"}')
    assert standing.metric('pilotage_reconciles_total{result="success"}')
    wrote = standing.said("wrote")
    assert {CANARY} == {line["revision"] for line in wrote if CANARY in line["object"]}
    assert all(line["object"] and line["why"] for line in wrote)


def test_an_object_that_was_edited_is_put_back_with_an_event_that_names_who(mesh: Cluster, standing: Operator) -> None:
    config = ("configmap", f"istio-{STABLE}", "-n", MESH)
    before = mesh.get(*config)["data"]
    mesh.kubectl("patch", *config, "--type=merge", "-p", '{"data": {"mesh": "accessLogFile: /dev/null"}}').must()
    eventually("it is put back", lambda: mesh.get(*config)["data"] == before)
    (event,) = eventually("Event PutBack", lambda: [each for each in events(mesh) if each["reason"] == "PutBack"])
    assert f"ConfigMap {MESH}/istio-{STABLE}: data.mesh changed by kubectl-patch at 20" in event["note"]
    assert event["related"]["name"] == f"istio-{STABLE}"
    assert standing.said("wrote")[-1]["object"] == f"ConfigMap {MESH}/istio-{STABLE}"
    assert resource(mesh)["status"]["phase"] == "Canary"  # a mend is no outage


def test_what_a_user_must_change_stalls_the_resource_and_is_said_with_the_next_command(
    mesh: Cluster, standing: Operator
) -> None:
    charts = resource(mesh)["spec"]["artifacts"]["charts"]
    edit(mesh, {"artifacts": {"charts": f"{charts}-moved"}})
    wait(mesh, "Stalled")
    (stalled,) = [each for each in resource(mesh)["status"]["conditions"] if each["type"] == "Stalled"]
    assert f"{charts}-moved" in stalled["message"]
    (event,) = [each for each in events(mesh) if each["reason"] == "Stalled"]
    assert event["type"] == "Warning"
    assert all(line["next"] for line in standing.lines() if line["level"] == "error")
    edit(mesh, {"artifacts": {"charts": charts}})
    wait(mesh, "Ready")


def test_at_rest_nothing_is_said_and_nothing_is_written(mesh: Cluster, standing: Operator) -> None:
    wait(mesh, "Ready")
    lines, seen, told = standing.lines(), resource(mesh), events(mesh)
    surveyed = standing.metric("pilotage_last_survey_timestamp_seconds")
    eventually("another survey", lambda: standing.metric("pilotage_last_survey_timestamp_seconds") != surveyed)
    assert (standing.lines(), resource(mesh), events(mesh)) == (lines, seen, told)


def edit(mesh: Cluster, spec: Obj) -> None:
    patch = json.dumps({"spec": spec})
    mesh.kubectl("patch", "smesh", "default", "--type=merge", "-p", patch).must()


def wait(mesh: Cluster, condition: str) -> None:
    """For the resource as it is now: kubectl compares the generation, too."""
    generation = resource(mesh)["metadata"]["generation"]
    seen = f"--for=jsonpath={{.status.observedGeneration}}={generation}"
    for what in (seen, f"--for=condition={condition}"):
        mesh.kubectl("wait", what, "smesh/default", "--timeout=120s").must()


def resource(mesh: Cluster) -> Obj:
    return dict(mesh.get("smesh", "default"))


def events(mesh: Cluster) -> list[Obj]:
    """Of the ServiceMesh."""
    listed = mesh.get("events.events.k8s.io", "-n", "default")["items"]
    return [event for event in listed if event.get("regarding", {}).get("kind") == "ServiceMesh"]


def reasons(mesh: Cluster) -> set[str]:
    return {event["reason"] for event in events(mesh)}
