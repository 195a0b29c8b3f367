"""Gateways through a whole upgrade: one Service that never changes, and pods of both revisions behind it."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any, Final

import pytest
from lab import Lab, forked, lab
from test_interleavings import SLOW, Turns

from harness import CANARY, MESH, STABLE, Obj, deployment, namespace
from inmemory import InMemory, in_memory
from pilotage.edge.catalog import packaged_catalog
from pilotage.edge.kube import Kube
from pilotage.reconcile import Reconciler
from pilotage_memory.controllers.loop import Pace
from pilotage_memory.world import World

DOOR, SPACE = "aks-istio-ingressgateway-external", "aks-istio-ingress"
HTTP: Final = {"number": 80, "name": "http", "protocol": "HTTP"}
KINDS: Final = ("deployments", "hpa", "pdb", "serviceaccounts", "roles", "rolebindings")


@cache
def plain() -> World:
    """A mesh without gateways."""
    with lab() as made:
        made.enable().must()
        return made.world


@cache
def with_gateway() -> World:
    with forked(plain()) as made:
        opened(made)
        return made.world


@pytest.fixture
def bare() -> Iterator[InMemory]:
    with forked(plain()) as made:
        yield made


@pytest.fixture
def mesh() -> Iterator[Lab]:
    with forked(with_gateway()) as made:
        yield made


def opened(mesh: InMemory, **more: Any) -> None:
    mesh.patch("servicemesh/default", {"spec": {"gateways": [{"name": DOOR, "type": "External"} | more]}})
    mesh.pilotage("enable").must()


def service(mesh: InMemory) -> Obj:
    found: Obj = mesh.get(f"service/{DOOR}", "-n", SPACE)
    return found


def leaving(mesh: InMemory) -> list[Obj]:
    found = mesh.pilotage("check", "-o", "json").must().document["findings"]
    return [each for each in found if each["code"] == "GatewayLeaving"]


def lasting(mesh: InMemory) -> Obj:
    """What of the Service is to outlive everything."""
    found = service(mesh)
    marks = {key: value for key, value in found["metadata"]["annotations"].items() if "pilotage" not in key}
    return {"uid": found["metadata"]["uid"], "spec": found["spec"], "status": found["status"], "annotations": marks}


def users_edits(mesh: InMemory) -> Obj:
    """A user sets what is a user's, and the load balancer gives an address; the Service as it is then."""
    ports = [port | {"nodePort": 30000 + at} for at, port in enumerate(service(mesh)["spec"]["ports"])]
    ports.append({"name": "tcp", "port": 31400, "targetPort": 31400, "protocol": "TCP", "nodePort": 30010})
    spec = {"externalTrafficPolicy": "Local", "loadBalancerSourceRanges": ["10.0.0.0/8"], "ports": ports}
    notes = {"external-dns.alpha.kubernetes.io/hostname": "shop.example.org"}
    address = {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}
    mesh.patch(f"service/{DOOR}", {"metadata": {"annotations": notes}, "spec": spec}, SPACE)
    mesh.world.store.update(service(mesh) | {"status": address}, manager="cloud", subresource="status")
    seen = lasting(mesh)
    assert seen["status"] == address
    return seen


def revisions(mesh: InMemory) -> set[str]:
    """Of the live pods that the Service selects and sends requests to."""
    return {pod["metadata"]["annotations"]["istio.io/rev"] for pod in ready_pods(mesh)}


def ready_pods(mesh: InMemory) -> list[Obj]:
    chosen = service(mesh)["spec"]["selector"]
    words = ",".join(f"{key}={value}" for key, value in chosen.items())
    return [pod for pod in mesh.get("pods", "-n", SPACE, "-l", words)["items"] if _takes_requests(pod)]


def _takes_requests(pod: Obj) -> bool:
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ()))
    return ready and "deletionTimestamp" not in pod["metadata"]


