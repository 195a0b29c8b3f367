"""The one place where errors become exit codes and text. Called by `main` with the arguments as typed.

0 done · 1 failed, unreachable or timed out · 2 usage or no kubeconfig · 3 refused · 4 `--fail-on` · 130 Ctrl-C.
"""

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from pilotage.domain.errors import MeshError, NoCluster, Refused, TimedOut
from pilotage.domain.findings import Finding
from pilotage.faces.cli.session import Session

COMPLETE = "_PILOTAGE_COMPLETE"  # set by the script that `completion` prints
TRACEBACK = "PILOTAGE_TRACEBACK"


class Failure(NamedTuple):
    """What one error becomes: `code` for machines, then words."""

    status: int
    code: str
    message: str
    fix: str = ""
    findings: tuple[Finding, ...] = ()


def run(cli: click.Command, argv: Sequence[str]) -> int:
    """Parse, run, print; the exit code. Raises nothing."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # Python's warnings are for developers
    program = _program(argv[0])
    try:
        code = _invoke(cli, program, list(argv[1:]))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read us has read enough; progress goes to stderr, so the work itself is done.
        _silence()
        return 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001, the last place before a traceback
        if os.environ.get(TRACEBACK):
            raise
        return _say(failure(error, program), _json_wanted(argv))


def failure(error: BaseException, program: str) -> Failure:
    """The table from error to exit code and words."""
    match error:
        case KeyboardInterrupt():
            return Failure(130, "Interrupted", "interrupted", "pilotage status")
        case click.ClickException():
            context = getattr(error, "ctx", None)
            path = context.command_path if context else program  # the parser knows no context
            return Failure(2, "Usage", " ".join(error.format_message().split()), f"{path} --help")
        case Refused():
            return Failure(3, type(error).__name__, str(error), error.fix, error.findings)
        case NoCluster():
            return Failure(2, "NoCluster", str(error))
        case TimedOut():
            return Failure(1, type(error).__name__, str(error), "pilotage status; the same command again goes on")
        case MeshError():
            return Failure(1, type(error).__name__, str(error))
        case OSError():
            return Failure(1, "System", str(error))
        case _:
            words = f"unexpected {type(error).__name__}: {error}"
            return Failure(1, "Internal", words, f"the same command with {TRACEBACK}=1 shows where")


def _invoke(cli: click.Command, program: str, args: list[str]) -> int:
    if instruction := os.environ.get(COMPLETE):
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, program, COMPLETE, instruction)
    try:
        with cli.make_context(program, args, obj=Session()) as context:
            answer = cli.invoke(context)
        return answer if isinstance(answer, int) else 0
    except click.exceptions.NoArgsIsHelpError as wanted:
        click.echo(wanted.format_message())
        return 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except (click.Abort, EOFError) as stopped:
        raise KeyboardInterrupt from stopped


def _program(path: str) -> str:
    """As it was called: `pilotage`, or `kubectl pilotage`."""
    name = Path(path).name.replace("__main__.py", "pilotage")
    return name.replace("kubectl-", "kubectl ", 1) if name.startswith("kubectl-") else name


def _say(what: Failure, as_json: bool) -> int:
    try:
        if as_json:
            click.echo(_json(what), err=True)
        else:
            _print(what)
    except BrokenPipeError:
        _silence()
    return what.status


def _print(what: Failure) -> None:
    from pilotage.faces.render.findings import text

    same = [finding for finding in what.findings if finding.message == what.message]
    for line in text(finding for finding in what.findings if finding not in same):
        click.echo(line, err=True)
    line = f"Error: {what.message}"
    if what.fix:
        line = f"{line.rstrip('.')}{'' if line.endswith('?') else '.'} Next: {what.fix}"
    click.echo(line, err=True)
    for finding in same:
        click.echo(f"Docs: {finding.page}", err=True)


def _json(what: Failure) -> str:
    from pilotage.faces.render.emit import json_text
    from pilotage.faces.render.findings import document

    findings = [document(finding) for finding in what.findings]
    return json_text({"error": {"code": what.code, "message": what.message, "fix": what.fix, "findings": findings}})


def _json_wanted(argv: Sequence[str]) -> bool:
    """Read from the raw words: an error may come before they could be parsed."""
    if {"-ojson", "-o=json", "--output=json"}.intersection(argv):
        return True
    return any(pair in (("-o", "json"), ("--output", "json")) for pair in zip(argv, argv[1:], strict=False))


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
