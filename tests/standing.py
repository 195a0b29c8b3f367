"""A standing `pilotage operator` as its watchers see it: its log, its probes, its metrics."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from harness import PILOTAGE, Cluster, Obj, eventually


class Operator(NamedTuple):
    """A running one. `log`: where its stderr goes."""

    log: Path

    def lines(self) -> list[Obj]:
        """Whole lines only: the last may still be written."""
        return [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def said(self, event: str) -> list[Obj]:
        return [line for line in self.lines() if line["event"] == event]

    @property
    def listens(self) -> str:
        """Its address, "" before it has one."""
        return next((str(line["listens"]) for line in self.said("started")), "")

    def ask(self, path: str) -> str:
        """The answer, which must be 200."""
        address = eventually("the operator serves", lambda: self.listens)
        with urlopen(f"http://{address}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def metric(self, series: str) -> float | None:
        """`pilotage_mesh_phase{phase="Canary"}` -> its value, None where it is not there."""
        found = re.search(rf"(?m)^{re.escape(series)} (.+)$", self.ask("/metrics"))
        return float(found[1]) if found else None

    def leads(self) -> bool:
        return self.metric("pilotage_leader") == 1


@contextmanager
def operator(cluster: Cluster, log: Path) -> Iterator[Operator]:
    """On a port of the system's choice; stopped as a Deployment would stop it."""
    words = [*PILOTAGE, "operator", "--listen", "127.0.0.1:0"]
    with log.open("wb") as err:
        env = cluster.environment_of("operator")
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=err, env=env)
    try:
        yield Operator(log)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=60)
    assert code == 0, log.read_text()