def expect_selectors_of_their_own(mesh: InMemory) -> None:
    for kind in ("deployments", "pdb"):
        chosen = [each["spec"]["selector"]["matchLabels"] for each in mesh.get(kind, "-n", SPACE)["items"]]
        assert len({each["app"] for each in chosen}) == 2, kind
    for pod in ready_pods(mesh):
        labels = pod["metadata"]["labels"]
        assert labels["app"] == f"{DOOR}-{labels['istio.io/rev']}"


@pytest.mark.parametrize(
    ("verb", "keep", "gone"),
    [("complete", CANARY, STABLE), pytest.param("rollback", STABLE, CANARY, marks=pytest.mark.e2e)],
)
def test_the_service_stays_as_it_is_through_start_and_decision(mesh: InMemory, verb: str, keep: str, gone: str) -> None:
    before = users_edits(mesh)
    assert revisions(mesh) == {STABLE}
    mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    assert (revisions(mesh), lasting(mesh)) == ({STABLE, CANARY}, before)
    expect_selectors_of_their_own(mesh)
    mesh.pilotage("upgrade", verb, "--yes").must()
    assert (revisions(mesh), lasting(mesh)) == ({keep}, before)
    for kind in KINDS:
        assert {f"{DOOR}-{keep}"} == mesh.names(kind, SPACE) - {"default"}, kind
    assert gone not in str(mesh.get("servicemesh/default")["spec"])


def test_what_a_user_edits_survives_ten_looks_and_what_is_asked_for_is_put_back(mesh: InMemory) -> None:
    before = users_edits(mesh)
    mesh.patch(f"service/{DOOR}", {"spec": {"selector": {"istio.io/rev": STABLE}}}, SPACE)
    mesh.patch(f"hpa/{DOOR}-{STABLE}", {"spec": {"minReplicas": 3, "maxReplicas": 9}}, SPACE)
    loop = Reconciler(Kube.connect(str(mesh.kubeconfig)), packaged_catalog(), mesh.world.store.clock)
    for _ in range(10):
        loop.step()
    assert lasting(mesh) == before
    assert mesh.get(f"hpa/{DOOR}-{STABLE}", "-n", SPACE)["spec"]["minReplicas"] == 3
    assert len(ready_pods(mesh)) == 3


def test_a_pilotage_that_writes_otherwise_than_the_one_before_changes_nothing_of_the_service(mesh: Lab) -> None:
    """Another digest, another way to write the same: all is applied anew, and what is a user's stays."""
    before = users_edits(mesh)
    made = f"{DOOR}-{STABLE}"
    of_another = {"metadata": {"annotations": {"pilotage.dev/applied": "0000000000000000"}}}
    for what in (f"service/{DOOR}", f"deployment/{made}", f"hpa/{made}", f"pdb/{made}"):
        mesh.patch(what, of_another, SPACE)
    pods = {pod["metadata"]["name"] for pod in ready_pods(mesh)}
    mesh.writes()
    mesh.reconciler().step()
    assert [write for write in mesh.writes() if f"/services/{DOOR}" in write]
    assert lasting(mesh) == before
    assert {pod["metadata"]["name"] for pod in ready_pods(mesh)} == pods


def test_the_hpa_of_a_canarys_gateway_follows_that_of_stable(mesh: Lab) -> None:
    mesh.patch(f"hpa/{DOOR}-{STABLE}", {"spec": {"minReplicas": 3, "maxReplicas": 7}}, SPACE)
    mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    loop = mesh.reconciler()
    assert bounds(mesh, CANARY) == (3, 7)
    mesh.patch(f"hpa/{DOOR}-{STABLE}", {"spec": {"maxReplicas": 8}}, SPACE)
    mesh.patch(f"hpa/{DOOR}-{CANARY}", {"spec": {"maxReplicas": 99}}, SPACE)
    mesh.rest(loop)
    assert (bounds(mesh, STABLE), bounds(mesh, CANARY)) == ((3, 8), (3, 8))
    mesh.pilotage("upgrade", "rollback", "--yes").must()
    assert bounds(mesh, STABLE) == (3, 8)


