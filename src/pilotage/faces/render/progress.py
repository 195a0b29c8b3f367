"""A plan as it goes on: live on a terminal that can, else timestamped lines on change; nothing with -o json|yaml.

Used by every verb that follows something, as a context manager. Writes to stderr: stdout holds the answer only.
"""

import sys
from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from types import TracebackType
from typing import Any

import click

from pilotage.domain.actions import Delete, Plan
from pilotage.faces.render.findings import dumb

_SHOWN = 6  # lines of one kind before "and N more"


class Progress:
    """`title` is the verb in the user's words, as in `upgrade start asm-1-31`."""

    def __init__(self, title: str, output: str = "table") -> None:
        self.title = title
        self.silent = output != "table"
        self.started = monotonic()
        self._live: Any = None
        self._spinner: Any = None
        self._last: list[str] = []

    def __enter__(self) -> "Progress":
        if not self.silent and sys.stderr.isatty() and not dumb():
            from rich.console import Console
            from rich.live import Live
            from rich.spinner import Spinner

            self._spinner = Spinner("dots")
            self._live = Live(console=Console(stderr=True), get_renderable=self._picture, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, plan: Plan) -> None:
        """Show where `plan` is: what is written now, what is waited for and why, what comes later."""
        self.show(plan_lines(plan))

    def show(self, lines: Sequence[str]) -> None:
        """The current state in lines; off a terminal only those that are new are printed."""
        new = [line for line in lines if line not in self._last]
        self._last = list(lines)
        if self._live is None and not self.silent:
            for line in new:
                self.say(line)

    def say(self, line: str) -> None:
        """One line that stays."""
        if self.silent:
            return
        if self._live is not None:
            self._live.console.print(line, markup=False, highlight=False)
        else:
            click.echo(f"{datetime.now().astimezone():%H:%M:%S} {line}", err=True)

    def _picture(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        minutes, seconds = divmod(int(monotonic() - self.started), 60)
        self._spinner.update(text=Text(f"{self.title}  {minutes}:{seconds:02d}", style="bold"))
        return Group(self._spinner, *(Text(f"  {line}") for line in self._last))


def plan_lines(plan: Plan) -> list[str]:
    """`Plan` in a few lines: phase, writes, waits with their causes, then the rest of the way."""
    writes = [f"{'delete' if isinstance(each, Delete) else 'write'} {each.ref}: {each.why}" for each in plan.now]
    waits = [f"waiting for {wait.subject}: {wait.cause}" for wait in plan.waits]
    later = [f"then {step}" for step in plan.later]
    return [plan.phase, *_short(writes), *_short(waits), *_short(later)]


def _short(lines: list[str]) -> list[str]:
    rest = len(lines) - _SHOWN
    return lines if rest <= 0 else [*lines[:_SHOWN], f"… and {rest} more"]
