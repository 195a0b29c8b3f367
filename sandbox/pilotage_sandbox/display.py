"""What `up` shows while it works, on stderr: one moving line on a terminal, a line per step elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pilotage_sandbox.gotools import Say


@contextmanager
def progress() -> Iterator[Say]:
    """A function to be told texts such as `step: detail`; without a terminal only a new step makes a line."""
    if sys.stderr.isatty():
        from rich.console import Console  # 0.1 s that a script need not wait for

        with Console(stderr=True).status("starting") as line:
            yield line.update
        return
    last = ""

    def say(text: str) -> None:
        nonlocal last
        step = text.split(": ", 1)[0]
        if step != last:
            print(step, file=sys.stderr, flush=True)
            last = step

    yield say
