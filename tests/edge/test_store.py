"""A store tells what lists would tell, waits for its own writes, and wakes the loop for what a rule could see."""

import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from living_api import Living
from loopback_api import serving, status

from pilotage.domain.catalog import Catalog
from pilotage.domain.errors import Denied, Retry
from pilotage.domain.mesh import ProfileName
from pilotage.domain.objects import ObjectRef
from pilotage.domain.profile import PROFILES
from pilotage.domain.state import Snapshot
from pilotage.edge.kube import Kube
from pilotage.edge.observe import ALL, Parts, observe
from pilotage.edge.reads import Source
from pilotage.edge.store import Store

MESH = "istio-system"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SERVICES, PODS, HPAS = "/api/v1/services", "/api/v1/pods", "/apis/autoscaling/v2/horizontalpodautoscalers"
HOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
OURS = {"pilotage.dev/managed": "true"}
NO_PODS = status(403, "Forbidden", 'User "jane" cannot list resource "pods" in API group ""')


class World:
    """An API server, a client of it, and a store that follows it."""

    def __init__(self, living: Living, kube: Kube) -> None:
        self.api, self.kube = living, kube
        self.said: list[tuple[str, str]] = []
        self.store = Store(kube, lambda collection, cause: self.said.append((collection, cause)))

    def look(self, source: Kube | Source, parts: Parts = ALL, refs: tuple[ObjectRef, ...] = ()) -> Snapshot:
        return observe(source, PROFILES[ProfileName.ISTIO], Catalog((), "none"), NOW, parts=parts, refs=refs)

    def names(self) -> list[str]:
        return [obj["metadata"]["name"] for obj in self.store.list("v1", "Service", labels="pilotage.dev/managed=true")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    living = Living()
    with serving(living.respond) as api:
        made = World(living, api.connect(tmp_path))
        yield made
        made.store.close()
        living.close()


def service(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": MESH, "labels": OURS}}


def wakes(world: World, change: Callable[[], object]) -> bool:
    """Whether the loop would look again after `change`; a second change, which does wake, tells that it was seen."""
    before = world.store.serial
    change()
    world.api.put(SERVICES, "bell", MESH, labels=OURS, spec=world.store.serial)
    world.store.rest(before, 20)
    while not any(
        obj.get("spec") == before for obj in world.store.list("v1", "Service", labels="pilotage.dev/managed=true")
    ):
        world.store.rest(world.store.serial, 0.05)
    return world.store.serial - before > 1


def test_after_any_changes_the_store_tells_what_lists_tell(world: World) -> None:
    dice = random.Random(7)
    world.look(world.store)
    made: set[tuple[str, str, str]] = set()
    for _ in range(150):
        _change(world.api, dice, made)
    settled(world)
    assert world.look(world.store) == world.look(world.kube)
    assert len(world.look(world.store).pods) > 5


def _change(api: Living, dice: random.Random, made: set[tuple[str, str, str]]) -> None:
    collection = dice.choice([SERVICES, PODS, HPAS, HOOKS, "/api/v1/namespaces", "/apis/apps/v1/deployments"])
    namespace = "" if collection in (HOOKS, "/api/v1/namespaces") else dice.choice([MESH, "shop", "shop-a"])
    place = (collection, f"o{dice.randrange(12)}", namespace)
    if place in made and dice.random() < 0.4:
        made.discard(place)
        api.remove(*place)
        return
    made.add(place)
    labels = dice.choice([{}, OURS, {"app": "istiod"}])
    spec: dict[str, Any] = {"template": {"spec": {"containers": []}}, "containers": [], "replicas": dice.randrange(4)}
    # Labels stay: what a selector's watch is told where they change is the API server's part.
    before = api.get(collection, place[1], namespace)
    api.put(*place, labels=before["metadata"]["labels"] if before else labels, spec=spec, webhooks=[])


def settled(world: World) -> None:
    """Awaits that the store has seen the last change of each kind."""
    for _ in range(100):
        if world.look(world.store) == world.look(world.kube):
            return
        world.store.rest(world.store.serial, 0.05)


def test_what_may_not_be_read_is_unknown_as_in_lists_and_known_once_it_may(world: World) -> None:
    world.api.refused[PODS] = NO_PODS
    assert world.look(world.store).unknown == world.look(world.kube).unknown
    assert "pods" in world.look(world.store).unknown
    assert ("Pod", "jane may not list pods in the whole cluster") in world.said
    del world.api.refused[PODS]
    while "pods" in world.look(world.store).unknown:
        world.store.rest(world.store.serial, 20)
    assert ("Pod", "") in world.said


def test_what_may_no_longer_be_read_is_not_shown_as_it_was(world: World) -> None:
    world.api.put(PODS, "cart", "shop")
    assert [pod.name for pod in world.store.pods().pods] == ["cart"]
    serial = world.store.serial
    world.api.refused[PODS] = NO_PODS
    world.api.put(PODS, "other", "shop")  # so that the watch under way looks up, and ends
    while not any(cause for collection, cause in world.said if collection == "Pod"):
        world.store.rest(serial, 0.05)
    with pytest.raises(Denied):
        world.store.pods()


def test_what_we_wrote_is_seen_however_late_the_watch_tells_it(world: World) -> None:
    assert world.names() == []
    world.api.held_back = True
    world.store.kube.apply(service("istiod"), "pilotage")
    later = threading.Timer(0.3, world.api.let_go)
    later.start()
    assert world.names() == ["istiod"]
    later.join()


def test_what_we_deleted_is_gone_however_late_the_watch_tells_it(world: World) -> None:
    world.api.put(SERVICES, "istiod", MESH, labels=OURS)
    assert world.names() == ["istiod"]
    world.api.held_back = True
    world.store.kube.delete(ObjectRef("v1", "Service", MESH, "istiod"))
    later = threading.Timer(0.3, world.api.let_go)
    later.start()
    assert world.names() == []
    later.join()


def test_a_watch_that_does_not_show_what_we_wrote_is_not_planned_on(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr("pilotage.edge.store.informer._PATIENCE", 0.1)
    assert world.names() == []
    world.api.held_back = True
    world.store.kube.apply(service("istiod"), "pilotage")
    with pytest.raises(Retry, match="does not show istiod"):
        world.names()
    world.api.let_go()
    assert world.names() == ["istiod"]


def test_a_dry_run_is_not_waited_for(world: World) -> None:
    assert world.names() == []
    world.api.held_back = True
    world.store.kube.apply(service("istiod"), "pilotage", dry_run=True)
    assert world.names() == []


def test_a_change_wakes_the_loop(world: World) -> None:
    world.look(world.store)
    assert wakes(world, lambda: world.api.put(SERVICES, "istiod", MESH, labels=OURS))


@pytest.mark.parametrize(
    ("collection", "kind", "before", "after"),
    [
        (HPAS, ("autoscaling/v2", "HorizontalPodAutoscaler"), {"status": 1}, {"status": 2}),
        ("/apis/coordination.k8s.io/v1/leases", ("coordination.k8s.io/v1", "Lease"), {"spec": 1}, {"spec": 2}),
        ("/api/v1/configmaps", ("v1", "ConfigMap"), {"data": 1}, {"data": 1}),
    ],
    ids=["metrics-of-an-autoscaler", "a-renewed-lease", "a-write-that-changes-nothing"],
)
def test_what_no_rule_could_see_wakes_nobody(
    world: World, collection: str, kind: tuple[str, str], before: Any, after: Any
) -> None:
    world.api.put(collection, "istiod", MESH, **before)
    world.store.list(*kind)
    world.names()
    assert not wakes(world, lambda: world.api.put(collection, "istiod", MESH, **after))
    [kept] = world.store.list(*kind)
    assert after.items() <= kept.items()


def test_what_is_not_asked_for_is_not_followed(world: World) -> None:
    world.look(world.store, frozenset({"namespaces"}))
    assert world.api.asked == ["/api/v1/namespaces"]


def test_a_webhook_is_found_by_name_and_by_label_in_one_list(world: World) -> None:
    world.api.put(HOOKS, "ours", labels=OURS)
    world.api.put(HOOKS, "theirs")
    kind = ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")
    assert len(world.store.list(*kind)) == 2
    [found] = world.store.list(*kind, labels="pilotage.dev/managed=true")
    assert world.store.get(ObjectRef(*kind, "", "ours")) == found
    assert world.store.get(ObjectRef(*kind, "", "absent")) is None
    assert world.api.asked == [HOOKS]
