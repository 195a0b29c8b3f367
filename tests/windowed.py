"""A patch left proxies behind, and an operator restarts them in their window: the same on any cluster.

Called by the scenario in memory and by e2e. The mesh has a patch in place to take; `applications` come before it.
"""

from pathlib import Path
from typing import Final

from harness import STABLE, Cluster, Obj, deployment, eventually, namespace
from standing import operator

SPACE: Final = "shop"
_OPEN: Final = {"name": "proxies", "schedule": {"daily": {}}, "startTime": "00:00", "durationHours": 24}
_CLOSED: Final = _OPEN | {"startDate": "2099-01-01"}
_ONE_BY_ONE: Final = {"mode": "InWindow", "window": "proxies", "parallel": 1}


def applications(mesh: Cluster) -> None:
    """a and b may be restarted; c may not lose a pod, one has an image of its own, one wants no proxy."""
    held = deployment(SPACE, "c")
    held["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    pinned, out = deployment(SPACE, "pinned"), deployment(SPACE, "out")
    own = {"sidecar.istio.io/proxyImage": "example/mine:1"}
    pinned["spec"]["template"]["metadata"]["annotations"] = own
    out["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] = "false"
    budget = {"minAvailable": 2, "selector": {"matchLabels": {"app": "c"}}}
    mesh.apply(namespace(SPACE, rev=STABLE), _budget(budget))
    mesh.apply(deployment(SPACE, "a"), deployment(SPACE, "b"), held, pinned, out)
    eventually("all are ready", lambda: all(map(_ready, mesh.get("deployments", "-n", SPACE)["items"])))


def restarts_in_their_window(mesh: Cluster, log: Path) -> None:
    """Exactly what is behind, one by one, within budgets; none once the window is closed."""
    before = _pods(mesh)
    _needs(mesh, "a", cpu="10000")  # its new pods find no room
    _window(mesh, _OPEN)
    with operator(mesh, log):
        eventually("the first is under way", lambda: _underway(mesh) == ["Deployment shop/a"])
        _window(mesh, _CLOSED)
        _needs(mesh, "a", cpu="1m")
        eventually("it is done, although its window is closed", lambda: _done(mesh) == 1)
        assert _changed(mesh, before) == {"a"}
        _window(mesh, _OPEN)
        eventually("the second is done", lambda: _done(mesh) == 2)
        eventually("c is held back", lambda: _held_back(mesh) == ["Deployment shop/c"])
    assert _changed(mesh, before) == {"a", "b"}
    events = mesh.get("events", "-n", "default")["items"]
    assert {each["related"]["name"] for each in events if each["reason"] == "ProxyRestart"} == {"a", "b"}


def _window(mesh: Cluster, window: Obj) -> None:
    mesh.patch("servicemesh/default", {"spec": {"maintenanceWindows": [window], "proxyRestarts": _ONE_BY_ONE}})


def _needs(mesh: Cluster, app: str, cpu: str) -> None:
    containers = [{"name": app, "image": "example/app:1", "resources": {"requests": {"cpu": cpu}}}]
    mesh.patch(f"deployment/{app}", {"spec": {"template": {"spec": {"containers": containers}}}}, SPACE)


def _told(mesh: Cluster) -> Obj:
    found: Obj = mesh.get("servicemesh/default")["status"].get("proxyRestarts", {})
    return found


def _underway(mesh: Cluster) -> list[str]:
    """One at most, whenever it is looked at."""
    found = [each["workload"] for each in _told(mesh).get("underway", [])]
    assert len(found) <= 1
    return found


def _held_back(mesh: Cluster) -> list[str]:
    return [each["workload"] for each in _told(mesh).get("heldBack", [])]


def _done(mesh: Cluster) -> int:
    return 0 if _underway(mesh) else int(_told(mesh).get("restarted", 0))


def _pods(mesh: Cluster) -> set[str]:
    pods = mesh.get("pods", "-n", SPACE)["items"]
    return {pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}


def _changed(mesh: Cluster, before: set[str]) -> set[str]:
    """Applications of which pods were replaced."""
    return {name.partition("-")[0] for name in before ^ _pods(mesh)}


def _ready(found: Obj) -> bool:
    return bool(found.get("status", {}).get("readyReplicas") == found["spec"]["replicas"])


def _budget(spec: Obj) -> Obj:
    meta = {"name": "c", "namespace": SPACE}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec}
