"""Questions to a person. Never waits for an answer that cannot come."""

import select
import sys

import click

from pilotage.domain.errors import Refused

_PIPED = 1.0  # seconds for an answer that a pipe is expected to hold already, as in `yes | pilotage …`


def confirm(question: str, yes: bool, flag: str = "--yes") -> None:
    """Return if the answer is yes; the default is no. Raises Refused when declined or when nobody can answer."""
    if yes:
        return
    click.echo(f"{question} [y/N] ", err=True, nl=False)
    if _answer(flag).strip().lower() not in ("y", "yes"):
        raise Refused(
            "declined: nothing was changed", fix=f"the same command with {flag}, to go on without being asked"
        )


def _answer(flag: str) -> str:
    try:
        if sys.stdin.isatty() or select.select([sys.stdin], [], [], _PIPED)[0]:
            line = sys.stdin.readline()
            if line:
                return line
    except (AttributeError, OSError, ValueError):
        pass  # closed, or not a file at all: nobody can answer
    click.echo("", err=True)
    raise Refused("nobody can answer here: nothing was changed", fix=f"the same command with {flag}")
