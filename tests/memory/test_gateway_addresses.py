"""As an owner who fears for a load balancer's address: it is lost by nothing but a person's clear word."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from lab import Lab, forked
from test_gateways_in_memory import (
    DOOR,
    HTTP,
    SPACE,
    lasting,
    leaving,
    opened,
    ready_pods,
    service,
    users_edits,
    with_gateway,
)
from test_gateways_in_memory import revisions as serving

from harness import CANARY, MESH, STABLE, Obj
from pilotage_memory.world import World

NOTES = {"service.beta.kubernetes.io/azure-pip-name": "shop"}
ENTRY = {
    "name": DOOR,
    "type": "External",
    "drainSeconds": 45,
    "service": {"annotations": NOTES, "spec": {"externalTrafficPolicy": "Local"}},
    "values": {"podAnnotations": {"team": "edge"}},
}
KEEPERS = ("gateway", "enable", "--type", "external")


@pytest.fixture
def mesh() -> Iterator[Lab]:
    with forked(world()) as made:
        yield made


def world() -> World:
    return with_gateway()


def asked(mesh: Lab, *entries: Obj) -> None:
    mesh.patch("servicemesh/default", {"spec": {"gateways": list(entries) or None}})


def entries(mesh: Lab) -> list[Obj]:
    return mesh.get("servicemesh/default")["spec"].get("gateways") or []


def findings(mesh: Lab) -> dict[str, Obj]:
    found = mesh.pilotage("check", "-o", "json").must().document["findings"]
    return {each["code"]: each for each in found}


def routed(mesh: Lab) -> Obj:
    """An Istio Gateway that selects the gateway."""
    route = {"selector": {"istio": DOOR}, "servers": [{"port": HTTP, "hosts": ["shop.example.org"]}]}
    meta = {"name": "web", "namespace": "default"}
    made = {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": meta, "spec": route}
    mesh.apply(made)
    return made


@pytest.mark.parametrize("kind", ["Egress", "Internal"])
def test_a_gateway_that_comes_back_with_another_type_keeps_its_address(mesh: Lab, kind: str) -> None:
    asked(mesh, ENTRY)
    mesh.rest()
    before = users_edits(mesh)
    asked(mesh)
    mesh.reconciler().step()
    asked(mesh, {"name": DOOR, "type": kind, "namespace": SPACE})
    mesh.rest()
    assert lasting(mesh) == before
    said = findings(mesh)["GatewayTypeHeld"]
    assert "203.0.113.7" in said["message"]
    conditions = {each["type"]: each for each in mesh.get("servicemesh/default")["status"]["conditions"]}
    assert conditions["GatewayTypeHeld"]["status"] == "True"
    assert conditions["Ready"]["message"] != "all is as asked"


def test_one_whose_type_is_held_is_taken_back_as_it_was_or_given_up(mesh: Lab) -> None:
    asked(mesh, ENTRY)
    mesh.rest()
    before = users_edits(mesh)
    asked(mesh)
    asked(mesh, {"name": DOOR, "type": "Internal"})  # before anybody looked
    mesh.rest()
    refused = mesh.pilotage("gateway", "enable", "--type", "internal", "--name", DOOR).must(3)
    assert "GatewayTypeHeld" in refused.err
    asked(mesh)
    mesh.pilotage(*KEEPERS).must()
    assert (lasting(mesh), entries(mesh)) == (before, [ENTRY])
    mesh.pilotage("gateway", "disable", DOOR, "--yes").must()
    mesh.pilotage("gateway", "enable", "--type", "internal", "--name", DOOR).must()
    assert service(mesh)["metadata"]["uid"] != before["uid"]


def test_a_gateway_that_was_leaving_is_enabled_as_it_was_and_what_it_had_is_said(mesh: Lab) -> None:
    asked(mesh, ENTRY)
    mesh.rest()
    before, pods = users_edits(mesh), {pod["metadata"]["name"] for pod in ready_pods(mesh)}
    asked(mesh)
    mesh.reconciler().step()
    asks = mesh.pilotage(*KEEPERS, "--dry-run").must()
    for words in ("drainSeconds", "service.annotations", "service.spec", "values", "203.0.113.7"):
        assert words in asks.out
    assert not entries(mesh)
    said = mesh.pilotage(*KEEPERS).must()
    assert "203.0.113.7" in said.out
    assert entries(mesh) == [ENTRY]
    assert (lasting(mesh), {pod["metadata"]["name"] for pod in ready_pods(mesh)}) == (before, pods)
    assert not leaving(mesh)


def test_enabling_a_gateway_that_was_leaving_as_another_is_refused_with_words(mesh: Lab) -> None:
    before = users_edits(mesh)
    asked(mesh)
    refused = mesh.pilotage("gateway", "enable", "--type", "internal", "--name", DOOR).must(3)
    assert "203.0.113.7" in refused.err
    assert f"pilotage gateway enable --type external --name {DOOR}" in refused.err
    refused = mesh.pilotage(*KEEPERS, "-n", "elsewhere").must(3)
    assert f"pilotage gateway disable {SPACE}/{DOOR}" in refused.err
    assert (lasting(mesh), entries(mesh)) == (before, [])


def test_one_that_was_leaving_and_of_which_nothing_is_known_is_not_enabled_by_a_bare_entry(mesh: Lab) -> None:
    asked(mesh)
    mesh.patch(f"service/{DOOR}", {"metadata": {"annotations": {"pilotage.dev/gateway-entry": None}}}, SPACE)
    refused = mesh.pilotage(*KEEPERS).must(3)
    assert "spec.gateways" in refused.err
    assert not entries(mesh)


def test_a_mesh_that_an_edit_disables_waits_while_something_selects_its_gateways(mesh: Lab) -> None:
    before = users_edits(mesh)
    routed(mesh)
    loop = mesh.reconciler()
    mesh.patch("servicemesh/default", {"spec": {"mode": "Disabled", "removal": {"soak": "0s"}}})
    mesh.rest(loop)
    assert mesh.get("servicemesh/default")["status"]["phase"] == "RemovalBlocked"
    assert (lasting(mesh), serving(mesh)) == (before, {STABLE})
    assert "default/web" in findings(mesh)["GatewayInUse"]["message"]
    mark = f'{{"gateway":"{SPACE}/{DOOR}","by":"ann","at":"{mesh.clock.now:%Y-%m-%dT%H:%M:%SZ}"}}'
    mesh.patch("servicemesh/default", {"metadata": {"annotations": {"pilotage.dev/force-gateway-removal": mark}}})
    mesh.rest(loop)
    assert not mesh.names("services", SPACE)
    assert mesh.get("servicemesh/default")["status"]["phase"] == "Disabled"


def test_the_verb_that_disables_a_mesh_asks_the_same(mesh: Lab) -> None:
    before, route = users_edits(mesh), routed(mesh)
    refused = mesh.pilotage("disable", "--yes").must(3)
    assert "GatewayInUse" in refused.err
    assert lasting(mesh) == before
    mesh.strike(route)
    mesh.pilotage("disable", "--yes").must()


def test_a_resource_that_was_deleted_comes_back_with_its_gateways(mesh: Lab) -> None:
    asked(mesh, ENTRY)
    mesh.rest()
    before = users_edits(mesh)
    mesh.strike(mesh.get("servicemesh/default"))
    mesh.enable().must()
    assert entries(mesh) == [ENTRY]
    mesh.clock.jump(timedelta(hours=2))
    mesh.rest()
    assert lasting(mesh) == before


@pytest.mark.parametrize(
    ("verb", "keep"), [("rollback", STABLE), pytest.param("complete", CANARY, marks=pytest.mark.e2e)]
)
def test_a_gateway_that_came_during_a_canary_outlives_the_decision(mesh: Lab, verb: str, keep: str) -> None:
    mesh.pilotage("gateway", "disable", DOOR, "--yes").must()
    mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    opened(mesh)
    before = users_edits(mesh)
    assert serving(mesh) == {STABLE, CANARY}
    mesh.pilotage("upgrade", verb, "--yes").must()
    assert (serving(mesh), lasting(mesh)) == ({keep}, before)


@pytest.mark.parametrize("verb", ["complete", pytest.param("rollback", marks=pytest.mark.e2e)])
def test_a_gateway_that_left_during_a_canary_outlives_the_decision_until_its_soak_is_over(mesh: Lab, verb: str) -> None:
    mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    before = users_edits(mesh)
    asked(mesh)
    mesh.pilotage("upgrade", verb, "--yes").must()
    assert lasting(mesh) == before
    assert len(serving(mesh)) == 1
    mesh.pilotage(*KEEPERS).must()
    mesh.clock.jump(timedelta(hours=2))
    mesh.rest()
    assert lasting(mesh) == before


def test_a_revision_is_not_completed_to_a_gateway_of_somebody_else(mesh: Lab) -> None:
    mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    ours = mesh.get(f"deployment/{DOOR}-{CANARY}", "-n", SPACE)
    mesh.patch(f"deployment/{DOOR}-{CANARY}", {"metadata": {"labels": {"pilotage.dev/managed": None}}}, SPACE)
    refused = mesh.pilotage("upgrade", "complete", "--yes").must(3)
    assert ours["metadata"]["name"] in refused.err
    assert serving(mesh) >= {STABLE}


def test_a_forced_removal_that_stopped_midway_says_that_it_was_begun(mesh: Lab) -> None:
    routed(mesh)
    asked(mesh, ENTRY | {"drainSeconds": 3600})
    mesh.rest()
    mesh.pilotage("gateway", "disable", DOOR, "--yes", "--force", "--no-wait").must()
    mesh.reconciler().step()
    assert not mesh.names("deployments", SPACE)
    mesh.clock.jump(timedelta(minutes=31))
    mesh.reconciler().step()
    said = findings(mesh)["GatewayLeaving"]
    assert "serves nothing" in said["message"]
    mesh.pilotage(*KEEPERS).must()
    assert serving(mesh) == {STABLE}


def test_two_gateways_never_get_each_others_pods(mesh: Lab) -> None:
    """Label istio is the name without `istio-`: an internal gateway would answer behind an external address."""
    before, twin = users_edits(mesh), f"istio-{DOOR}"
    refused = mesh.pilotage("gateway", "enable", "--type", "internal", "--name", twin).must(3)
    assert "ForeignGateway" in refused.err
    asked(mesh, {"name": twin, "type": "Internal"}, {"name": DOOR, "type": "External"})
    mesh.rest()
    assert (lasting(mesh), mesh.names("services", SPACE)) == (before, {DOOR})
    assert twin in findings(mesh)["ForeignGateway"]["message"]
    mesh.pilotage("gateway", "disable", DOOR, "--yes").must()
    mesh.rest()
    assert mesh.names("services", SPACE) == {twin}


def test_a_gateway_is_never_written_over_a_control_plane(mesh: Lab) -> None:
    part = {"labels": {"pilotage.dev/part": STABLE}}
    asked(mesh, {"name": "istiod", "type": "Internal", "namespace": MESH}, {"name": DOOR, "type": "External"})
    mesh.rest()
    account = mesh.get(f"serviceaccounts/istiod-{STABLE}", "-n", MESH)
    assert account["metadata"]["labels"].items() >= part["labels"].items()
    assert "istiod" not in mesh.names("services", MESH)
    assert "ForeignGateway" in findings(mesh)


def test_one_that_was_moved_says_what_to_take_out_before_it_can_be_kept(mesh: Lab) -> None:
    asked(mesh)
    asked(mesh, {"name": DOOR, "type": "External", "namespace": "doors"})
    mesh.reconciler().step()
    said = findings(mesh)["GatewayLeaving"]
    assert said["fix"].startswith(f"to keep it: take {DOOR} in doors out of spec.gateways")


def test_what_somebody_else_writes_on_a_service_is_not_taken_for_what_it_stands_for(mesh: Lab) -> None:
    before = users_edits(mesh)
    forged = {"pilotage.dev/gateway-entry": f'{{"name":"{DOOR}","namespace":"{SPACE}","type":"Egress"}}'}
    mesh.patch(f"service/{DOOR}", {"metadata": {"annotations": forged}}, SPACE)
    mesh.rest()
    assert lasting(mesh) == before
    assert "GatewayTypeHeld" not in findings(mesh)
    asked(mesh)
    mesh.patch(f"service/{DOOR}", {"metadata": {"annotations": forged}}, SPACE)
    assert "is not known" in mesh.pilotage(*KEEPERS).must(3).err
