"""Answers, interrupts and progress, with a terminal and without."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pilotage.domain.actions import Plan, Wait
from pilotage.faces.render.progress import Progress

ASKS = """
import sys, click
from pilotage.faces.cli.ask import confirm
from pilotage.faces.cli.run import run

@click.command()
def verb():
    confirm("Remove it?", False)
    click.echo("done")

sys.exit(run(verb, ["pilotage"]))
"""


@pytest.fixture
def terminal() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A verb that asks, on a terminal of its own: (the terminal's other end, the process), once it has asked."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", ASKS], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    while b"[y/N]" not in seen:
        seen += os.read(ours, 1000)
    yield ours, process
    process.kill()
    process.wait()
    os.close(ours)


@pytest.mark.parametrize(("typed", "code"), [(b"y\n", 0), (b"yes\n", 0), (b"n\n", 3), (b"\n", 3), (b"what\n", 3)])
def test_only_yes_is_yes(terminal: tuple[int, subprocess.Popen[bytes]], typed: bytes, code: int) -> None:
    ours, process = terminal
    os.write(ours, typed)
    assert process.wait(timeout=60) == code


def test_ctrl_c_at_a_question_is_130_without_a_traceback(terminal: tuple[int, subprocess.Popen[bytes]]) -> None:
    ours, process = terminal
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert b"Traceback" not in os.read(ours, 10000)


@pytest.mark.parametrize(("given", "code"), [("y\n", 0), ("n\n", 3), ("", 3)], ids=["yes", "no", "nothing"])
def test_an_answer_may_come_through_a_pipe(given: str, code: int) -> None:
    answer = subprocess.run([sys.executable, "-c", ASKS], input=given, capture_output=True, text=True, timeout=60)
    assert answer.returncode == code
    assert "Traceback" not in answer.stderr


def test_a_pipe_that_never_speaks_is_not_waited_for() -> None:
    reader, writer = os.pipe()
    answer = subprocess.run([sys.executable, "-c", ASKS], stdin=reader, capture_output=True, text=True, timeout=60)
    os.close(writer)
    os.close(reader)
    assert answer.returncode == 3
    assert "nobody can answer here" in answer.stderr
    assert "--yes" in answer.stderr


def test_off_a_terminal_progress_prints_a_line_only_when_it_is_new(capsys: pytest.CaptureFixture[str]) -> None:
    waits = (Wait("Deployment istiod-1-31", "0 of 1 available"),)
    with Progress("upgrade start 1-31") as progress:
        progress.update(Plan("Installing", waits=waits))
        progress.update(Plan("Installing", waits=waits))
        progress.update(Plan("Canary"))
    lines = [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["Installing", "waiting for Deployment istiod-1-31: 0 of 1 available", "Canary"]


def test_for_machines_progress_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("upgrade start 1-31", "json") as progress:
        progress.update(Plan("Installing"))
        progress.say("hello")
    assert capsys.readouterr() == ("", "")


SHOWS = """
import click
from pilotage.domain.actions import Plan
from pilotage.domain.findings import Finding
from pilotage.faces.render.findings import text
from pilotage.faces.render.progress import Progress

with Progress("upgrade start 1-31") as progress:
    progress.update(Plan("Installing"))
for line in text([Finding("NoOperator", "no operator runs here")]):
    click.echo(line)
"""


@pytest.mark.parametrize(("kind", "plain"), [("xterm", False), ("dumb", True)])
def test_a_dumb_terminal_gets_plain_lines(kind: str, plain: bool) -> None:
    ours, theirs = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"TERM": kind}
    with subprocess.Popen([sys.executable, "-c", SHOWS], stdout=theirs, stderr=theirs, env=environment) as process:
        assert process.wait(timeout=60) == 0
    os.close(theirs)
    said = os.read(ours, 10000).decode()
    os.close(ours)
    assert "Installing" in said
    assert "NoOperator" in said
    assert ("\x1b" not in said) == plain
