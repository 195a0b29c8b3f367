"""What a user, a script or a pipe can do wrong before any cluster is asked."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pilotage import data

CATALOG = Path(data.__file__).with_name("catalog.yaml")
COMMAND = [sys.executable, "-c", "from pilotage.faces.cli.main import main; main()"]


def pilotage(*args: str, stdin: str | None = "", **env: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key not in ("KUBECONFIG", "PILOTAGE_TODAY")}
    return subprocess.run(
        [*COMMAND, *args], input=stdin, capture_output=True, text=True, timeout=60, env={**clean, "HOME": "/", **env}
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tagg"], "No such command 'tagg'. Did you mean 'tag'?"),
        (["tag", "sett"], "No such command 'sett'. Did you mean 'set'?"),
        (["rollback"], "No such command 'rollback'. Did you mean 'upgrade rollback'?"),
        (["xyzzy"], "No such command 'xyzzy'. Next: "),
        (["help", "upgrade", "strat"], "Did you mean 'start'?"),
        (["help", "status", "now"], "status has no verbs below it"),
        (["status", "--frobnicate"], "No such option"),
        (["status", "-o", "toml"], "'toml' is not one of"),
        (["status", "--request-timeout", "soon"], "'soon' is not a duration"),
        (["status", "--request-timeout", "-5s"], "'-5s' is not a duration"),
        (["status", "--today", "2026-13-01"], "'2026-13-01' is not a day"),
        (["status", "--today", "9999-12-31"], "'9999-12-31' is not a day"),
        (["status", "--catalog", "/no/such/file"], "does not exist"),
        (["status", "--catalog", "/"], "'/' is no file"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
        (["restart", "-n"], "requires an argument. Next: -c restart --help"),
        (["enable", "--revision", ""], "Invalid value for '-r' / '--revision': it is empty"),
        (["restart", "--all", "-n", ""], "Invalid value for '-n' / '--namespace': it is empty"),
        (["restart", "--not-on="], "Invalid value for '--not-on': it is empty"),
        (["upgrade", "start", "-r", "asm-1-31", "--copy-mesh-config", "--without-mesh-config"], "exclude each other"),
        (["namespace", "move", "-l", "a=b,,", "--to", "prod"], "'a=b,,' is not a label selector such as team=shop"),
        (["drift", "-l", "a in (b"], "'a in (b' is not a label selector"),
        (["drift", "-l", ""], "Invalid value for '-l' / '--selector': it is empty"),
        (["tag", "set", "prod"], "-r"),
        (["tag", "set", "-r", "asm-1-31"], "must provide a tag for modification"),
        (["tag", "set", "one", "two", "-r", "asm-1-31"], "must provide a single tag for creation"),
        (["tag", "remove"], "must provide a tag for removal"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_malformed_line_is_one_clear_line_and_exit_2(words: list[str], says: str) -> None:
    answer = pilotage(*words)
    assert answer.returncode == 2
    assert says in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert "Traceback" not in answer.stderr
    assert "--help" in answer.stderr


def test_no_kubeconfig_is_exit_2_and_says_what_to_set(tmp_path: Path) -> None:
    answer = pilotage("tag", "list", HOME=str(tmp_path))
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    "asked", [["--context", "gone"], ["--kubeconfig", "/no/such/file", "--catalog", str(CATALOG)]], ids=" ".join
)
def test_a_cluster_that_is_asked_for_must_be_there_also_where_none_is_needed(asked: list[str], tmp_path: Path) -> None:
    answer = pilotage("get-revisions", *asked, HOME=str(tmp_path))
    assert (answer.returncode, answer.stdout) == (2, "")


def test_a_short_option_may_have_an_equals_sign(tmp_path: Path) -> None:
    answer = pilotage("get-revisions", "-o=json", HOME=str(tmp_path))
    assert json.loads(answer.stdout)["meshRevisions"], answer.stderr


def test_a_kubeconfig_that_is_not_yaml_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "config"
    bad.write_text("\tclusters: [")
    answer = pilotage("tag", "list", "--kubeconfig", str(bad))
    assert answer.returncode in (2, 3)
    assert str(bad) in answer.stderr
    assert "Traceback" not in answer.stderr


def test_an_api_server_that_is_not_there_is_exit_1(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
        "contexts: [{name: a, context: {cluster: a, user: a}}]\n"
        "clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: a, user: {token: x}}]\n"
    )
    answer = pilotage("tag", "list", "--kubeconfig", str(config), "--request-timeout", "2s")
    assert answer.returncode == 1
    assert "127.0.0.1:1" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_with_json_an_error_is_json_too() -> None:
    answer = pilotage("status", "--frobnicate", "-o", "json")
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert json.loads(answer.stderr)["error"]["code"] == "Usage"


@pytest.mark.parametrize("words", [[], ["tag"], ["mesh-config"], ["upgrade"], ["--help"]], ids=" ".join)
def test_without_a_verb_it_helps_and_succeeds(words: list[str]) -> None:
    answer = pilotage(*words)
    assert answer.returncode == 0
    assert answer.stdout.startswith("Usage:")


@pytest.mark.parametrize("words", [[], ["status"], ["tag"], ["upgrade", "start"]], ids=" ".join)
def test_help_may_come_first(words: list[str]) -> None:
    asked, flagged = pilotage("help", *words), pilotage(*words, "--help")
    assert (asked.returncode, asked.stdout) == (0, flagged.stdout)


def test_a_reader_that_leaves_early_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    answer = subprocess.run([*COMMAND, "--help"], stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert answer.stderr == b""
    assert answer.returncode == 0


def test_an_error_nobody_reads_keeps_its_exit_code() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    answer = subprocess.run([*COMMAND, "nonsense"], stdout=writer, stderr=writer, timeout=60)
    os.close(writer)
    assert answer.returncode == 2


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error_of_a_verb(closed: str, tmp_path: Path) -> None:
    for words, code in (("get-revisions", 0), ("nonsense", 2)):
        line = f"{shlex.join([*COMMAND, words])} {closed}"
        answer = subprocess.run(["sh", "-c", line], env=os.environ | {"HOME": str(tmp_path)}, capture_output=True)
        assert answer.returncode == code
        assert b"Traceback" not in answer.stderr


def test_a_terminal_of_few_letters_gets_what_it_has() -> None:
    answer = pilotage("enable", "--help", PYTHONIOENCODING="latin-1")
    assert answer.returncode == 0, answer.stderr
    assert "FOLDER|oci://?" in answer.stdout
