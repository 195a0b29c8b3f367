"""The operator as a process of its own, watching the in-memory cluster: it acts on edits, mends, and follows pods."""

from collections.abc import Iterator

import pytest

from harness import CANARY, MESH, STABLE, deployment, eventually, namespace
from inmemory import InMemory, in_memory
from pilotage.edge.operators import Operator
from processes import started


@pytest.fixture
def mesh() -> Iterator[InMemory]:
    """With an operator, and an application on the old revision."""
    with in_memory() as made, started(made, "operator", "--listen", "off"):
        made.enable().must()
        made.apply(namespace("shop", rev=STABLE), deployment("shop", "web"))
        yield made


def phase(mesh: InMemory) -> str:
    return str(mesh.get("servicemesh", "default").get("status", {}).get("phase"))


def holder(mesh: InMemory) -> str:
    lease = mesh.get("lease", "pilotage", "-n", MESH)
    return str(lease["spec"].get("holderIdentity"))


def test_an_operator_does_what_the_verbs_ask_for(mesh: InMemory) -> None:
    mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    mesh.pilotage("namespace", "move", "shop", "--to", CANARY).must()
    mesh.pilotage("restart", "--not-on", CANARY).must()
    mesh.pilotage("upgrade", "complete", "--yes").must()
    assert mesh.proxies("shop") == {"web": {CANARY}}
    assert not {name for name in mesh.names("deployments", MESH) if name.endswith(STABLE)}


def test_an_operator_that_came_after_the_verb_looked_for_one_is_followed(
    mesh: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    eventually("the operator holds the Lease", lambda: "operator" in holder(mesh))
    monkeypatch.setattr("pilotage.faces.cli.upgrade.who_acts", lambda *_: Operator())
    started = mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    assert "works here now and is followed" in started.err
    assert phase(mesh) == "Canary"


def test_an_operator_acts_on_an_edit_and_blocks_a_removal_while_pods_need_the_revision(mesh: InMemory) -> None:
    mesh.patch("servicemesh/default", {"spec": {"revisions": [{"name": STABLE}, {"name": CANARY}]}})
    eventually("the canary is there", lambda: phase(mesh) == "Canary")
    mesh.patch("servicemesh/default", {"spec": {"revisions": [{"name": CANARY}]}})
    eventually("the removal is blocked", lambda: phase(mesh) == "RemovalBlocked")
    assert mesh.names("deployments", MESH) == {f"istiod-{STABLE}", f"istiod-{CANARY}"}


def test_an_operator_mends_what_is_deleted(mesh: InMemory) -> None:
    service = next(each for each in mesh.get("services", "-n", MESH)["items"])
    mesh.strike(service)
    eventually("the Service is back", lambda: service["metadata"]["name"] in mesh.names("services", MESH))


def test_an_operator_removes_a_gateway_that_an_edit_took_out_once_nothing_selects_it(mesh: InMemory) -> None:
    name, space = "edge", "doors"
    doors = [{"name": name, "type": "External", "namespace": space}]
    mesh.patch("servicemesh/default", {"spec": {"gateways": doors, "removal": {"soak": "1s"}}})
    eventually("the gateway is there", lambda: f"{name}-{STABLE}" in mesh.names("deployments", space))
    listens = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["shop.example.org"]}
    route = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"istio": name}, "servers": [listens]},
    }
    mesh.apply(route)
    mesh.patch("servicemesh/default", {"spec": {"gateways": None}})
    said = eventually("it says what keeps the gateway", lambda: condition(mesh, "GatewayLeaving"))
    assert "Gateway shop/web (shop.example.org)" in said
    assert name in mesh.names("services", space)
    mesh.strike(route)
    eventually("the gateway is gone", lambda: not mesh.names("services", space))
    eventually("nothing leaves any more", lambda: not condition(mesh, "GatewayLeaving"))


def condition(mesh: InMemory, kind: str) -> str:
    """Its message while it holds, else ""."""
    told = mesh.get("servicemesh", "default").get("status", {}).get("conditions", ())
    return next((each["message"] for each in told if each["type"] == kind and each["status"] == "True"), "")
