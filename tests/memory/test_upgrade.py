"""The guide's upgrade by the real command line on the in-memory cluster: with tags and without, either way it ends."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from harness import CANARY, MESH, STABLE, deployment, eventually, namespace
from inmemory import InMemory, in_memory, passing
from pilotage.edge.catalog import packaged_catalog
from pilotage.edge.kube import Kube
from pilotage.reconcile import Reconciler, pause_after
from pilotage_memory.controllers.loop import Pace

SPACE, TAG = "shop", "prod-stable"
WAYS = [(tags, verb) for tags in (True, False) for verb in ("complete", "rollback")]


@pytest.fixture
def mesh() -> Iterator[InMemory]:
    """A mesh on the old revision, with applications in it."""
    with in_memory() as made:
        made.enable().must()
        made.apply(namespace(SPACE, rev=STABLE), deployment(SPACE, "web"), deployment(SPACE, "cart"))
        yield made


def named(way: tuple[bool, str]) -> str:
    return f"{'with' if way[0] else 'without'}-tags-{way[1]}"


@pytest.mark.parametrize("way", WAYS, ids=named)
def test_the_guide_works(mesh: InMemory, way: tuple[bool, str]) -> None:
    tags, verb = way
    keep, gone = (CANARY, STABLE) if verb == "complete" else (STABLE, CANARY)
    if tags:
        mesh.pilotage("tag", "set", TAG, "--revision", STABLE, "-y").must()
        mesh.pilotage("namespace", "move", SPACE, "--to", TAG).must()
    assert mesh.pilotage("get-upgrades", "-o", "json").must().document["upgrades"] == [CANARY]
    started = mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    assert (started.out + started.err).count(f"support of {STABLE}") == 1
    assert mesh.proxies(SPACE) == {"web": {STABLE}, "cart": {STABLE}}
    move(mesh, CANARY, tags)
    assert mesh.proxies(SPACE) == {"web": {STABLE}, "cart": {STABLE}}
    mesh.pilotage("restart", "--not-on", CANARY).must()
    mesh.apply(deployment(SPACE, "late", replicas=1))
    assert mesh.proxies(SPACE) == {"web": {CANARY}, "cart": {CANARY}, "late": {CANARY}}
    mesh.pilotage("upgrade", "rollback", "--yes").must(3)
    if verb == "rollback":
        move(mesh, STABLE, tags)
        mesh.pilotage("restart", "--not-on", STABLE).must()
    said = mesh.pilotage("upgrade", verb, "--yes").must().err
    assert f"support of {gone}" not in said.partition("Settled")[2]
    expect_one(mesh, keep, gone)
    assert mesh.proxies(SPACE) == {name: {keep} for name in ("web", "cart", "late")}


def test_a_mesh_that_nothing_is_in_any_more_is_disabled_and_leaves_nothing_of_itself(mesh: InMemory) -> None:
    mesh.pilotage("disable", "--yes").must(3)
    mesh.patch(f"namespace/{SPACE}", {"metadata": {"labels": {"istio.io/rev": None}}})
    mesh.pilotage("restart", "--all").must()
    mesh.pilotage("disable", "--yes").must()
    for kind in ("deployments", "services", "horizontalpodautoscalers", "pods"):
        assert not mesh.names(kind, MESH), kind
    for kind in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        assert not mesh.names(kind), kind
    mesh.apply(deployment(SPACE, "late"))
    assert mesh.proxies(SPACE)["late"] == {""}


@pytest.mark.parametrize("verb", ["status", "tag list", "get-upgrades", "check"])
def test_a_namespace_without_istiod_is_not_taken_for_that_of_the_mesh(mesh: InMemory, verb: str) -> None:
    refused = mesh.pilotage(*verb.split(), "-i", "istio-system").must(3)
    assert f"no istiod is in namespace istio-system, only in {MESH}" in refused.err
    assert mesh.pilotage(*verb.split(), "-i", MESH).must().out == mesh.pilotage(*verb.split()).must().out


def test_a_disabled_mesh_may_be_enabled_with_another_revision_but_keeps_its_names() -> None:
    with in_memory() as mesh:
        mesh.enable().must()
        mesh.pilotage("disable", "--yes").must()
        refused = mesh.pilotage("enable", "--revision", "1-31", "--profile", "istio").must(3)
        assert "kubectl delete servicemesh default" in refused.err
        mesh.pilotage("enable", "--revision", CANARY).must()
        assert [each["name"] for each in mesh.get("servicemesh/default")["spec"]["revisions"]] == [CANARY]
        assert mesh.names("deployments", MESH) == {f"istiod-{CANARY}"}


def test_a_mesh_that_is_still_being_removed_is_not_enabled_with_another_revision(mesh: InMemory) -> None:
    mesh.patch("servicemesh/default", {"spec": {"mode": "Disabled"}})
    refused = mesh.pilotage("enable", "--revision", CANARY).must(3)
    assert f"{STABLE} is still being removed" in refused.err
    mesh.pilotage("enable", "--revision", STABLE).must()
    assert mesh.get("servicemesh/default")["spec"]["mode"] == "Istio"


def test_a_mesh_with_a_tag_that_helm_keeps_is_not_disabled_by_halves(mesh: InMemory) -> None:
    mesh.pilotage("tag", "set", TAG, "--revision", STABLE, "-y").must()
    mesh.patch(f"namespace/{SPACE}", {"metadata": {"labels": {"istio.io/rev": None}}})
    mesh.pilotage("restart", "--all").must()
    helm = {"metadata": {"annotations": {"meta.helm.sh/release-name": "tags"}}}
    mesh.patch(f"mutatingwebhookconfiguration/istio-revision-tag-{TAG}-{MESH}", helm)
    refused = mesh.pilotage("disable", "--yes").must(3)
    assert "is kept by Helm" in refused.err
    assert mesh.get("servicemesh/default")["spec"].get("mode", "Istio") == "Istio"


def test_a_verb_that_writes_is_refused_in_a_namespace_that_is_not_the_meshs(mesh: InMemory) -> None:
    refused = mesh.pilotage("-i", "istio-system", "upgrade", "start", "--revision", CANARY).must(3)
    assert f"is in {MESH}, not in istio-system" in refused.err
    assert mesh.names("deployments", MESH) == {f"istiod-{STABLE}"}


def test_charts_beside_the_user_are_found_from_every_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    with in_memory() as mesh:
        charts = mesh.assets["charts"]
        monkeypatch.chdir(charts.parent)
        mesh.pilotage("enable", "--revision", STABLE, "--profile", "aks", "--charts", charts.name).must()
        monkeypatch.chdir("/")
        assert mesh.get("servicemesh/default")["spec"]["artifacts"]["charts"] == str(charts)
        mesh.pilotage("upgrade", "start", "--revision", CANARY, "--dry-run").must()


def test_who_follows_a_plan_that_nobody_carries_out_yet_looks_no_less_often(mesh: InMemory) -> None:
    entries = [{"name": STABLE}, {"name": CANARY}]
    mesh.patch("servicemesh/default", {"spec": {"revisions": entries}})
    loop = Reconciler(
        Kube.connect(str(mesh.kubeconfig)), packaged_catalog(), lambda: datetime(2026, 10, 20, tzinfo=UTC)
    )
    loop.follow = True
    plans = [loop.step() for _ in range(4)]
    assert all(made.now for made in plans)
    assert pause_after(loop, plans[-1], 0.5) == 0.5


def test_a_canary_that_crashes_is_named_and_rolled_back(mesh: InMemory) -> None:
    values = {"spec": {"revisions": [{"name": STABLE}, {"name": CANARY, "values": {"tag": "1.31.1-crash"}}]}}
    mesh.patch("servicemesh/default", values)
    started = mesh.pilotage("upgrade", "start", "--revision", CANARY, "--timeout", "8s").must(1)
    assert "CrashLoopBackOff" in started.err
    assert "Next: pilotage status" in started.err
    mesh.pilotage("upgrade", "rollback", "--yes").must()
    expect_one(mesh, STABLE, CANARY)


@pytest.mark.parametrize("seed", range(3))
def test_verbs_wait_for_a_world_that_takes_its_time(seed: int) -> None:
    slow = Pace(seed, {"ready": (0, 15), "end": (0, 15), "bundle": (0, 15)})
    with in_memory(pace=slow) as mesh, passing(mesh):
        mesh.enable().must()
        mesh.apply(namespace(SPACE, rev=STABLE))
        mesh.apply(deployment(SPACE, "web"))
        eventually("it runs", lambda: mesh.proxies(SPACE) == {"web": {STABLE}})
        mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
        move(mesh, CANARY, tags=False)
        mesh.pilotage("restart", "--not-on", CANARY).must()
        mesh.pilotage("upgrade", "complete", "--yes").must()
        assert mesh.proxies(SPACE) == {"web": {CANARY}}
        expect_one(mesh, CANARY, STABLE)


def move(mesh: InMemory, revision: str, tags: bool) -> None:
    if tags:
        mesh.pilotage("tag", "set", TAG, "--revision", revision, "--overwrite", "-y").must()
    else:
        mesh.pilotage("namespace", "move", SPACE, "--to", revision).must()


def expect_one(mesh: InMemory, keep: str, gone: str) -> None:
    """One control plane, whole; nothing of the other, and nothing that points at it."""
    assert {pod["metadata"]["labels"]["istio.io/rev"] for pod in mesh.get("pods", "-n", MESH)["items"]} == {keep}
    for kind in ("deployments", "services", "configmaps", "serviceaccounts", "hpa", "pdb", "roles", "leases"):
        assert not {name for name in mesh.names(kind, MESH) if name.endswith(gone)}, kind
    for kind in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        for config in mesh.get(kind)["items"]:
            for webhook in config["webhooks"]:
                client = webhook["clientConfig"]
                assert (client["service"]["name"], bool(client.get("caBundle"))) == (f"istiod-{keep}", True)
    assert [row["name"] for row in mesh.pilotage("status", "-o", "json").must().document["revisions"]] == [keep]
