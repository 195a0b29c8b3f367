"""What the command says when something is wrong, without a sandbox being started."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pilotage_sandbox.layout import Layout, alive, take


def sandbox(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pilotage_sandbox.cli", *words],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("up", "--name", "My_Box"), "is no name for a sandbox"),
        (("up", "--name", "../etc"), "is no name for a sandbox"),
        (("status", "--name", "nobody"), "pilotage-sandbox up --name nobody"),
        (("kubeconfig", "--name", "nobody"), "is not there"),
        (("logs", "etcd", "--name", "nobody"), "no log 'etcd'"),
        (("logs", "../../etc/passwd"), "no log"),
    ],
)
def test_a_refusal_is_one_line_that_names_the_cause(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    done = sandbox("--data", str(tmp_path), *words)
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
    assert says in done.stderr


def test_going_down_is_no_failure_where_nothing_is_up(tmp_path: Path) -> None:
    done = sandbox("--data", str(tmp_path), "down", "--name", "nobody")
    assert (done.returncode, done.stdout) == (0, "Sandbox nobody was not there.\n")
    assert list(tmp_path.iterdir()) == []


def test_without_go_and_without_programs_it_says_what_to_install(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for program in ("unshare", "ip", "sh", "mount"):
        (tools / program).symlink_to(shutil.which(program) or program)
    nothing = {"PATH": str(tools), "XDG_CACHE_HOME": str(tmp_path), "PILOTAGE_ASSETS": ""}
    done = sandbox("--data", str(tmp_path / "data"), "up", **nothing)
    assert done.returncode == 3
    assert "Go is needed" in done.stderr


def test_a_sandbox_is_alive_for_as_long_as_somebody_holds_its_lock(tmp_path: Path) -> None:
    place = Layout(tmp_path / "box")
    assert not alive(place)
    held = take(place.lock)
    assert held is not None
    assert alive(place)
    assert take(place.lock) is None
    os.close(held)
    assert not alive(place)
