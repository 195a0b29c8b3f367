"""The operator restarts what is outdated, inside the window chosen for it, at the pace of the resource."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness import CANARY, STABLE, Obj, deployment, eventually, namespace
from inmemory import InMemory
from pilotage.domain.errors import Refused
from pilotage.edge.kube import Kube
from pilotage.edge.mesh import MESH
from pilotage.edge.store import Store
from pilotage.faces.cli.session import Session
from pilotage.faces.operator.logs import Log
from pilotage.faces.operator.metrics import Metrics
from pilotage.faces.operator.proxyrestarts import ProxyRestarting
from pilotage.faces.operator.pulse import Pulse
from pilotage.faces.operator.report import Report
from pilotage_memory.cluster import memory_cluster
from pilotage_memory.faults import Fault
from pilotage_memory.world import World

WINDOW = {"name": "proxies", "schedule": {"daily": {}}, "startTime": "02:00", "durationHours": 4}
OPEN, CLOSED = datetime(2026, 10, 20, 3, tzinfo=UTC), datetime(2026, 10, 20, 12, tzinfo=UTC)


MOVING = 2.0  # seconds until its next look while something is under way


class At(Session):
    """A session whose clock stands, until it is set."""

    now: datetime = OPEN


class Work(ProxyRestarting):
    """With a clock to set."""

    clock: At

    def rests(self) -> None:
        """Turns until nothing is under way."""
        eventually("nothing is under way", lambda: self.turn() > MOVING)


class Mesh(InMemory):
    """With the requests that were made of it, as `GET /api/v1/pods`; those of watches left out."""

    asked: list[str]
    refuses = ""  # the end of a path that may not be written

    def hear(self, method: str, path: str, query: Mapping[str, str]) -> Fault | None:
        if "watch" not in query:
            self.asked.append(f"{method} {path}")
        refused = self.refuses and method == "PATCH" and path.endswith(self.refuses)
        return Fault(status=403) if refused else None

    @property
    def told(self) -> Obj:
        """What the status says of restarts."""
        found: Obj = self.get("servicemesh/default")["status"].get("proxyRestarts", {})
        return found

    def image(self, app: str, image: str) -> None:
        """A rollout of an application's own."""
        pods = {"containers": [{"name": app, "image": image}]}
        self.patch(f"deployments/{app}", {"spec": {"template": {"spec": pods}}}, "shop")


@pytest.fixture(scope="module")
def both() -> Iterator[Mesh]:
    world = World()
    with memory_cluster(world.store) as served:
        made = Mesh(world, served.kubeconfig)
        made.asked = []
        made.enable().must()
        made.pilotage("upgrade", "start", "--revision", CANARY).must()
        served.server.faults = made.hear
        yield made


@pytest.fixture
def mesh(both: Mesh) -> Iterator[Mesh]:
    """Three applications that are behind."""
    apps = [deployment("shop", name) for name in ("a", "b", "c")]
    both.apply(namespace("shop", rev=STABLE), *apps)
    both.patch("namespaces/shop", {"metadata": {"labels": {"istio.io/rev": CANARY}}})
    yield both
    both.strike(*apps)
    Kube.connect(str(both.kubeconfig)).patch(MESH, {"status": {"proxyRestarts": None}}, subresource="status")


@contextmanager
def restarting(mesh: Mesh, at: datetime = OPEN, **policy: Any) -> Iterator[Work]:
    given = {"mode": "InWindow", "window": "proxies", "parallel": 1, "pauseSeconds": 0} | policy
    mesh.patch("servicemeshes/default", {"spec": {"maintenanceWindows": [WINDOW], "proxyRestarts": given}})
    session = At()
    session.now = at
    session.kubeconfig = str(mesh.kubeconfig)
    kube = Kube.connect(str(mesh.kubeconfig))
    store = Store(kube, lambda *_: None)
    try:
        work = Work(session, store, store.kube, Report(Log("json"), Metrics("0"), Pulse()))
        work.clock = session
        yield work
    finally:
        store.close()


def up(found: Obj) -> bool:
    status = found["status"]
    return all(status.get(f"{which}eplicas") == 2 for which in ("updatedR", "readyR", "r"))


def moved(mesh: Mesh) -> int:
    return sum(revisions == {CANARY} for revisions in mesh.proxies("shop").values())


