"""kill -9 in the middle of a verb, then the same verb again: it ends where it would have ended."""

import re
from collections.abc import Callable, Iterator

import pytest

from harness import CANARY, MESH, STABLE, Cluster, eventually, sandbox

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def mesh() -> Iterator[Cluster]:
    with sandbox("kills") as made:
        made.enable().must()
        yield made


def _has(kind: str, name: str, namespace: str = "") -> Callable[[Cluster], bool]:
    return lambda mesh: name in mesh.names(kind, namespace)


def _lacks(kind: str, name: str, namespace: str = "") -> Callable[[Cluster], bool]:
    return lambda mesh: name not in mesh.names(kind, namespace)


_INJECTORS = "mutatingwebhookconfigurations"
_STARTED = [
    pytest.param(_has("serviceaccounts", f"istiod-{CANARY}", MESH), id="once-its-account-is-there"),
    pytest.param(_has("deployments", f"istiod-{CANARY}", MESH), id="once-its-deployment-is-there"),
    pytest.param(_has(_INJECTORS, f"istio-sidecar-injector-{CANARY}-{MESH}"), id="once-its-webhook-is-there"),
]


def _removed(revision: str) -> list[Callable[[Cluster], bool]]:
    return [
        _lacks(_INJECTORS, f"istio-sidecar-injector-{revision}-{MESH}"),
        _lacks("deployments", f"istiod-{revision}", MESH),
    ]


@pytest.mark.parametrize("seen", _STARTED)
def test_a_start_that_was_killed_goes_on_when_run_again(mesh: Cluster, seen: Callable[[Cluster], bool]) -> None:
    _kill(mesh, seen, "upgrade", "start", "--revision", CANARY)
    mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    _expect_whole(mesh, CANARY)
    mesh.pilotage("upgrade", "rollback", "--yes").must()
    _expect_gone(mesh, CANARY)


@pytest.mark.parametrize("at", [0, 1], ids=["once-its-webhooks-are-gone", "once-its-deployment-is-gone"])
def test_a_rollback_that_was_killed_goes_on_when_run_again(mesh: Cluster, at: int) -> None:
    mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    _kill(mesh, _removed(CANARY)[at], "upgrade", "rollback", "--yes")
    _again(mesh, "rollback")
    _expect_gone(mesh, CANARY)
    _expect_whole(mesh, STABLE)


def test_a_half_done_start_can_be_rolled_back(mesh: Cluster) -> None:
    _kill(mesh, _has("deployments", f"istiod-{CANARY}", MESH), "upgrade", "start", "--revision", CANARY)
    mesh.pilotage("upgrade", "rollback", "--yes").must()
    _expect_gone(mesh, CANARY)
    _expect_whole(mesh, STABLE)


def test_a_resource_deleted_during_a_canary_is_taken_back_with_both_revisions(mesh: Cluster) -> None:
    mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    mesh.kubectl("delete", "servicemesh", "default").must()
    mesh.pilotage("enable", "--profile", "aks", "--charts", str(mesh.assets["charts"])).must()
    entries = mesh.get("smesh", "default")["spec"]["revisions"]
    assert [entry["name"] for entry in entries] == [STABLE, CANARY]
    _expect_whole(mesh, STABLE)
    _expect_whole(mesh, CANARY)
    mesh.pilotage("upgrade", "rollback", "--yes").must()


@pytest.mark.parametrize("at", [0, 1], ids=["once-its-webhooks-are-gone", "once-its-deployment-is-gone"])
def test_a_complete_that_was_killed_goes_on_when_run_again(at: int) -> None:
    with sandbox(f"complete-{at}") as mesh:
        mesh.enable().must()
        mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
        _kill(mesh, _removed(STABLE)[at], "upgrade", "complete", "--yes")
        _again(mesh, "complete")
        _expect_gone(mesh, STABLE)
        _expect_whole(mesh, CANARY)


def _kill(mesh: Cluster, seen: Callable[[Cluster], bool], *words: str) -> None:
    """Starts the verb and kills it, without a chance to tidy up, as soon as the cluster shows a sign of its work."""
    process = mesh.start(*words)
    try:
        eventually(f"{' '.join(words)} got that far", lambda: seen(mesh))
    finally:
        process.kill()
        process.communicate()


def _again(mesh: Cluster, verb: str) -> None:
    """Done, or refused because the killed one had already ended its work."""
    result = mesh.pilotage("upgrade", verb, "--yes")
    assert result.code == 0 or re.search("only one revision is installed", result.err), result


def _expect_whole(mesh: Cluster, revision: str) -> None:
    shown = mesh.pilotage("status", "-o", "json").must().document
    (row,) = [row for row in shown["revisions"] if row["name"] == revision]
    assert row["istiod"]["available"] >= 1
    found = {finding["code"] for finding in mesh.pilotage("check", "-o", "json").document["findings"]}
    assert not found & {"WebhookDangling", "CABundleEmpty", "IstiodNotAvailable"}


def _expect_gone(mesh: Cluster, revision: str) -> None:
    eventually(f"no pod of {revision}", lambda: not mesh.names("pods", MESH, f"istio.io/rev={revision}"))
    for kind in ("deployments", "services", "configmaps", "serviceaccounts", "leases", "hpa", "pdb"):
        assert not {name for name in mesh.names(kind, MESH) if name.endswith(revision)}, kind
    for kind in (_INJECTORS, "validatingwebhookconfigurations"):
        assert not mesh.names(kind, labels=f"istio.io/rev={revision}"), kind
