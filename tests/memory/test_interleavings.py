"""An upgrade while the world takes its time, in orders of chance: what must never happen does not, at any moment.

The loop and the world take turns: a step of one, some ticks of the other. A pod is ready late, ends late, an istiod
fills its webhooks late, and all of that in another order for each seed.
"""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from invariants import calls_without_a_service, lost_proxies, more_than_two_revisions, refused_pods

from harness import CANARY, MESH, STABLE, TODAY, Obj, deployment, namespace
from inmemory import InMemory, in_memory
from pilotage.domain.actions import Plan, Wait
from pilotage.domain.errors import Retry
from pilotage.edge.catalog import packaged_catalog
from pilotage.edge.kube import Kube
from pilotage.reconcile import Reconciler
from pilotage_memory.controllers.loop import Pace

SPACE = "shop"
SEEDS = [0, 1, *(pytest.param(seed, marks=pytest.mark.e2e) for seed in range(2, 8))]
SLOW = {"ready": (0, 6), "end": (0, 6), "bundle": (0, 8)}


class Turns:
    """The loop on a slow mesh; `check` is called after every step and every tick."""

    def __init__(self, mesh: InMemory, seed: int) -> None:
        self.mesh, self._random = mesh, random.Random(seed)
        kube = Kube.connect(str(mesh.kubeconfig))
        self._loop = Reconciler(kube, packaged_catalog(), self._now)
        self.later = timedelta()  # that the loop has been asleep
        self.check: Callable[[], None] = lambda: None

    def until(self, phase: str) -> None:
        for _ in range(100):
            made = self._step()
            self.check()
            if made.phase == phase and not made.now and self.mesh.world.loop.quiet:
                return
            for _ in range(self._random.randint(0, 3)):
                self.mesh.world.loop.tick()
                self.check()
        raise AssertionError(f"{phase} was not reached: {made.phase}, waits for {made.waits}")

    def _now(self) -> datetime:
        """As the verbs have it."""
        return datetime.combine(date.fromisoformat(TODAY), datetime.now(UTC).timetz()) + self.later

    def _step(self) -> Plan:
        try:
            return self._loop.step()
        except Retry as later:
            return Plan("Retry", waits=(Wait("the API server", str(later)),))


@pytest.fixture(params=SEEDS)
def turns(request: pytest.FixtureRequest) -> Iterator[Turns]:
    """A mesh on the old revision, with applications in it, and both revisions asked for."""
    with in_memory(pace=Pace(request.param, SLOW)) as mesh:
        made = Turns(mesh, request.param)
        mesh.enable(STABLE, "--no-wait").must()
        made.until("Settled")
        mesh.apply(namespace(SPACE, rev=STABLE))
        mesh.world.loop.settle()
        mesh.apply(deployment(SPACE, "web", replicas=3))
        mesh.world.loop.settle()
        made.check = lambda: safe(mesh)
        mesh.pilotage("upgrade", "start", "--revision", CANARY, "--no-wait").must()
        made.until("Canary")
        yield made


def safe(mesh: InMemory) -> None:
    """What must hold of a mesh at rest or not: pods can start, and those that run have an istiod."""
    wrong = [*refused_pods(mesh, SPACE, STABLE, CANARY), *lost_proxies(mesh, SPACE)]
    assert not [*wrong, *calls_without_a_service(mesh.world.store), *more_than_two_revisions(mesh.world.store)]


def istiods(mesh: InMemory) -> list[Obj]:
    return [pod for pod in mesh.get("pods", "-n", MESH)["items"] if "deletionTimestamp" not in pod["metadata"]]


def test_a_mesh_moves_and_the_old_revision_goes_without_a_pod_that_could_not_start(turns: Turns) -> None:
    mesh = turns.mesh
    mesh.pilotage("namespace", "move", SPACE, "--to", CANARY).must()
    mesh.pilotage("restart", "--not-on", CANARY, "--no-wait").must()
    mesh.world.loop.settle()
    mesh.pilotage("upgrade", "complete", "--yes", "--no-wait").must()
    turns.until("Settled")
    assert mesh.proxies(SPACE) == {"web": {CANARY}}
    assert {pod["metadata"]["labels"]["istio.io/rev"] for pod in istiods(mesh)} == {CANARY}


def test_a_removal_that_is_written_by_hand_soaks_and_waits_for_proxies_that_are_still_moving(turns: Turns) -> None:
    mesh = turns.mesh
    mesh.pilotage("namespace", "move", SPACE, "--to", CANARY).must()
    mesh.pilotage("restart", "--not-on", CANARY, "--no-wait").must()
    mesh.patch("servicemesh/default", {"spec": {"revisions": [{"name": CANARY}]}})
    turns.until("RemovalSoaking")
    turns.later = timedelta(hours=2)
    turns.until("Settled")
    assert mesh.proxies(SPACE) == {"web": {CANARY}}


def test_a_canary_goes_again_without_a_trace(turns: Turns) -> None:
    mesh = turns.mesh
    mesh.pilotage("upgrade", "rollback", "--yes", "--no-wait").must()
    turns.until("Settled")
    assert mesh.proxies(SPACE) == {"web": {STABLE}}
    assert not {name for name in mesh.names("leases", MESH) if name.endswith(CANARY)}