def bounds(mesh: InMemory, revision: str) -> tuple[int, int]:
    spec = mesh.get(f"hpa/{DOOR}-{revision}", "-n", SPACE)["spec"]
    return spec["minReplicas"], spec["maxReplicas"]


def test_annotations_and_fields_of_the_resource_come_and_go_again(mesh: InMemory) -> None:
    notes = {"service.beta.kubernetes.io/azure-pip-name": "shop"}
    opened(mesh, service={"annotations": notes, "spec": {"externalTrafficPolicy": "Local"}})
    assert (lasting(mesh)["annotations"], service(mesh)["spec"]["externalTrafficPolicy"]) == (notes, "Local")
    opened(mesh, service=None)
    assert (lasting(mesh)["annotations"], service(mesh)["spec"]["externalTrafficPolicy"]) == ({}, "Cluster")


def test_an_internal_gateway_keeps_off_the_internet_and_an_egress_has_no_load_balancer(bare: InMemory) -> None:
    gateways = [{"name": "inside", "type": "Internal"}, {"name": "out", "type": "Egress"}]
    bare.patch("servicemesh/default", {"spec": {"gateways": gateways}})
    bare.pilotage("enable").must()
    inside = bare.get("service/inside", "-n", SPACE)
    assert inside["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-internal"] == "true"
    assert inside["spec"]["type"] == "LoadBalancer"
    assert bare.get("service/out", "-n", "aks-istio-egress")["spec"]["type"] == "ClusterIP"


def test_an_egress_keeps_the_values_that_it_has_when_it_is_enabled_again(bare: InMemory) -> None:
    name = "kubernetes.azure.com/static-gateway-configuration"
    words = ("gateway", "enable", "--type", "egress", "--gateway-configuration-name")
    bare.pilotage(*words, "outside").must()
    (entry,) = bare.get("servicemesh/default")["spec"]["gateways"]
    mine = entry | {"values": {"podAnnotations": {name: "outside", "team": "net"}, "replicaCount": 3}}
    bare.patch("servicemesh/default", {"spec": {"gateways": [mine]}})
    bare.pilotage(*words, "outside").must()
    assert "other values" in bare.pilotage(*words, "elsewhere").must(3).err
    assert bare.get("servicemesh/default")["spec"]["gateways"] == [mine]
    assert "only an egress" in bare.pilotage("gateway", "enable", "--type", "external", *words[4:], "x").must(3).err


