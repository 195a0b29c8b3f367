"""A standing operator as its watchers see it: probes, metrics, logs, conditions, and Events read with kubectl."""

import json
from collections.abc import Iterator

import pytest

from harness import CANARY, MESH, STABLE, Cluster, Obj, eventually, sandbox
from standing import Operator, operator
from untouched import at_rest

pytestmark = pytest.mark.e2e

SURVEYED = "pilotage_last_survey_timestamp_seconds"


@pytest.fixture(scope="module")
def mesh() -> Iterator[Cluster]:
    with sandbox("runtime") as made:
        made.enable().must()
        yield made


@pytest.fixture(scope="module")
def standing(mesh: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with operator(mesh, tmp_path_factory.mktemp("operator") / "log") as running:
        eventually("it leads", running.leads)
        yield running


def test_probes_are_answered(standing: Operator) -> None:
    assert standing.ask("/healthz") == "ok\n"
    assert standing.ask("/readyz") == "ok\n"


def test_an_edit_is_seen_in_conditions_metrics_and_events(mesh: Cluster, standing: Operator) -> None:
    edit(mesh, {"revisions": [{"name": STABLE}, {"name": CANARY}]})
    eventually("the canary begins", lambda: "CanaryStarting" in reasons(mesh))
    wait(mesh, "Ready")
    told = {"Canary", "NotReady", "Reconciling", "Ready", "NotReconciling"}
    eventually(f"Events {told}", lambda: told <= reasons(mesh))
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
    at_rest(mesh)
    wait(mesh, "Ready")
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
    (event,) = eventually("Event Stalled", lambda: [each for each in events(mesh) if each["reason"] == "Stalled"])
    assert event["type"] == "Warning"
    assert all(line["next"] for line in standing.lines() if line["level"] == "error")
    edit(mesh, {"artifacts": {"charts": charts}})
    wait(mesh, "Ready")


def test_at_rest_nothing_is_said_and_nothing_is_written(mesh: Cluster, standing: Operator) -> None:
    wait(mesh, "Ready")

    def all_of_it() -> tuple[Obj, list[Obj], list[Obj]]:
        return resource(mesh), events(mesh), standing.lines()

    def a_minute_in_which_nothing_happens() -> bool:
        before, surveyed = all_of_it(), standing.metric(SURVEYED)
        eventually("another survey", lambda: standing.metric(SURVEYED) != surveyed)
        return all_of_it() == before

    # An autoscaler may still be at work when the mesh is first Ready. Who writes at every survey is never quiet.
    eventually("rest", a_minute_in_which_nothing_happens, patience=200)


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
