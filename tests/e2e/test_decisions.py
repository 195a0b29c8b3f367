"""Decisions that cannot simply be carried out: starts that get stuck, removals that wait, are forced, or end it all.

Every test leaves the mesh settled on the stable revision, as it found it.
"""

import json
from collections.abc import Iterator

import pytest

from harness import CANARY, MESH, STABLE, Cluster, Obj, Result, deployment, eventually, namespace, sandbox
from intent import ask, asked, conditions, events, expect_phase, operator, resource
from scenery import findings, mesh_config, staged

pytestmark = pytest.mark.e2e

FORCE = "pilotage.dev/force-removal"
BOTH = [{"name": STABLE}, {"name": CANARY}]
_STUCK = [
    pytest.param("crash", "CrashLoopBackOff", id="its-istiod-crashes"),
    pytest.param("neverready", "unready", id="its-istiod-never-gets-ready"),
    pytest.param("missing", "ImagePull", id="its-image-is-missing"),
]


@pytest.fixture(scope="module")
def mesh() -> Iterator[Cluster]:
    with sandbox("sc-decisions") as made:
        made.enable().must()
        ask(made, removal={"soak": "1s"})  # what a longer one does is told in test_unattended_removal
        yield made


@pytest.mark.parametrize(("tag", "cause"), _STUCK)
def test_a_start_that_never_gets_ready_names_the_stuck_object_and_can_be_rolled_back(
    mesh: Cluster, tag: str, cause: str
) -> None:
    ask(mesh, revisions=[{"name": STABLE}, _broken(tag)])
    stuck = _start(mesh, "--timeout", "20s").must(1)
    assert f"Deployment {MESH}/istiod-{CANARY}" in stuck.err
    assert cause in stuck.err.splitlines()[-1]
    assert asked(mesh) == [STABLE, CANARY]
    assert f"istiod-{CANARY}" in mesh.names("deployments", MESH)
    mesh.pilotage("upgrade", "rollback", "--yes").must()
    _expect_only_stable(mesh)


def test_a_stuck_start_goes_on_when_its_cause_is_mended_but_no_other_may_begin(mesh: Cluster) -> None:
    ask(mesh, revisions=[{"name": STABLE}, _broken("neverready")])
    _start(mesh, "--timeout", "5s").must(1)
    other = mesh.pilotage("upgrade", "start", "--revision", "other", "--version", "1.31.0").must(3)
    assert "CanaryInProgress" in other.err
    complete = mesh.pilotage("upgrade", "complete", "--yes").must(3)
    assert "IstiodNotAvailable" in complete.err
    ask(mesh, revisions=[{"name": STABLE}, {"name": CANARY, "values": None}])
    _start(mesh).must()
    mesh.pilotage("upgrade", "rollback", "--yes").must()
    _expect_only_stable(mesh)


def test_a_forced_removal_says_what_breaks_and_who_did_it(mesh: Cluster) -> None:
    _start(mesh).must()
    with staged(mesh, namespace("sc-forced", rev=CANARY), deployment("sc-forced", "web")):
        mesh.pilotage("upgrade", "rollback", "--yes").must(3)
        forced = mesh.pilotage("upgrade", "rollback", "--force", "--yes", "-o", "json").must()
        messages = " ".join(finding["message"] for finding in findings(forced))
        assert "pods of Deployment web in namespace sc-forced" in messages
        assert "label istio.io/rev=asm-1-31 selects asm-1-31" in messages
    assert FORCE not in resource(mesh)["metadata"].get("annotations", {})  # it is not for the next removal
    notes = [event["note"] for event in events(mesh, "Removing")]
    assert any(f"removal of {CANARY} was forced by " in note for note in notes)
    _expect_only_stable(mesh)


