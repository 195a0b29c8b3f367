"""Patches in place with real istiods: one goes back by itself, and is taken once it can be ready. Proxies follow."""

from pathlib import Path

import pytest

from harness import STABLE, Cluster, Obj, eventually, sandbox
from patchcharts import charts_in, mend
from standing import operator
from windowed import applications, restarts_in_their_window

pytestmark = pytest.mark.e2e

SPACE = "aks-istio-system"


def test_a_patch_that_is_not_ready_goes_back_inside_its_window_and_is_taken_when_asked_for(tmp_path: Path) -> None:
    with sandbox("patches") as mesh:
        charts = charts_in(tmp_path, range(4, 6), broken=5)
        mesh.pilotage("enable", "-r", STABLE, "--version", "1.30.4", "--profile", "aks", "--charts", charts).must()
        applications(mesh)
        always = ("--schedule-type", "Daily", "--start-time", "00:00", "--duration", "24")
        mesh.pilotage("maintenance", "set", *always).must()
        free = {"revisions": [{"name": STABLE}], "patches": {"timeout": "15s"}}
        mesh.patch("servicemesh/default", {"spec": free})
        with operator(mesh, tmp_path / "operator.log"):
            eventually("it went back", lambda: failed(mesh))
            eventually("all is as before", lambda: status(mesh)["phase"] == "Settled" and images(mesh) == {"1.30.4"})
            assert tried(mesh) == {"1.30.4", "1.30.5-neverready"}
            assert "PatchFailed" in mesh.pilotage("check", "-o", "json").out
        mend(tmp_path, 5)
        mesh.patch("servicemesh/default", {"spec": {"patches": {"timeout": "5m"}}})
        mesh.pilotage("patch", "start", "--yes", "--local").must()
        assert images(mesh) == {"1.30.5"}
        assert "patch" not in status(mesh)
        restarts_in_their_window(mesh, tmp_path / "restarts.log")


def status(mesh: Cluster) -> Obj:
    found: Obj = mesh.get("servicemesh/default")["status"]
    return found


def failed(mesh: Cluster) -> bool:
    """Looked at all the time: an istiod is available at every look."""
    assert int(istiod(mesh)["status"].get("availableReplicas", 0)) >= 1
    return bool(status(mesh).get("patch", {}).get("failed"))


def istiod(mesh: Cluster) -> Obj:
    found: Obj = mesh.get("deployment", f"istiod-{STABLE}", "-n", SPACE)
    return found


def images(mesh: Cluster) -> set[str]:
    """Tags of the istiod pods that are there."""
    pods = mesh.get("pods", "-n", SPACE, "-l", "app=istiod")["items"]
    return {tag(pod["spec"]) for pod in pods if "deletionTimestamp" not in pod["metadata"]}


def tried(mesh: Cluster) -> set[str]:
    """Tags that its Deployment has had."""
    sets = mesh.get("replicasets", "-n", SPACE, "-l", "app=istiod")["items"]
    return {tag(each["spec"]["template"]["spec"]) for each in sets}


def tag(spec: Obj) -> str:
    return str(spec["containers"][0]["image"]).rpartition(":")[2]
