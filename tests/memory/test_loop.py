"""Time in the in-memory cluster is an input: the same seed gives the same world, and another one another way to it."""

from datetime import UTC, datetime

from small_mesh import begin, mesh

from harness import deployment, namespace
from pilotage_memory.controllers.loop import Pace
from pilotage_memory.world import World

SLOW = {"ready": (0, 5), "end": (0, 5), "bundle": (0, 5)}


def history(seed: int) -> list[tuple[str, str, str]]:
    """All that happened in a world, in order."""
    world = World(pace=Pace(seed, SLOW), clock=lambda: datetime(2026, 10, 20, tzinfo=UTC))
    told: list[tuple[str, str, str]] = []
    world.store.watch(lambda event, obj: told.append((event, obj["kind"], obj["metadata"]["name"])))
    begin(world, mesh("old"), [namespace("shop", rev="old"), deployment("shop", "web", replicas=3)])
    return told


def test_the_same_seed_gives_the_same_world_step_by_step() -> None:
    assert history(1) == history(1)


def test_another_seed_takes_another_way() -> None:
    assert len({tuple(history(seed)) for seed in range(5)}) > 1


def test_nothing_happens_before_time_passes() -> None:
    world = World(pace=Pace(1, {"ready": (3, 3)}))
    world.store.create(namespace("shop"))
    world.loop.settle()
    world.store.create(deployment("shop", "web", replicas=1))
    assert world.store.list("", "pods") == []
    world.loop.tick(4)
    (pod,) = world.store.list("", "pods")
    assert pod["status"]["phase"] == "Pending"
    world.loop.settle()
    (pod,) = world.store.list("", "pods")
    assert pod["status"]["phase"] == "Running"


def test_an_image_that_is_slow_to_come_takes_a_tick_for_each_of_its_seconds() -> None:
    world = begin(World(pace=Pace(1, {"pull": (1, 1)})), namespace("shop"))
    world.store.create(deployment("shop", "web", replicas=1, image="example/app:1-slow9"))
    world.loop.tick(9)
    (pod,) = world.store.list("", "pods")
    assert pod["status"]["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    world.loop.settle()
    (pod,) = world.store.list("", "pods")
    assert pod["status"]["phase"] == "Running"
