"""A store tells what lists would tell, waits for its own writes, and wakes the loop for what a rule could see."""

import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from living_api import Living
from loopback_api import Reply, serving, status

from harness import eventually
from pilotage.domain.catalog import Catalog
from pilotage.domain.errors import Denied, Retry
from pilotage.domain.mesh import ProfileName
from pilotage.domain.objects import ObjectRef
from pilotage.domain.profile import PROFILES
from pilotage.domain.state import Snapshot
from pilotage.edge.kube import Kube
from pilotage.edge.mesh import MESH as SMESH
from pilotage.edge.observe import ALL, Parts, observe
from pilotage.edge.reads import Source
from pilotage.edge.store import Store

MESH = "istio-system"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EMPTY = Catalog((), "none", complete_until=NOW.date())
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
        return observe(source, PROFILES[ProfileName.ISTIO], EMPTY, NOW, parts=parts, refs=refs)

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


def wakes(world: World, look: Callable[[], object], change: Callable[[], object]) -> bool:
    """Whether `change`, after `look`, has the loop look again. A bell that always does tells that it was seen."""
    bell = str(world.store.begin())
    look()
    world.names()
    change()
    world.api.put(SERVICES, f"bell-{bell}", MESH, labels=OURS)
    eventually("the bell rings", lambda: f"bell-{bell}" in world.names())
    return world.store.begin() - int(bell) > 1


def test_after_any_changes_the_store_tells_what_lists_tell(world: World) -> None:
    dice = random.Random(7)
    world.look(world.store)
    made: set[tuple[str, str, str]] = set()
    for _ in range(150):
        _change(world.api, dice, made)
    eventually("the store is where lists are", lambda: world.look(world.store) == world.look(world.kube))
    assert len(world.look(world.store).pods) > 5


def test_who_looks_now_and_then_holds_nobody_up_while_it_waits(world: World) -> None:
    over, seen = threading.Event(), list[Snapshot]()
    with world.store.aside().pools() as pools:
        for pool in pools:
            for _ in range(100):
                pool.submit(over.wait)
    try:
        threading.Thread(target=lambda: seen.append(world.look(world.store)), daemon=True).start()
        eventually("the loop has looked", lambda: seen)
    finally:
        over.set()


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


def test_what_may_not_be_read_is_unknown_as_in_lists_and_known_once_it_may(world: World) -> None:
    world.api.refused[PODS] = NO_PODS
    assert world.look(world.store).unknown == world.look(world.kube).unknown
    assert "pods" in world.look(world.store).unknown
    assert ("Pod", "jane may not list pods in the whole cluster") in world.said
    del world.api.refused[PODS]
    eventually("pods are known", lambda: "pods" not in world.look(world.store).unknown)
    assert ("Pod", "") in world.said


def test_what_may_no_longer_be_read_is_not_shown_as_it_was(world: World) -> None:
    world.api.put(PODS, "cart", "shop")
    assert [pod.name for pod in world.store.pods().pods] == ["cart"]
    world.api.refused[PODS] = NO_PODS
    world.api.put(PODS, "other", "shop")  # so that the watch under way looks up, and ends
    eventually("it is said", lambda: any(cause for collection, cause in world.said if collection == "Pod"))
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


def test_who_reads_when_it_is_closed_waits_for_nothing(world: World) -> None:
    world.store.close()
    with pytest.raises(Retry, match="stops"):
        world.names()


def test_a_change_wakes_the_loop(world: World) -> None:
    def change() -> None:
        world.api.put(SERVICES, "istiod", MESH, labels=OURS)

    assert wakes(world, world.names, change)


def test_the_loop_rests_until_what_it_read_changes(world: World) -> None:
    serial = world.store.begin()
    assert world.names() == []
    later = threading.Timer(0.2, lambda: world.api.put(SERVICES, "istiod", MESH, labels=OURS))
    later.start()
    world.store.rest(serial, 60)
    assert world.names() == ["istiod"]


def test_what_the_last_look_did_not_read_wakes_nobody(world: World) -> None:
    world.store.pods()
    assert not wakes(world, lambda: None, lambda: world.api.put(PODS, "cart", "shop"))
    assert wakes(world, world.store.pods, lambda: world.api.put(PODS, "till", "shop"))


def test_what_is_read_aside_wakes_nobody_and_is_followed_once(world: World) -> None:
    aside = world.store.aside()
    assert not wakes(world, aside.pods, lambda: world.api.put(PODS, "cart", "shop"))
    eventually("it is seen", lambda: aside.pods().pods)
    assert world.store.pods() == aside.pods()
    assert world.api.asked.count(PODS) == 1


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

    def look() -> list[dict[str, Any]]:
        return world.store.list(*kind)

    assert not wakes(world, look, lambda: world.api.put(collection, "istiod", MESH, **after))
    eventually("it is seen", lambda: after.items() <= look()[0].items())


@pytest.mark.parametrize(("after", "woken"), [({"stopped": "web is stuck"}, True), ({"behind": 3}, False)])
def test_restarts_that_stop_wake_the_loop_which_tells_it_and_their_progress_does_not(
    world: World, after: dict[str, Any], woken: bool
) -> None:
    meshes = "/apis/pilotage.dev/v1alpha1/servicemeshes"
    world.api.put(meshes, "default", "", status={"phase": "Settled"})

    def look() -> Any:
        return world.store.get(SMESH)

    told = {"phase": "Settled", "proxyRestarts": after}
    assert wakes(world, look, lambda: world.api.put(meshes, "default", "", status=told)) is woken


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


def test_the_kinds_that_are_served_are_asked_for_again_once_there_is_another_crd(world: World) -> None:
    for _ in range(3):
        assert world.store.resources("istio.io") == []
    assert world.api.asked.count("/apis") == 1
    world.api.put("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "gateways.networking.istio.io")
    eventually("they are asked for", lambda: world.store.resources("istio.io") or world.api.asked.count("/apis") == 2)


def test_a_kind_that_is_served_some_time_after_its_crd_is_known_soon(world: World, monkeypatch: Any) -> None:
    """An API server serves it when it has seen the CRD by itself."""
    monkeypatch.setattr("pilotage.edge.store.store._SOON", 0.1)
    world.api.put("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "gateways.networking.istio.io")
    assert world.store.resources("istio.io") == []
    version = "networking.istio.io/v1"
    world.api.refused[f"/apis/{version}"] = Reply({"resources": [{"name": "gateways", "kind": "Gateway"}]})
    world.api.groups = [{"name": "networking.istio.io", "versions": [{"groupVersion": version}]}]
    found = eventually("it is known", lambda: world.store.resources("istio.io"), patience=30)
    assert [kind for _, kind, _ in found] == ["Gateway"]
