"""`drift` and `restart --outdated` by the real command line: tags, native sidecars, overrides, lists that expire."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness import CANARY, MESH, STABLE, Obj, Result, deployment, namespace
from inmemory import InMemory
from pilotage_memory.cluster import memory_cluster
from pilotage_memory.faults import Fault
from pilotage_memory.world import World

IMAGE = "mcr.microsoft.com/oss/istio/proxyv2"
OLD, NEW = f"{IMAGE}:1.30.5-distroless", f"{IMAGE}:1.31.1-distroless"


class Mesh(InMemory):
    """Two revisions; each test has a namespace of its own."""

    faults: Any

    def drift(self, *words: str) -> Result:
        return self.pilotage("drift", *words)

    def rows(self, space: str, *words: str) -> dict[str, Any]:
        """workload -> row."""
        document = self.drift("-n", space, "-o", "json", *words).document
        return {row["workload"]: row for row in document["proxies"]}


@pytest.fixture(scope="module")
def both() -> Iterator[Mesh]:
    world = World()
    with memory_cluster(world.store) as served:
        mesh = Mesh(world, served.kubeconfig)
        mesh.enable().must()
        mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
        mesh.faults = served.server
        yield mesh


@pytest.fixture
def mesh(both: Mesh) -> Iterator[Mesh]:
    yield both
    both.faults.faults = lambda *_: None


def app(space: str, name: str, annotations: Mapping[str, str] | None = None, **labels: str) -> Obj:
    made = deployment(space, name, replicas=2)
    meta = made["spec"]["template"]["metadata"]
    meta["annotations"] = dict(annotations or {})
    meta["labels"] |= labels
    return made


def move(mesh: Mesh, space: str, rev: str) -> None:
    mesh.patch(f"namespaces/{space}", {"metadata": {"labels": {"istio.io/rev": rev}}})


def test_what_is_behind_is_restarted_by_name_and_then_nothing_is(mesh: Mesh) -> None:
    mesh.pilotage("tag", "set", "prod", "--revision", STABLE, "-y").must()
    mesh.apply(namespace("shop", rev="prod"), app("shop", "web"), app("shop", "cart"))
    assert mesh.drift("-n", "shop").must().out.count("Current") == 2
    mesh.pilotage("tag", "set", "prod", "--revision", CANARY, "--overwrite", "-y").must()
    mesh.pilotage("restart", "deploy/cart", "-n", "shop").must()
    told = mesh.drift("-n", "shop", "-o", "json")
    assert told.code == 4
    rows = {row["workload"]: row for row in told.document["proxies"]}
    assert (rows["web"]["state"], rows["web"]["image"], rows["web"]["expected"]["image"]) == ("Behind", OLD, NEW)
    assert (rows["cart"]["state"], rows["cart"]["knownBy"]) == ("Current", "dry-run")
    assert mesh.pilotage("restart", "--outdated", "-n", "shop").must().out.splitlines() == ["1 workload restarted."]
    assert mesh.proxies("shop") == {"web": {CANARY}, "cart": {CANARY}}
    assert mesh.drift("-n", "shop").code == 0
    assert "Nothing was restarted" in mesh.pilotage("restart", "--outdated", "-n", "shop").must().out


def test_targets_are_those_of_both_revisions_tried_by_dry_run(mesh: Mesh) -> None:
    document = mesh.drift("-n", "default", "-o", "json").must().document
    told = {row["revision"]: (row["version"], row["image"], row["knownBy"]) for row in document["targets"]}
    assert told == {STABLE: ("1.30.5", OLD, "dry-run"), CANARY: ("1.31.1", NEW, "dry-run")}


def test_native_sidecars_and_overrides_are_told_as_they_are(mesh: Mesh) -> None:
    own = app("odd", "own")
    own["spec"]["template"]["spec"]["containers"].append({"name": "istio-proxy", "image": "example/own:3"})
    gateway = app("odd", "gateway", {"inject.istio.io/templates": "gateway"})
    gateway["spec"]["template"]["spec"]["containers"] = [{"name": "istio-proxy", "image": "auto"}]
    mesh.apply(
        namespace("odd", rev=STABLE),
        app("odd", "native", {"sidecar.istio.io/nativeSidecar": "true"}),
        app("odd", "pinned", {"sidecar.istio.io/proxyImage": "example/mine:1"}),
        app("odd", "out", None, **{"sidecar.istio.io/inject": "false"}),
        own,
        gateway,
    )
    states = {name: row["state"] for name, row in mesh.rows("odd").items()}
    assert states == {"native": "Current", "pinned": "Pinned", "out": "OptedOut", "own": "Pinned", "gateway": "Current"}
    move(mesh, "odd", CANARY)
    rows = mesh.rows("odd")
    assert {name for name, row in rows.items() if row["state"] == "Behind"} == {"native", "pinned", "own", "gateway"}
    assert rows["native"]["native"]
    assert (rows["gateway"]["image"], rows["gateway"]["expected"]["image"]) == (OLD, NEW)
    assert (rows["own"]["expected"]["image"], rows["own"]["override"]) == ("example/own:3", "container")


def test_filters_leave_out_the_rest(mesh: Mesh) -> None:
    mesh.apply(namespace("many", rev=STABLE), app("many", "a"), app("many", "b", team="one"))
    assert set(mesh.rows("many", "--workload", "a")) == {"a"}
    assert set(mesh.rows("many", "--workload", "statefulset/a")) == set()
    assert set(mesh.rows("many", "-l", "team=one")) == {"b"}
    assert set(mesh.rows("many", "--revision", CANARY)) == set()
    assert mesh.rows("many", "--behind") == {}


def test_kinds_are_named_as_kubectl_takes_them(mesh: Mesh) -> None:
    mesh.apply(namespace("short", rev=STABLE), app("short", "a"))
    for kind in ("deploy", "Deployment", "deployments.apps"):
        assert set(mesh.rows("short", "--workload", f"{kind}/a")) == {"a"}


def test_what_is_not_there_is_said(mesh: Mesh) -> None:
    for words in (("drift",), ("restart", "--outdated")):
        assert 'there is no namespace "missspelt"' in mesh.pilotage(*words, "-n", "missspelt").must(3).err
    assert "No pod matches" in mesh.drift("--workload", "missspelt").err


def test_the_next_command_restarts_what_was_asked_for_and_nothing_else(mesh: Mesh) -> None:
    bare = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "namespace": "next"}}
    containers = [{"name": "app", "image": "example/app:1"}]
    mesh.apply(
        namespace("next", rev=STABLE), app("next", "a"), app("next", "b"), bare | {"spec": {"containers": containers}}
    )
    move(mesh, "next", CANARY)
    assert "Next: pilotage restart --outdated -n next\n" in mesh.drift("-n", "next").out
    told = mesh.drift("-n", "next", "--workload", "b").out
    assert "Next: pilotage restart deployment/b -n next\n" in told
    mesh.pilotage("restart", "--outdated", "-n", "next").must()
    told = mesh.drift("-n", "next").must(4).out
    assert "No restart reaches Pod next/bare" in told
    assert "Next:" not in told


def test_csv_has_a_line_per_workload(mesh: Mesh) -> None:
    mesh.apply(namespace("sheet", rev=STABLE), app("sheet", "a"))
    (row,) = csv.DictReader(io.StringIO(mesh.drift("-n", "sheet", "-o", "csv").must().out))
    assert (row["workload"], row["pods"], row["state"], row["expectedImage"]) == ("a", "2", "Current", OLD)


def test_without_proof_it_is_computed_and_says_so(mesh: Mesh) -> None:
    mesh.apply(namespace("trust", rev=STABLE), app("trust", "a"))
    assert mesh.rows("trust", "--no-proof")["a"]["knownBy"] == "computed"
    assert "not tried: 1 group (--no-proof)" in mesh.drift("-n", "trust", "--no-proof").must().out


def test_who_may_not_create_pods_is_told_that_it_was_computed(mesh: Mesh, tmp_path: Path) -> None:
    mesh.apply(namespace("looked", rev=STABLE), app("looked", "a"), *_viewer())
    path = tmp_path / "kubeconfig"
    path.write_text(mesh.kubeconfig.read_text().replace("token: memory", f'token: "{mesh.token("jane")}"'))
    told = mesh.pilotage("-c", str(path), "drift", "-n", "looked").must()
    assert "not tried: 1 group (you may not create pods, not even as dry runs)" in told.out
    assert "Current" in told.out


def test_a_dry_run_that_the_cluster_refuses_leaves_it_unknown(mesh: Mesh) -> None:
    mesh.apply(namespace("full", rev=STABLE), app("full", "a"))

    def refuse(method: str, path: str, _query: Mapping[str, str]) -> Fault | None:
        return Fault(status=403) if method == "POST" and path == "/api/v1/namespaces/full/pods" else None

    mesh.faults.faults = refuse
    row = mesh.rows("full")["a"]
    assert row["state"] == "Unknown"
    assert "could not be tried in full" in row["reason"]


def test_istiods_that_do_not_answer_leave_it_unknown(mesh: Mesh) -> None:
    mesh.apply(namespace("silent", rev=STABLE), app("silent", "a"))
    config = f"istio-sidecar-injector-{STABLE}-{MESH}"
    before = mesh.get("mutatingwebhookconfigurations", config)
    broken = {
        **before,
        "webhooks": [{**each, "clientConfig": {"url": "https://127.0.0.1:1"}} for each in before["webhooks"]],
    }
    mesh.world.store.update(broken, manager="somebody")
    row = mesh.rows("silent")["a"]
    again = mesh.get("mutatingwebhookconfigurations", config)
    mesh.world.store.update({**again, "webhooks": before["webhooks"]}, manager="somebody")
    assert row["state"] == "Unknown"
    assert "a pod could not be created" in row["reason"]


def test_a_list_that_expires_half_way_counts_every_pod_once(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    mesh.apply(namespace("long", rev=STABLE), *(app("long", f"a{at}") for at in range(5)))
    monkeypatch.setattr("pilotage.edge.paging._SIZE", "3")
    begun: list[str] = []

    def forget_once(_method: str, path: str, query: Mapping[str, str]) -> Fault | None:
        if path == "/api/v1/namespaces/long/pods" and query.get("continue"):
            begun.append(query["continue"])
            if len(begun) == 1:
                mesh.world.store.forget()
        return None

    mesh.faults.faults = forget_once
    rows = mesh.rows("long")
    assert len(begun) > 2
    assert {name: row["pods"] for name, row in rows.items()} == {f"a{at}": 2 for at in range(5)}
    assert mesh.drift("-n", "long", "-o", "json").document["summary"]["current"] == 10


def test_watching_ends_when_nothing_is_behind(mesh: Mesh) -> None:
    mesh.apply(namespace("seen", rev=STABLE), app("seen", "a"))
    move(mesh, "seen", CANARY)
    looks: list[str] = []

    def restart_at_the_second_look(method: str, path: str, _query: Mapping[str, str]) -> Fault | None:
        if method == "GET" and path == "/api/v1/namespaces/seen/pods":
            looks.append(path)
            if len(looks) == 2:
                template = {"metadata": {"annotations": {"again": "1"}}}
                mesh.patch("deployments/a", {"spec": {"template": template}}, "seen")
        return None

    mesh.faults.faults = restart_at_the_second_look
    told = mesh.drift("-n", "seen", "--watch", "--every", "10ms").must()
    assert told.out.index("Behind") < told.out.index("Current")


@pytest.mark.parametrize("words", [("deploy/a", "--outdated", "-n", "x"), ("--outdated", "--not-on", STABLE)])
def test_outdated_is_one_way_of_choosing(mesh: Mesh, words: tuple[str, ...]) -> None:
    assert mesh.pilotage("restart", *words).code == 2


def _viewer() -> list[Obj]:
    rules = [
        {"apiGroups": [group], "resources": [resource], "verbs": ["list"]}
        for group, resource in (
            ("", "pods"),
            ("", "namespaces"),
            ("", "configmaps"),
            ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
            ("networking.istio.io", "proxyconfigs"),
        )
    ]
    rbac = "rbac.authorization.k8s.io"
    who = [{"kind": "ServiceAccount", "name": "jane", "namespace": "default"}]
    meta = {"name": "looks"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "jane", "namespace": "default"}},
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "looks"},
            "subjects": who,
        },
    ]