def test_a_service_of_somebody_else_is_left_alone_and_named(bare: InMemory) -> None:
    theirs = {"selector": {"app": "old"}, "ports": [{"port": 80}], "type": "LoadBalancer"}
    meta = {"name": DOOR, "namespace": SPACE}
    bare.apply(namespace(SPACE), {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": theirs})
    before = service(bare)
    assert "ForeignGateway" in bare.pilotage("gateway", "enable", "--type", "external").must(3).err
    opened(bare)
    assert "ForeignGateway" in bare.pilotage("check").must().out
    assert service(bare) == before
    assert not bare.names("deployments", SPACE)


def test_an_edit_that_takes_a_gateway_out_removes_it_only_after_its_soak(mesh: Lab) -> None:
    before = users_edits(mesh)
    loop = mesh.reconciler()
    mesh.rest(loop)
    mesh.patch("servicemesh/default", {"spec": {"gateways": None}})
    loop.step()
    (said,) = leaving(mesh)
    assert "203.0.113.7" in said["message"]
    assert (lasting(mesh), revisions(mesh)) == (before, {STABLE})
    assert mesh.get("servicemesh/default")["status"]["phase"] == "Settled"
    mesh.clock.jump(timedelta(minutes=59))
    loop.step()
    assert lasting(mesh) == before
    mesh.clock.jump(timedelta(minutes=2))
    mesh.rest(loop)
    assert not mesh.names("services", SPACE)
    assert not leaving(mesh)


def test_a_gateway_that_is_put_back_while_it_waits_is_as_it_was(mesh: Lab) -> None:
    before, entry = users_edits(mesh), mesh.get("servicemesh/default")["spec"]["gateways"]
    loop = mesh.reconciler()
    mesh.rest(loop)
    mesh.patch("servicemesh/default", {"spec": {"gateways": None}})
    loop.step()
    mesh.patch("servicemesh/default", {"spec": {"gateways": entry}})
    mesh.writes()
    loop.step()
    assert not [write for write in mesh.writes() if "/services" in write or "/deployments" in write]
    mesh.clock.jump(timedelta(hours=2))
    mesh.rest(loop)
    assert lasting(mesh) == before


def test_a_gateway_that_something_selects_is_not_disabled_unless_forced(mesh: Lab) -> None:
    route = {"selector": {"istio": DOOR}, "servers": [{"port": HTTP, "hosts": ["shop.example.org"]}]}
    meta = {"name": "web", "namespace": "default"}
    mesh.apply({"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": meta, "spec": route})
    refused = mesh.pilotage("gateway", "disable", DOOR, "--yes").must(3)
    assert "GatewayInUse" in refused.err
    assert "default/web (shop.example.org)" in refused.err
    assert mesh.get("servicemesh/default")["spec"]["gateways"]
    mesh.pilotage("gateway", "disable", DOOR, "--yes", "--force").must()
    assert not mesh.names("services", SPACE)


def test_disabling_a_gateway_that_git_took_out_spares_its_soak(mesh: Lab) -> None:
    mesh.patch("servicemesh/default", {"spec": {"gateways": None}})
    mesh.reconciler().step()
    asked = mesh.pilotage("gateway", "disable", f"{SPACE}/{DOOR}", "--dry-run").must()
    assert f"Service {SPACE}/{DOOR}" in asked.out
    assert "leaving" in mesh.pilotage("gateway", "list").must().out
    mesh.pilotage("gateway", "disable", DOOR, "--yes").must()
    assert not mesh.names("services", SPACE)
    marks = mesh.get("servicemesh/default")["metadata"].get("annotations") or {}
    assert not [key for key in marks if "removal" in key]


def test_the_type_of_a_gateway_cannot_be_changed(mesh: Lab) -> None:
    with pytest.raises(Exception, match="its address would be lost"):
        mesh.patch("servicemesh/default", {"spec": {"gateways": [{"name": DOOR, "type": "Egress"}]}})


def test_get_revisions_shows_gateways_per_revision_once_there_are_some(bare: InMemory) -> None:
    assert "Gateways" not in bare.pilotage("get-revisions").must().out
    opened(bare)
    bare.pilotage("upgrade", "start", "--revision", CANARY).must()
    header, _, *lines = bare.pilotage("get-revisions").must().out.splitlines()
    assert header.split()[-1] == "Gateways"
    shown = {line.split()[0]: line.endswith("1, 2/2 pods") for line in lines}
    assert [name for name, there in shown.items() if there] == [STABLE, CANARY]
    rows = bare.pilotage("get-revisions", "-o", "json").must().document["meshRevisions"]
    gateway = {"name": DOOR, "namespace": SPACE, "ready": 2, "desired": 2}
    assert {row["revision"]: row["gateways"] for row in rows if row["gateways"]} == {
        STABLE: [gateway],
        CANARY: [gateway],
    }


def test_a_quota_of_the_gateways_namespace_counts_the_canarys_gateways_at_the_size_that_stables_have(mesh: Lab) -> None:
    hard = {"pods": "6"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": SPACE}}
    mesh.patch(f"hpa/{DOOR}-{STABLE}", {"spec": {"minReplicas": 4}}, SPACE)
    mesh.apply(quota | {"spec": {"hard": hard}})
    mesh.rest()
    refused = mesh.pilotage("upgrade", "start", "--revision", CANARY).must(3)
    assert f"quota {SPACE}/few leaves 2 of 6 pods; 4 are needed" in refused.err
    more = mesh.pilotage("gateway", "enable", "--type", "internal").must()
    assert "installed" in more.out
    refused = mesh.pilotage("gateway", "enable", "--type", "internal", "--name", "third").must(3)
    assert "QuotaShort" in refused.err


def test_a_mesh_with_gateways_is_disabled_and_leaves_no_gateway(mesh: InMemory) -> None:
    mesh.pilotage("disable", "--yes").must()
    for kind in (*KINDS, "services", "pods"):
        assert not mesh.names(kind, SPACE) - {"default"}, kind
    assert SPACE in mesh.names("namespaces")


def test_a_gateway_that_somebody_else_runs_holds_its_revision(mesh: InMemory) -> None:
    theirs = deployment(SPACE, "own-gateway", image="auto", rev=STABLE)
    template = theirs["spec"]["template"]
    template["metadata"]["annotations"] = {"inject.istio.io/templates": "gateway"}
    template["spec"]["containers"][0]["name"] = "istio-proxy"
    mesh.apply(theirs)
    mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    refused = mesh.pilotage("upgrade", "complete", "--yes").must(3)
    assert "own-gateway" in refused.err
    assert revisions(mesh) == {STABLE, CANARY}


def test_gateways_that_nobody_injects_are_named_with_the_label_that_keeps_them_from_it(mesh: InMemory) -> None:
    mesh.patch(f"namespace/{SPACE}", {"metadata": {"labels": {"istio-injection": "disabled"}}})
    mesh.strike(*ready_pods(mesh))
    found = mesh.pilotage("check", "-o", "json").must().document["findings"]
    assert {"GatewayNamespaceLabelled", "GatewayNotInjected"} <= {each["code"] for each in found}
    refused = mesh.pilotage("upgrade", "start", "--revision", CANARY, "-o", "json").must(3)
    assert "GatewayNamespaceLabelled" in refused.err
    (fix,) = [each["fix"] for each in found if each["code"] == "GatewayNamespaceLabelled"]
    mesh.obey(fix).must()
    mesh.strike(*mesh.get("pods", "-n", SPACE)["items"])
    assert revisions(mesh) == {STABLE}


@pytest.mark.e2e
@pytest.mark.parametrize("seed", range(3))
def test_there_is_always_a_gateway_that_takes_requests_and_each_that_runs_has_its_istiod(seed: int) -> None:
    with in_memory(pace=Pace(seed, SLOW)) as mesh:
        turns = Turns(mesh, seed)
        mesh.enable(STABLE, "--no-wait").must()
        turns.until("Settled")
        mesh.patch("servicemesh/default", {"spec": {"gateways": [{"name": DOOR, "type": "External"}]}})
        turns.until("Settled")
        turns.check = lambda: open_and_served(mesh)
        mesh.pilotage("upgrade", "start", "--revision", CANARY, "--no-wait").must()
        turns.until("Canary")
        mesh.pilotage("upgrade", "complete", "--yes", "--no-wait").must()
        turns.until("Settled")
        assert revisions(mesh) == {CANARY}


def open_and_served(mesh: InMemory) -> None:
    """Draining pods, too, keep the istiod that they are connected to."""
    assert ready_pods(mesh), "no gateway takes requests"
    pods = mesh.get("pods", "-n", SPACE)["items"]
    used = {pod["metadata"]["annotations"]["istio.io/rev"] for pod in pods}
    there = {pod["metadata"]["labels"]["istio.io/rev"] for pod in mesh.get("pods", "-n", MESH)["items"]}
    assert used <= there, f"gateways of {used}, istiods of {there}"
