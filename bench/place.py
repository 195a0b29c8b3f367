"""Where the bench measures: a sandbox of its own with a mesh on asm-1-30. Commands are the installed ones."""

import os
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

NAME: Final = "bench"
MESH: Final = "aks-istio-system"
STABLE, CANARY = "asm-1-30", "asm-1-31"
_TODAY: Final = "2026-10-20"  # a day on which both minors are supported
_SCRIPTS: Final = Path(sysconfig.get_path("scripts"))


class Place:
    """The sandbox and the environment that commands run in."""

    def __init__(self, name: str = NAME) -> None:
        self.name = name
        self.environment = dict(os.environ) | {"PATH": f"{_SCRIPTS}{os.pathsep}{os.environ['PATH']}"}
        self.assets: dict[str, str] = {}

    def run(self, *words: str) -> float:
        """Seconds that a command took. Ends the bench where it fails."""
        started = time.perf_counter()
        done = subprocess.run(
            words, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - started
        if done.returncode != 0:
            sys.exit(f"bench: {' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return seconds

    def answer(self, *words: str) -> str:
        return subprocess.check_output(words, env=self.environment, text=True).strip()

    def up(self) -> float:
        """An empty sandbox; seconds until it was ready."""
        self.down()
        seconds = self.run("pilotage-sandbox", "up", "--name", self.name)
        kubeconfig = self.answer("pilotage-sandbox", "kubeconfig", "--name", self.name)
        self.environment |= {"KUBECONFIG": kubeconfig, "PILOTAGE_TODAY": _TODAY}
        lines = self.answer("pilotage-sandbox", "assets").splitlines()
        self.assets = dict(line.split("\t", 1) for line in lines)
        return seconds

    def down(self) -> None:
        self.run("pilotage-sandbox", "down", "--name", self.name)

    def enable(self) -> None:
        charts = self.assets["charts"]
        self.run("pilotage", "enable", "--revision", STABLE, "--profile", "aks", "--charts", charts)


def medians(rounds: int, *measures: Callable[[], float]) -> Sequence[float]:
    """The median of each; they take turns, so that a busy moment of the machine hits all alike."""
    taken = [[measure() for measure in measures] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


def until(what: str, holds: Callable[[], bool], patience: float = 120.0, *, pause: float = 0.05) -> None:
    """Awaits a condition, looking every `pause` seconds. Ends the bench where it is not seen in `patience` seconds."""
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: not seen within {patience:g} s: {what}")
        time.sleep(pause)
