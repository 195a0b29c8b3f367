"""The HPA rules by an operator as a process of its own, on the in-memory cluster: each change is carried or undone."""

from collections.abc import Iterator
from typing import Any

import pytest

from harness import CANARY, MESH, STABLE, eventually
from inmemory import InMemory, in_memory
from pilotage_memory.merge import merge_patch
from processes import started

OURS, THEIRS = f"istiod-{STABLE}", f"istiod-{CANARY}"


@pytest.fixture
def mesh() -> Iterator[InMemory]:
    """With an operator, a canary, and an autoscaler that was changed before it came."""
    with in_memory() as made, started(made, "operator", "--listen", "off"):
        made.enable().must()
        edit(made, OURS, "kubectl-edit", minReplicas=2, maxReplicas=7)
        made.pilotage("upgrade", "start", "--revision", CANARY).must()
        yield made


def edit(mesh: InMemory, name: str, manager: str, **spec: Any) -> None:
    found = mesh.get("hpa", name, "-n", MESH)
    mesh.world.store.update(merge_patch(found, {"spec": spec}), manager=manager)


def settings(mesh: InMemory, name: str) -> dict[str, Any]:
    spec = mesh.get("hpa", name, "-n", MESH)["spec"]
    return {key: value for key, value in spec.items() if key != "scaleTargetRef"}


def alike(mesh: InMemory, **spec: Any) -> None:
    """Both say this, and the same of all else."""

    def are() -> bool:
        if THEIRS not in mesh.names("hpa", MESH):
            return False
        ours, theirs = settings(mesh, OURS), settings(mesh, THEIRS)
        return ours == theirs and ours == ours | spec

    eventually(f"both autoscalers say {spec}", are)


def notes(mesh: InMemory, reason: str) -> list[str]:
    return [event["note"] for event in mesh.get("events", "-n", "default")["items"] if event["reason"] == reason]


def looked_again(mesh: InMemory) -> None:
    """The operator has mended something since."""
    service = mesh.get("services", f"istiod-{CANARY}", "-n", MESH)
    mesh.strike(service)
    eventually("it was mended", lambda: service["metadata"]["name"] in mesh.names("services", MESH))


def test_stable_decides_until_the_decision_and_then_the_survivor_keeps_its_own(mesh: InMemory) -> None:
    alike(mesh, minReplicas=2, maxReplicas=7)
    assert mesh.get("hpa", THEIRS, "-n", MESH)["spec"]["scaleTargetRef"]["name"] == THEIRS
    edit(mesh, OURS, "kubectl-edit", maxReplicas=8, behavior={"scaleDown": {"stabilizationWindowSeconds": 60}})
    alike(mesh, maxReplicas=8)
    edit(mesh, THEIRS, "k9s", maxReplicas=3)
    alike(mesh, maxReplicas=8)
    mesh.strike(mesh.get("hpa", THEIRS, "-n", MESH))
    alike(mesh, maxReplicas=8)
    for most in range(10, 14):  # both at once, again and again
        edit(mesh, THEIRS, f"k9s-{most}", maxReplicas=most - 6)
        edit(mesh, OURS, "kubectl-edit", maxReplicas=most)
    alike(mesh, maxReplicas=13)
    eventually("each was told", lambda: len(notes(mesh, "Followed")) >= 1 and len(notes(mesh, "PutBack")) >= 2)
    assert any("spec.maxReplicas 3 by k9s at " in note for note in notes(mesh, "PutBack"))
    assert len(notes(mesh, "Copied")) == 1  # at install, and again: the same told twice
    mesh.pilotage("upgrade", "complete", "--yes").must()
    edit(mesh, THEIRS, "k9s", maxReplicas=6)
    looked_again(mesh)
    assert settings(mesh, THEIRS) == settings(mesh, THEIRS) | {"maxReplicas": 6, "minReplicas": 2}


