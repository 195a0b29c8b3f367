"""Bad input and bad worlds on real components: one clear line, the right exit code, never a traceback, never a wait."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from harness import CANARY, MESH, PILOTAGE, STABLE, Cluster, Result, deployment, namespace, sandbox
from scenery import may, staged, user

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def empty() -> Iterator[Cluster]:
    """No Istio, no ServiceMesh, no CRD of it."""
    with sandbox("sc-misuse") as made:
        yield made


@pytest.fixture(scope="module")
def mesh(empty: Cluster) -> Cluster:
    empty.enable().must()
    return empty


def one_line(result: Result, code: int, *words: str) -> None:
    """The exit code, and one line of error with these words in it; findings may stand above it."""
    result.must(code)
    lines = [line for line in result.err.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, result.err
    assert lines[0] in result.err.splitlines()[-2:], result.err
    assert "Traceback" not in result.err
    for word in words:
        assert word in result.err, result.err


@pytest.mark.parametrize("verb", ["upgrade start --revision asm-1-31", "upgrade complete -y", "disable -y"])
def test_without_a_mesh_or_its_crd_verbs_of_intent_say_what_to_do_first(empty: Cluster, verb: str) -> None:
    one_line(empty.pilotage(*verb.split()), 3, "MeshNotEnabled", "pilotage enable")


@pytest.mark.parametrize("verb", ["status", "check", "get-upgrades", "tag list", "get-revisions"])
def test_without_a_mesh_or_its_crd_read_only_verbs_answer(empty: Cluster, verb: str) -> None:
    assert "Traceback" not in empty.pilotage(*verb.split()).must().err


def test_an_istio_that_others_installed_is_left_alone_with_words(empty: Cluster) -> None:
    """It does not run: what counts is that it is there."""
    theirs = deployment("sc-theirs", "istiod", replicas=0, image="docker.io/istio/pilot:1.30.2")
    theirs["metadata"]["labels"] = {"app": "istiod", "istio.io/rev": "theirs"}
    with staged(empty, namespace("sc-theirs"), theirs):
        one_line(empty.enable(), 3, "ForeignControlPlane", "istiod sc-theirs/istiod of revision theirs")
        assert "theirs" in empty.pilotage("status", "-i", "sc-theirs").must().out
        assert "theirs" in empty.pilotage("get-upgrades", "-i", "sc-theirs").must().out
    assert "servicemeshes.pilotage.dev" not in empty.names("crd")
    assert MESH not in empty.names("namespaces")


@pytest.mark.parametrize(
    "revision", ["asm_1_31", "Asm-1-31", "-asm-1-31", "asm-1-31-", "a" * 41, "asm 1 31", "asm-1-31/x", "ásm-1-31"]
)
def test_a_malformed_name_is_refused_as_such(mesh: Cluster, revision: str) -> None:
    one_line(mesh.pilotage("upgrade", "start", "--revision", revision), 3, "cannot be the name of a revision")


@pytest.mark.parametrize("revision", ["asm-1-9", "asm-1-100", "asm-2-0"])
def test_an_unknown_revision_is_named_with_what_is_known(mesh: Cluster, revision: str) -> None:
    one_line(mesh.pilotage("upgrade", "start", "--revision", revision), 3, "in the catalog", "pilotage get-revisions")


@pytest.mark.parametrize("verb", ["upgrade start --revision canary", "enable --revision asm-1-31"])
def test_what_cannot_be_known_or_is_there_already_is_said(mesh: Cluster, verb: str) -> None:
    one_line(mesh.pilotage(*verb.split()), 3, "version" if "canary" in verb else "already enabled")


@pytest.mark.parametrize("verb", ["complete", "rollback"])
def test_there_is_nothing_to_decide_without_a_canary(mesh: Cluster, verb: str) -> None:
    one_line(mesh.pilotage("upgrade", verb, "--yes"), 3, "NoUpgradeInProgress")


def test_a_user_who_may_only_look_can_look_and_is_told_what_is_missing(mesh: Cluster) -> None:
    config = user(mesh, "sc-viewer", may("get,list,watch"))
    for verb in ("status", "check", "get-upgrades", "tag list"):
        assert "Traceback" not in mesh.pilotage(*verb.split(), "--kubeconfig", config).must().err
    started = mesh.pilotage("upgrade", "start", "--revision", CANARY, "--kubeconfig", config)
    one_line(started, 3, "PermissionMissing", "create, patch, delete deployments.apps")
    tagged = mesh.pilotage("tag", "set", "mine", "--revision", STABLE, "--kubeconfig", config)
    one_line(tagged, 3, "may not")
    assert not mesh.names("mutatingwebhookconfigurations", labels="istio.io/tag=mine")


def test_a_user_without_any_right_is_refused_in_one_line(mesh: Cluster) -> None:
    config = user(mesh, "sc-nobody")
    for verb in ("tag list", f"tag set mine --revision {STABLE}", "upgrade complete -y", "restart --all -n default"):
        one_line(mesh.pilotage(*verb.split(), "--kubeconfig", config), 3, "may not")


@pytest.mark.parametrize("verb", ["status", "tag list", "get-upgrades", f"upgrade start --revision {CANARY}"])
def test_an_api_server_that_accepts_and_never_answers_has_a_deadline(mesh: Cluster, tmp_path: Path, verb: str) -> None:
    with _silent(mesh, tmp_path) as (config, place):
        result = mesh.run(*PILOTAGE, *verb.split(), "--kubeconfig", config, "--request-timeout", "1s", timeout=30)
    one_line(result, 1, place)


@pytest.mark.parametrize("words", [["status", "-o", "json"], ["get-revisions"], ["check"]], ids=" ".join)
def test_a_reader_that_leaves_early_is_no_error(mesh: Cluster, words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*PILOTAGE, *words],
            stdout=writer,
            stderr=subprocess.PIPE,
            env=mesh.environment_of(*words),
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr


def test_nobody_is_waited_for_where_nobody_can_answer(mesh: Cluster) -> None:
    """No terminal and an open, empty standard input: the question is put, and the answer is no."""
    silent, kept = os.pipe()
    try:
        done = subprocess.run(
            [*PILOTAGE, "disable"],
            stdin=silent,
            capture_output=True,
            text=True,
            env=mesh.environment_of("disable"),
            timeout=60,
            check=False,
        )
    finally:
        os.close(silent)
        os.close(kept)
    one_line(Result(("disable",), done.returncode, done.stdout, done.stderr), 3, "--yes")
    assert f"istiod-{STABLE}" in mesh.names("deployments", MESH)


def test_an_error_for_a_machine_is_a_document_with_every_finding(mesh: Cluster) -> None:
    refused = mesh.pilotage("upgrade", "start", "--revision", "asm-1-29", "-o", "json").must(3)
    assert refused.out == ""
    error = json.loads(refused.err)["error"]
    assert error["code"] == "Refused"
    assert {"TargetNotOffered", "SupportEnding"} <= {finding["code"] for finding in error["findings"]}
    assert all(finding["page"].startswith("pilotage explain ") for finding in error["findings"])


@contextmanager
def _silent(mesh: Cluster, folder: Path) -> Iterator[tuple[str, str]]:
    """A kubeconfig, and the address in it where a listener takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        config = yaml.safe_load(mesh.kubeconfig.read_text())
        config["clusters"][0]["cluster"] = {"server": f"http://{place}"}
        config["users"][0]["user"] = {}
        path = folder / "config"
        path.write_text(yaml.safe_dump(config))
        yield str(path), place
