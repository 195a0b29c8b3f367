"""Pilotages that run beside a test: watched, suspended, killed. Used by e2e tests."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from harness import PILOTAGE, Cluster


class Process:
    """One of them, and what it has said so far on standard error."""

    def __init__(self, mesh: Cluster, log: Path, *words: str) -> None:
        self._log = log
        with log.open("w") as told:
            env = mesh.environment_of(*words)
            self.child = subprocess.Popen([*PILOTAGE, *words], stdin=subprocess.DEVNULL, stderr=told, env=env)
        self.pid = self.child.pid

    @property
    def said(self) -> str:
        return self._log.read_text()

    def suspend(self) -> None:
        self.child.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self.child.send_signal(signal.SIGCONT)


@contextmanager
def started(mesh: Cluster, *words: str) -> Iterator[Process]:
    """Killed at the end, if it has not ended by then."""
    with TemporaryDirectory() as folder:
        process = Process(mesh, Path(folder) / "log", *words)
        try:
            yield process
        finally:
            process.child.kill()
            process.child.wait()
