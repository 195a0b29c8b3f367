"""What a running process costs, by /proc. Used by figures of the operator."""

import os
import threading
from pathlib import Path

_EVERY = 0.02  # seconds between looks for a peak


def resident(pid: int) -> float:
    """MiB of a process and its children, 0 where it has ended. What they share is counted for each."""
    return sum(map(_resident, [pid, *_children(pid)]))


def _resident(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def cpu_seconds(pid: int) -> float:
    """Of the processor, so far, by a process and its children, those that ended included."""
    return sum(map(_cpu_seconds, [pid, *_children(pid)]))


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


class Peak:
    """The most that a process and its children held at once, MiB, from when it is entered."""

    def __init__(self, pid: int) -> None:
        self._pid, self._over = pid, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.most = 0.0

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_EVERY):
            self.most = max(self.most, resident(self._pid))


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