def test_workloads_are_restarted_one_by_one_while_the_window_is_open(mesh: Mesh) -> None:
    with restarting(mesh) as work:
        for done in (1, 2, 3):
            eventually("its watch has seen the one before", lambda at=done: work.turn() and moved(mesh) >= at)
            assert moved(mesh) == done
    assert mesh.pilotage("drift").code == 0


@pytest.mark.parametrize("policy", [{"at": CLOSED}, {"mode": "Never"}], ids=["the window is closed", "nobody asked"])
def test_nothing_is_restarted_where(mesh: Mesh, policy: dict[str, Any]) -> None:
    with restarting(mesh, **policy) as work:
        work.turn()
    assert moved(mesh) == 0


def test_several_at_a_time_where_the_pace_says_so(mesh: Mesh) -> None:
    with restarting(mesh, parallel=2) as work:
        work.turn()
    assert moved(mesh) == 2


def test_a_pause_is_kept_between_two(mesh: Mesh) -> None:
    with restarting(mesh, parallel=2, pauseSeconds=3600) as work:
        work.turn()
        work.turn()
    assert moved(mesh) == 1


def test_a_window_that_is_not_there_is_named(mesh: Mesh) -> None:
    with restarting(mesh, window="nights") as work, pytest.raises(Refused, match='no maintenance window "nights"'):
        work.turn()
    assert moved(mesh) == 0


def test_a_workload_is_restarted_once_in_an_opening_whatever_became_of_it(mesh: Mesh) -> None:
    with restarting(mesh, parallel=3) as work:
        work.turn()
        mesh.patch("namespaces/shop", {"metadata": {"labels": {"istio.io/rev": STABLE}}})
        eventually("its watch has seen that all are done", lambda: work.turn() > MOVING)
    assert moved(mesh) == 3
    assert mesh.pilotage("drift").code == 4


def test_what_cannot_be_tried_is_not_restarted(mesh: Mesh) -> None:
    meta = {"name": "full", "namespace": "shop"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": {"pods": "6"}}}
    mesh.apply(quota)
    with restarting(mesh) as work:
        work.turn()
    mesh.strike(quota)
    assert moved(mesh) == 0


def test_what_it_did_is_told_in_the_status_and_by_an_event_for_each(mesh: Mesh) -> None:
    with restarting(mesh) as work:
        work.turn()
        assert (mesh.told["behind"], mesh.told["window"], mesh.told["until"]) == (2, "proxies", "2026-10-20T06:00:00Z")
        assert [each["workload"] for each in mesh.told["underway"]] == ["Deployment shop/a"]
        work.rests()
    assert (mesh.told["restarted"], mesh.told.get("behind", 0), mesh.told.get("underway", [])) == (3, 0, [])
    events = [each for each in mesh.get("events", "-n", "default")["items"] if each["reason"] == "ProxyRestart"]
    assert {"a", "b", "c"} <= {each["related"]["name"] for each in events}
    assert all(f"its proxy is {STABLE} " in each["note"] and f"gives {CANARY} " in each["note"] for each in events)


def test_pods_are_followed_and_never_listed_again(mesh: Mesh) -> None:
    with restarting(mesh) as work:
        work.turn()
        mesh.asked.clear()
        work.rests()
    assert moved(mesh) == 3
    assert not [each for each in mesh.asked if each.startswith("GET") and each.endswith("/pods")]


def test_one_that_gets_stuck_stops_all_others_and_is_named_with_its_cause_until_it_is_mended(mesh: Mesh) -> None:
    with restarting(mesh, parallel=2) as work:
        work.turn()
        mesh.image("b", "example/app:2-neverready")
        eventually(
            "the other one is done", lambda: mesh.get("deployments/a", "-n", "shop")["status"].get("readyReplicas")
        )
        work.clock.now += timedelta(minutes=11)
        cause = "containers with unready status: [b]"
        eventually("its watch has seen why", lambda: work.turn() and cause in mesh.told.get("stopped", ""))
        assert mesh.told["stopped"].startswith("Deployment shop/b is stuck: ")
        assert [each["workload"] for each in mesh.told["underway"]] == ["Deployment shop/b"]
        assert mesh.proxies("shop")["c"] == {STABLE}
        found = {each["code"]: each["message"] for each in mesh.pilotage("check", "-o", "json").document["findings"]}
        assert found["ProxyRestartsStopped"] == mesh.told["stopped"]
        mesh.image("b", "example/app:2")
        eventually("the third follows", lambda: work.turn() and moved(mesh) == 3)
    assert "stopped" not in mesh.told


def test_what_is_stuck_in_one_opening_stops_the_next(mesh: Mesh) -> None:
    with restarting(mesh) as work:
        work.turn()
        mesh.image("a", "example/app:2-neverready")
        work.clock.now += timedelta(hours=12)
        work.turn()
        assert mesh.told["stopped"].startswith("Deployment shop/a is stuck")
        work.clock.now += timedelta(hours=12)
        work.turn()
        assert "Deployment shop/a is stuck" in mesh.told["stopped"]
        assert mesh.proxies("shop")["b"] == {STABLE}
        mesh.image("a", "example/app:2")
        eventually("the others follow", lambda: work.turn() and moved(mesh) == 3)


def test_what_is_under_way_is_told_of_after_its_window_and_no_other_is_begun(mesh: Mesh) -> None:
    with restarting(mesh) as work:
        work.turn()
        work.clock.now = CLOSED
        eventually("it is done", lambda: work.turn() and not mesh.told.get("underway"))
        work.turn()
    assert moved(mesh) == 1
    assert (mesh.told["restarted"], mesh.told["behind"]) == (1, 2)


def test_a_restart_that_would_go_below_a_disruption_budget_is_not_begun_and_named(mesh: Mesh) -> None:
    mesh.patch("deployments/a", {"spec": {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}}, "shop")
    spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "a"}}}
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "a", "namespace": "shop"}}
    mesh.apply(budget | {"spec": spec})
    with restarting(mesh) as work:
        work.turn()
        work.rests()
        assert {name for name, revisions in mesh.proxies("shop").items() if revisions == {CANARY}} == {"b", "c"}
        (held,) = mesh.told["heldBack"]
        assert held["workload"] == "Deployment shop/a"
        assert "may take away 1 of 2 Ready pods, and PodDisruptionBudget a asks for 2" in held["cause"]
        mesh.strike(budget)
        eventually("its watch has seen that the budget is gone", lambda: work.turn() and moved(mesh) == 3)