def test_a_manager_that_never_gives_up_is_named_and_put_back_later(mesh: InMemory) -> None:
    for most in range(10, 15):
        edit(mesh, THEIRS, "tuner", maxReplicas=most)
        alike(mesh, maxReplicas=7)
    edit(mesh, THEIRS, "tuner", maxReplicas=20)

    def contested() -> list[str]:
        found = mesh.get("servicemesh", "default")["status"]["conditions"]
        return [each["message"] for each in found if (each["type"], each["status"]) == ("HPAContested", "True")]

    eventually("it is contested", lambda: bool(contested()))
    assert contested()[0].startswith(f"tuner changed HorizontalPodAutoscaler {MESH}/{THEIRS} 5 times")
    assert settings(mesh, THEIRS)["maxReplicas"] == 20
    edit(mesh, OURS, "kubectl-edit", minReplicas=3)
    eventually("what is not contested follows", lambda: settings(mesh, THEIRS)["minReplicas"] == 3)
    assert "HPAContested" in mesh.pilotage("check").out


def test_without_an_operator_the_spec_is_copied_at_the_start_and_the_preflight_counts_with_it() -> None:
    with in_memory() as mesh:
        mesh.enable().must()
        edit(mesh, OURS, "kubectl-edit", minReplicas=3, maxReplicas=8)
        eventually("three istiods", lambda: len(mesh.get("pods", "-n", MESH)["items"]) == 3)
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "five", "namespace": MESH}}
        mesh.apply(quota | {"spec": {"hard": {"pods": "5"}}})  # the chart's own minimum of two would fit
        assert "QuotaShort" in mesh.pilotage("upgrade", "start", "--revision", CANARY).must(3).err
        mesh.strike(quota)
        mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
        alike(mesh, minReplicas=3, maxReplicas=8)
        assert "NoOperator" in mesh.pilotage("check").out


def test_a_contest_keeps_no_verb_waiting() -> None:
    with in_memory() as mesh:
        mesh.enable().must()
        mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
        found = mesh.get("hpa", THEIRS, "-n", MESH)
        note = {"pilotage.dev/put-back": '{"tuner":{"count":7,"last":"2099-01-01T00:00:00Z"}}'}
        mesh.world.store.update(merge_patch(found, {"metadata": {"annotations": note}}), manager="tuner")
        mesh.strike(mesh.get("services", THEIRS, "-n", MESH))
        mesh.pilotage("upgrade", "start", "--revision", CANARY, "--timeout", "2m").must()
        assert "HPAContested" in mesh.pilotage("check").out


def test_an_hpa_of_your_own_takes_over_the_replicas_and_they_are_not_written_again() -> None:
    values = {"pilot": {"autoscaleEnabled": False, "replicaCount": 3}}
    with in_memory() as mesh, started(mesh, "operator", "--listen", "off"):
        mesh.enable().must()
        mesh.patch("servicemesh/default", {"spec": {"values": values}})
        eventually(
            "three replicas", lambda: _deployment(mesh)["spec"].get("replicas") == 3 and not mesh.names("hpa", MESH)
        )
        seen: list[int] = []
        mesh.world.store.watch(lambda _, obj: seen.append(obj["spec"]["replicas"]) if _scaled(obj) else None)
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": OURS}
        meta = {"name": "mine", "namespace": MESH}
        mesh.apply(
            {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta}
            | {"spec": {"minReplicas": 3, "maxReplicas": 6, "scaleTargetRef": target}}
        )
        eventually("they are given away", lambda: "pilotage" not in _writers(mesh))
        assert min(seen) >= 3


def _scaled(obj: dict[str, Any]) -> bool:
    return bool(obj["kind"] == "Deployment" and obj["metadata"]["name"] == OURS)


def _deployment(mesh: InMemory) -> dict[str, Any]:
    return dict(mesh.get("deployments", OURS, "-n", MESH))


def _writers(mesh: InMemory) -> set[str]:
    """Field managers that hold the replicas."""
    entries = _deployment(mesh)["metadata"]["managedFields"]
    return {entry["manager"] for entry in entries if "f:replicas" in entry["fieldsV1"].get("f:spec", {})}
