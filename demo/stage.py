"""A terminal to show things on: prints a command as a user would type it, then really runs it. Called by `__main__`."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from string import Template
from typing import Final, NoReturn

_BOLD, _DIM, _PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")
REFUSED: Final = 3  # pilotage's exit code for "you must change something first"


class Beside:
    """A command that runs beside the others."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def end(self) -> None:
        """Ask it to end; what it says then is shown."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()


class Stage:
    """`environment`: what the commands run with. Shown words may hold $VARIABLES of it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = dict(os.environ) | environment
        self.started = time.monotonic()

    def title(self, words: str) -> None:
        seconds = time.monotonic() - self.started
        print(f"\n{_BOLD}{words}{_PLAIN} {_DIM}({seconds:.0f} s){_PLAIN}", flush=True)

    def say(self, words: str) -> None:
        print(f"{_DIM}# {words}{_PLAIN}", flush=True)

    def export(self, name: str, value: str) -> None:
        """For this and every later command."""
        self.environment[name] = value
        print(f"{_BOLD}$ export {name}={shlex.quote(value)}{_PLAIN}", flush=True)

    def run(self, line: str, *, code: int = 0) -> None:
        """Shows and runs one command; ends the demo unless its exit code is `code`."""
        print(f"{_BOLD}$ {line}{_PLAIN}", flush=True)
        words = [Template(word).safe_substitute(self.environment) for word in shlex.split(line)]
        done = subprocess.run(words, env=self.environment, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != code:
            self._stop(f"that command ended with exit code {done.returncode}, not {code}")

    @contextmanager
    def beside(self, line: str) -> Iterator[Beside]:
        """Shows a command and starts it; it does not outlive the story."""
        print(f"{_BOLD}$ {line} &{_PLAIN}", flush=True)
        with subprocess.Popen(shlex.split(line), env=self.environment, stdin=subprocess.DEVNULL) as process:
            try:
                yield Beside(process)
            finally:
                process.kill()

    def _stop(self, words: str) -> NoReturn:
        print(f"\ndemo: {words}. The sandbox is still there to look at; remove it with:", file=sys.stderr)
        print("  pilotage-sandbox down --name demo", file=sys.stderr)
        sys.exit(1)