def test_one_that_may_not_be_written_is_named_and_the_others_are_restarted(mesh: Mesh) -> None:
    mesh.refuses = "/deployments/a"
    with restarting(mesh) as work:
        work.turn()
        work.rests()
    mesh.refuses = ""
    assert {name for name, revisions in mesh.proxies("shop").items() if revisions == {CANARY}} == {"b", "c"}
    (held,) = mesh.told["heldBack"]
    assert held["workload"] == "Deployment shop/a"
    assert "fault 403" in held["cause"]
    assert mesh.told["behind"] == 1


def test_two_that_share_a_disruption_budget_are_restarted_one_after_the_other(mesh: Mesh) -> None:
    for app in ("a", "b"):
        limits = {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}
        labels = {"template": {"metadata": {"labels": {"tier": "one"}}}}
        mesh.patch("namespaces/shop", {"metadata": {"labels": {"istio.io/rev": STABLE}}})
        mesh.patch(f"deployments/{app}", {"spec": limits | labels}, "shop")
    mesh.patch("namespaces/shop", {"metadata": {"labels": {"istio.io/rev": CANARY}}})
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"tier": "one"}}}
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "one", "namespace": "shop"},
    }
    mesh.apply(budget | {"spec": spec})
    eventually("all pods are up again", lambda: all(map(up, mesh.get("deployments", "-n", "shop")["items"])))
    with restarting(mesh, parallel=3) as work:
        work.turn()
        assert [each["workload"] for each in mesh.told["underway"]] == ["Deployment shop/a", "Deployment shop/c"]
        eventually("the other follows", lambda: work.turn() and moved(mesh) == 3)
    mesh.strike(budget)


def test_a_template_of_a_users_own_is_read_whole_from_its_namespace_alone(mesh: Mesh) -> None:
    own = {"metadata": {"annotations": {"inject.istio.io/templates": "sidecar,ours"}}}
    mesh.patch("deployments/a", {"spec": {"template": own}}, "shop")
    mesh.asked.clear()
    with restarting(mesh) as work:
        work.turn()
    assert "GET /api/v1/namespaces/shop/pods" in mesh.asked
    assert mesh.asked.count("GET /api/v1/pods") == 1  # before its watch


def test_who_ends_it_finds_nothing_told_any_more(mesh: Mesh) -> None:
    with restarting(mesh, window="nights") as work:
        with pytest.raises(Refused):
            work.turn()
        assert "nights" in mesh.told["stopped"]
    with restarting(mesh, mode="Never") as work:
        work.turn()
    assert not mesh.told
