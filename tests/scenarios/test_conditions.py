"""What a ServiceMesh says of itself as the loop goes: conditions, and Events, on a cluster in memory."""

from collections.abc import Iterator

import pytest

from harness import MESH, STABLE, Obj
from inmemory import InMemory, in_memory

ANNOUNCED = ["NewMinor", "SupportEnding"]  # on the day that tests take for today; of these Ready is no less true
CONFIG = f"configmap/istio-{STABLE}"


@pytest.fixture(scope="module")
def mesh() -> Iterator[InMemory]:
    with in_memory() as made:
        made.enable().must()
        yield made


def test_an_install_is_told_from_its_beginning_to_its_end(mesh: InMemory) -> None:
    told = {"Installing", "Reconciling", "Settled", "Ready", "NotReconciling"}
    assert told <= {each["reason"] for each in events(mesh)}
    assert [kind for kind, each in conditions(mesh).items() if each["status"] == "True"] == ["Ready", *ANNOUNCED]


def test_an_edit_is_put_back_and_told_with_its_author_and_a_fight_is_one_event(mesh: InMemory) -> None:
    before, told, said = mesh.get(CONFIG, "-n", MESH)["data"], events(mesh), status(mesh)
    for _ in range(3):
        mesh.patch(CONFIG, {"data": {"mesh": "accessLogFile: /dev/null"}}, MESH)
        mesh.enable().must()
        assert mesh.get(CONFIG, "-n", MESH)["data"] == before
    (event,) = [each for each in events(mesh) if each not in told]
    assert event["reason"] == "PutBack"
    assert f"ConfigMap {MESH}/istio-{STABLE}: data.mesh changed by kubectl at" in event["note"]
    assert status(mesh) == said


def test_what_a_user_must_change_is_in_the_resource_until_it_is_changed(mesh: InMemory) -> None:
    charts = mesh.get("smesh/default")["spec"]["artifacts"]["charts"]
    mesh.patch("smesh/default", {"spec": {"artifacts": {"charts": f"{charts}-moved"}}})
    refused = mesh.pilotage("enable", "--revision", STABLE).must(3)
    assert f"{charts}-moved" in refused.err
    stalled = conditions(mesh)["Stalled"]
    assert stalled["status"] == "True"
    assert f"{charts}-moved" in stalled["message"]
    assert "Next: " in stalled["message"]
    assert conditions(mesh)["Reconciling"]["status"] == "False"
    assert status(mesh)["observedGeneration"] == mesh.get("smesh/default")["metadata"]["generation"]
    assert status(mesh)["revisions"][0]["available"]  # what is known stays
    mesh.patch("smesh/default", {"spec": {"artifacts": {"charts": charts}}})
    mesh.enable().must()
    assert conditions(mesh)["Stalled"]["status"] == "False"
    assert {"Stalled", "NotStalled"} <= {each["reason"] for each in events(mesh)}


def conditions(mesh: InMemory) -> dict[str, Obj]:
    return {each["type"]: each for each in status(mesh)["conditions"]}


def events(mesh: InMemory) -> list[Obj]:
    listed = mesh.get("events", "-n", "default")["items"]
    return [event for event in listed if event["regarding"]["kind"] == "ServiceMesh"]


def status(mesh: InMemory) -> Obj:
    return dict(mesh.get("smesh/default")["status"])
