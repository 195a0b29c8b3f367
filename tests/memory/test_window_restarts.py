"""The operator restarts what is outdated, inside the window chosen for it, at the pace of the resource."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from harness import CANARY, STABLE, deployment, eventually, namespace
from inmemory import InMemory, in_memory
from pilotage.domain.errors import Refused
from pilotage.edge.kube import Kube
from pilotage.edge.store import Store
from pilotage.faces.cli.session import Session
from pilotage.faces.operator.logs import Log
from pilotage.faces.operator.metrics import Metrics
from pilotage.faces.operator.proxyrestarts import ProxyRestarting
from pilotage.faces.operator.pulse import Pulse
from pilotage.faces.operator.report import Report

WINDOW = {"name": "proxies", "schedule": {"daily": {}}, "startTime": "02:00", "durationHours": 4}
OPEN, CLOSED = datetime(2026, 10, 20, 3, tzinfo=UTC), datetime(2026, 10, 20, 12, tzinfo=UTC)


MOVING = 2.0  # seconds until its next look while something is under way


class At(Session):
    """A session whose clock stands."""

    now = OPEN


@pytest.fixture(scope="module")
def both() -> Iterator[InMemory]:
    with in_memory() as made:
        made.enable().must()
        made.pilotage("upgrade", "start", "--revision", CANARY).must()
        yield made


@pytest.fixture
def mesh(both: InMemory) -> Iterator[InMemory]:
    """Three applications that are behind."""
    apps = [deployment("shop", name) for name in ("a", "b", "c")]
    both.apply(namespace("shop", rev=STABLE), *apps)
    both.patch("namespaces/shop", {"metadata": {"labels": {"istio.io/rev": CANARY}}})
    yield both
    both.strike(*apps)


@contextmanager
def restarting(mesh: InMemory, at: datetime = OPEN, **policy: Any) -> Iterator[ProxyRestarting]:
    given = {"mode": "InWindow", "window": "proxies", "parallel": 1, "pauseSeconds": 0} | policy
    mesh.patch("servicemeshes/default", {"spec": {"maintenanceWindows": [WINDOW], "proxyRestarts": given}})
    session = At()
    session.now = at  # type: ignore[misc]
    session.kubeconfig = str(mesh.kubeconfig)
    kube = Kube.connect(str(mesh.kubeconfig))
    store = Store(kube, lambda *_: None)
    try:
        yield ProxyRestarting(session, store, store.kube, Report(Log("json"), Metrics("0"), Pulse()))
    finally:
        store.close()


def moved(mesh: InMemory) -> int:
    return sum(revisions == {CANARY} for revisions in mesh.proxies("shop").values())


def test_workloads_are_restarted_one_by_one_while_the_window_is_open(mesh: InMemory) -> None:
    with restarting(mesh) as work:
        for done in (1, 2, 3):
            eventually("its watch has seen the one before", lambda at=done: work.turn() and moved(mesh) >= at)
            assert moved(mesh) == done
    assert mesh.pilotage("drift").code == 0


@pytest.mark.parametrize("policy", [{"at": CLOSED}, {"mode": "Never"}], ids=["the window is closed", "nobody asked"])
def test_nothing_is_restarted_where(mesh: InMemory, policy: dict[str, Any]) -> None:
    with restarting(mesh, **policy) as work:
        work.turn()
    assert moved(mesh) == 0


def test_several_at_a_time_where_the_pace_says_so(mesh: InMemory) -> None:
    with restarting(mesh, parallel=2) as work:
        work.turn()
    assert moved(mesh) == 2


def test_a_pause_is_kept_between_two(mesh: InMemory) -> None:
    with restarting(mesh, parallel=2, pauseSeconds=3600) as work:
        work.turn()
        work.turn()
    assert moved(mesh) == 1


def test_a_window_that_is_not_there_is_named(mesh: InMemory) -> None:
    with restarting(mesh, window="nights") as work, pytest.raises(Refused, match='no maintenance window "nights"'):
        work.turn()
    assert moved(mesh) == 0


def test_a_workload_is_restarted_once_in_an_opening_whatever_became_of_it(mesh: InMemory) -> None:
    with restarting(mesh, parallel=3) as work:
        work.turn()
        mesh.patch("namespaces/shop", {"metadata": {"labels": {"istio.io/rev": STABLE}}})
        eventually("its watch has seen that all are done", lambda: work.turn() > MOVING)
    assert moved(mesh) == 3
    assert mesh.pilotage("drift").code == 4


def test_what_cannot_be_tried_is_not_restarted(mesh: InMemory) -> None:
    meta = {"name": "full", "namespace": "shop"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": {"pods": "6"}}}
    mesh.apply(quota)
    with restarting(mesh) as work:
        work.turn()
    mesh.strike(quota)
    assert moved(mesh) == 0