def test_an_edit_of_the_resource_waits_for_what_is_in_use_can_be_cancelled_and_goes_on_when_freed(
    mesh: Cluster,
) -> None:
    with operator(mesh), staged(mesh, namespace("sc-edit")):
        ask(mesh, revisions=BOTH)
        expect_phase(mesh, "Canary")
        mesh.kubectl("label", "namespace", "sc-edit", f"istio.io/rev={CANARY}").must()
        ask(mesh, revisions=[{"name": STABLE}])
        blocked = conditions(expect_phase(mesh, "RemovalBlocked"))
        assert blocked["RemovalBlocked"] == ("True", "InUse")
        assert blocked["Ready"][0] == "False"
        assert f"istiod-{CANARY}" in mesh.names("deployments", MESH)
        ask(mesh, revisions=BOTH)
        assert conditions(expect_phase(mesh, "Canary"))["RemovalBlocked"] == ("False", "NotBlocked")
        ask(mesh, revisions=[{"name": STABLE}])
        expect_phase(mesh, "RemovalBlocked")
        mesh.pilotage("namespace", "move", "sc-edit", "--to", STABLE).must()
        expect_phase(mesh, "Settled")
    _expect_only_stable(mesh)
    reasons = {event.get("reason") for event in mesh.get("events", "-n", "default")["items"]}
    assert {"RemovalBlocked", "RemovalSoaking", "Removing", "Removed", "Settled"} <= reasons


def test_the_api_server_itself_refuses_an_edit_that_makes_no_sense(mesh: Cluster) -> None:
    def refused(revisions: list[Obj]) -> str:
        patch = json.dumps({"spec": {"revisions": revisions}})
        return mesh.kubectl("patch", "smesh", "default", "--type=merge", "-p", patch).must(1).err

    assert "strand every proxy" in refused([{"name": CANARY}])
    assert "at least 1" in refused([])
    assert "at most 2" in refused([*BOTH, {"name": "third"}])


def test_disable_waits_for_the_last_proxy_and_leaves_what_holds_data(mesh: Cluster) -> None:
    mine = mesh_config(STABLE, "accessLogFile: /dev/stdout\n")
    mesh.pilotage("tag", "set", "prod", "--revision", STABLE).must()
    with staged(mesh, mine, namespace("sc-last", rev=STABLE), deployment("sc-last", "web")):
        refused = mesh.pilotage("disable", "--yes").must(3)
        assert "ProxiesExist" in refused.err
        assert "pods of Deployment web in namespace sc-last" in refused.err
        mesh.kubectl("delete", "deployment", "web", "-n", "sc-last").must()
        eventually("it may be disabled", lambda: mesh.pilotage("disable", "--dry-run").code == 0)
        # The operator of another test has only just gone: for a minute it is expected back.
        said = mesh.pilotage("disable", "--yes", "--local").must()
        assert "CRDs" in said.out
        _expect_disabled(mesh)
        assert mine["metadata"]["name"] in mesh.names("configmaps", MESH)
    mesh.enable(STABLE, "--local").must()
    _expect_only_stable(mesh)


def _expect_disabled(mesh: Cluster) -> None:
    ours = "clusterroles,clusterrolebindings,deployments,services,serviceaccounts,roles,rolebindings,hpa,pdb"
    hooks = "mutatingwebhookconfigurations,validatingwebhookconfigurations"
    left = mesh.get(f"{ours},{hooks}", "-A", "-l", "pilotage.dev/managed=true")["items"]
    assert [thing["metadata"]["name"] for thing in left] == []
    for kind in hooks.split(","):
        assert not {name for name in mesh.names(kind) if "istio" in name}
    assert not {name for name in mesh.names("leases", MESH) if name.startswith("istio-gateway-")}
    assert "virtualservices.networking.istio.io" in mesh.names("crd")
    assert "istio-ca-secret" in mesh.names("secrets", MESH)
    assert resource(mesh)["spec"]["mode"] == "Disabled"


def _expect_only_stable(mesh: Cluster) -> None:
    assert asked(mesh) == [STABLE]
    eventually(f"no pod of {CANARY}", lambda: not mesh.names("pods", MESH, f"istio.io/rev={CANARY}"))
    for kind in ("deployments", "services", "configmaps", "serviceaccounts", "hpa", "leases"):
        assert not {name for name in mesh.names(kind, MESH) if name.endswith(CANARY)}, kind
    assert mesh.pilotage("status", "-o", "json").must().document["revisions"][0]["istiod"]["available"] >= 1


def _start(mesh: Cluster, *words: str) -> Result:
    return mesh.pilotage("upgrade", "start", "--revision", CANARY, *words)


def _broken(tag: str) -> Obj:
    """The canary with an image whose istiod fails in that way, as the sandbox knows it."""
    return {"name": CANARY, "values": {"tag": f"1.31.1-{tag}"}}
