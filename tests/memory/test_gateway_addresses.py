"""As an owner who fears for a load balancer's address: it is lost by nothing but a person's clear word."""

from collections.abc import Iterator

import pytest
from lab import Lab, forked
from test_gateways_in_memory import (
    DOOR,
    HTTP,
    SPACE,
    lasting,
    users_edits,
    with_gateway,
)

from harness import Obj
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


def routed(mesh: Lab) -> None:
    route = {"selector": {"istio": DOOR}, "servers": [{"port": HTTP, "hosts": ["shop.example.org"]}]}
    meta = {"name": "web", "namespace": "default"}
    mesh.apply({"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": meta, "spec": route})


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
