"""A removal that nobody confirmed: edits of the resource, as from Git or by hand, under a running operator.

Every test leaves the mesh settled on the stable revision with a long soak, as it found it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from harness import CANARY, MESH, PILOTAGE, STABLE, Cluster, Obj, eventually, namespace, sandbox
from intent import ask, conditions, events, expect_phase, operator, resource
from scenery import findings, staged

pytestmark = pytest.mark.e2e

BOTH, ONE = [{"name": STABLE}, {"name": CANARY}], [{"name": STABLE}]
CONFIRMED = "pilotage.dev/confirmed-removal"


@pytest.fixture(scope="module")
def mesh() -> Iterator[Cluster]:
    with sandbox("unattended") as made:
        made.enable().must()
        # The canary's says the same: no second istiod starts when nobody expects it, and cannot be asked for a while.
        made.patch(f"hpa/istiod-{STABLE}", {"spec": {"minReplicas": 1}}, MESH)
        with operator(made):
            yield made


@pytest.fixture(autouse=True)
def canary(mesh: Cluster) -> None:
    """A canary, and nothing that uses it."""
    ask(mesh, revisions=BOTH, removal={"soak": "1h"})
    expect_phase(mesh, "Canary")
    eventually("all istiods answer", lambda: "HealthUnknown" not in _findings(mesh))


def test_what_nothing_uses_is_removed_by_an_edit_once_it_has_soaked(mesh: Cluster) -> None:
    ask(mesh, revisions=ONE, removal={"soak": "5s"})
    until = eventually("the soak has begun", lambda: resource(mesh)["status"].get("removal"))["until"]
    assert "removal" not in expect_phase(mesh, "Settled")
    assert f"istiod-{CANARY}" not in mesh.names("deployments", MESH)
    assert _after(events(mesh, "Removing")[-1], until)
    (removed,) = eventually("Event Removed", lambda: [each for each in events(mesh, "Removed") if _after(each, until)])
    assert removed["note"] == f"{CANARY} is gone"


def test_while_it_soaks_all_say_so_and_adding_it_back_cancels_it(mesh: Cluster) -> None:
    ask(mesh, revisions=ONE)
    status = expect_phase(mesh, "RemovalSoaking")
    removal = status["removal"]
    assert removal["revision"] == CANARY
    assert (_moment(removal["until"]) - _moment(removal["since"])).total_seconds() == 3600
    assert conditions(status)["RemovalBlocked"] == ("False", "Soaking")
    words = f"{CANARY} will be removed at {removal['until']} unless it is added back"
    for verb in ("check", "status"):
        said = mesh.pilotage(verb, "-o", "json").must()
        assert words in [finding["message"] for finding in findings(said)], verb
        assert words in mesh.pilotage(verb).must().out
    assert mesh.pilotage("status", "-o", "json").must().document["removal"] == removal
    waiting = mesh.enable(STABLE, "--timeout", "30m").must(1)  # at once: it would be in vain
    assert f"will be removed at {removal['until']}" in waiting.err
    ask(mesh, revisions=BOTH)
    assert "removal" not in expect_phase(mesh, "Canary")
    eventually("an Event", lambda: events(mesh, "RemovalCancelled"))
    _remove_now(mesh)


def test_whatever_uses_the_revision_meanwhile_makes_it_soak_anew(mesh: Cluster) -> None:
    ask(mesh, revisions=ONE)
    first = expect_phase(mesh, "RemovalSoaking")["removal"]
    eventually("its second is over", lambda: datetime.now(UTC) > _moment(first["since"]))
    with staged(mesh, namespace("sc-late", rev=CANARY)):
        assert "removal" not in expect_phase(mesh, "RemovalBlocked")
        mesh.kubectl("label", "namespace", "sc-late", "istio.io/rev-").must()
        anew = expect_phase(mesh, "RemovalSoaking")["removal"]
    assert _moment(anew["since"]) > _moment(first["since"])
    _remove_now(mesh)


def test_a_status_that_was_wiped_makes_it_soak_anew(mesh: Cluster) -> None:
    ask(mesh, revisions=ONE)
    first = expect_phase(mesh, "RemovalSoaking")["removal"]
    began = _moment(first["since"])  # a whole second, rounded up
    eventually("its second is over", lambda: datetime.now(UTC) > began)
    wipe = ("--subresource=status", "--type=merge", "-p", '{"status": null}')
    mesh.kubectl("patch", "smesh", "default", *wipe).must()
    mesh.kubectl("annotate", "smesh", "default", "example.com/look=now", "--overwrite").must()
    eventually("a later beginning", lambda: _since(mesh) > began)
    _remove_now(mesh)


def test_a_verb_confirms_so_it_does_not_soak_and_its_word_ends_with_that_removal(mesh: Cluster) -> None:
    mesh.pilotage("upgrade", "rollback", "--yes").must()
    assert f"istiod-{CANARY}" not in mesh.names("deployments", MESH)
    assert CONFIRMED not in resource(mesh)["metadata"].get("annotations", {})
    ask(mesh, revisions=BOTH)
    expect_phase(mesh, "Canary")
    ask(mesh, revisions=ONE)
    expect_phase(mesh, "RemovalSoaking")
    mesh.pilotage("upgrade", "rollback", "--yes").must()  # confirms what the edit asked for
    assert f"istiod-{CANARY}" not in mesh.names("deployments", MESH)


def test_what_git_asked_for_a_verb_may_confirm(mesh: Cluster) -> None:
    by_git = ("--field-manager=argocd-controller", "--type=merge", "-p")
    with _kept_by_git(mesh):
        assert "kept by Argo CD" in mesh.pilotage("upgrade", "rollback", "--yes").must(3).err
        mesh.kubectl("patch", "smesh", "default", *by_git, json.dumps({"spec": {"revisions": ONE}})).must()
        expect_phase(mesh, "RemovalSoaking")
        mesh.pilotage("upgrade", "rollback", "--yes").must()
        assert f"istiod-{CANARY}" not in mesh.names("deployments", MESH)


def test_a_mark_for_another_revision_or_of_another_time_confirms_nothing_and_is_cleared(mesh: Cluster) -> None:
    for revision, at in (("asm-1-29", _now(mesh)), (CANARY, "2026-01-01T00:00:00Z"), (CANARY, "2099-01-01T00:00:00Z")):
        mark = json.dumps({"revision": revision, "by": "copied", "at": at})
        ask(mesh, revisions=ONE)
        mesh.kubectl("annotate", "smesh", "default", f"{CONFIRMED}={mark}", "--overwrite").must()
        eventually(f"{mark} is cleared", lambda: CONFIRMED not in resource(mesh)["metadata"].get("annotations", {}))
        expect_phase(mesh, "RemovalSoaking")
    _remove_now(mesh)


def test_disabling_by_an_edit_soaks_and_the_verb_confirms(mesh: Cluster) -> None:
    _remove_now(mesh)
    ask(mesh, mode="Disabled")
    removal = expect_phase(mesh, "RemovalSoaking")["removal"]
    assert removal["revision"] == "*"
    words = f"every control plane will be removed at {removal['until']} unless spec.mode is set back to Istio"
    assert words in mesh.pilotage("check").must().out
    ask(mesh, mode="Istio")
    expect_phase(mesh, "Settled")
    ask(mesh, mode="Disabled")
    expect_phase(mesh, "RemovalSoaking")
    mesh.pilotage("disable", "--yes").must()
    assert f"istiod-{STABLE}" not in mesh.names("deployments", MESH)
    mesh.enable().must()


@pytest.mark.parametrize("soak", ["an hour", "1d", "-1s", "", "1h 30m"])
def test_the_api_server_itself_refuses_a_soak_that_is_no_duration(mesh: Cluster, soak: str) -> None:
    patch = json.dumps({"spec": {"removal": {"soak": soak}}})
    refused = mesh.kubectl("patch", "smesh", "default", "--type=merge", "-p", patch).must(1)
    assert "spec.removal.soak" in refused.err


def _remove_now(mesh: Cluster) -> None:
    ask(mesh, revisions=ONE, removal={"soak": "0s"})
    expect_phase(mesh, "Settled")
    ask(mesh, removal={"soak": "1h"})


@contextmanager
def _kept_by_git(mesh: Cluster) -> Iterator[None]:
    """Argo CD holds the spec meanwhile."""
    spec = {key: value for key, value in resource(mesh)["spec"].items() if key != "mode"}
    kept = {"apiVersion": "pilotage.dev/v1alpha1", "kind": "ServiceMesh", "metadata": {"name": "default"}, "spec": spec}
    by_git = ("apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller", "-f", "-")
    mesh.kubectl(*by_git, given=json.dumps(kept)).must()
    try:
        yield
    finally:
        entries = mesh.get("servicemesh", "default", "--show-managed-fields")["metadata"]["managedFields"]
        mine = [entry for entry in entries if entry["manager"] != "argocd-controller"]
        patch = [{"op": "replace", "path": "/metadata/managedFields", "value": mine}]
        mesh.kubectl("patch", "smesh", "default", "--type=json", "-p", json.dumps(patch)).must()


def _findings(mesh: Cluster) -> set[str]:
    """As an administrator: a viewer may not ask istiods."""
    return {finding["code"] for finding in findings(mesh.run(*PILOTAGE, "check", "-o", "json"))}


def _since(mesh: Cluster) -> datetime:
    """When the soak began, the beginning of time where none is kept."""
    removal = resource(mesh).get("status", {}).get("removal")
    return _moment(removal["since"]) if removal else datetime.min.replace(tzinfo=UTC)


def _now(mesh: Cluster) -> str:
    """By the clock of the operator: the newest of its Events."""
    newest = max(event["eventTime"] for event in events(mesh, "Canary"))
    return str(newest)


def _after(event: Obj, moment: str) -> bool:
    return _moment(event["eventTime"]) >= _moment(moment)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
