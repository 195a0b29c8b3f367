"""Live traffic while something else is done: `pilotage-sandbox traffic` in the background. For tests and benches."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pilotage_sandbox.errors import Trouble

_TRAFFIC = (sys.executable, "-m", "pilotage_sandbox.cli", "traffic")
_LAST_WORDS = 60.0  # seconds


class Flow:
    """One run of the traffic; figures are those of `tally.Tally.report`."""

    def __init__(self, process: "subprocess.Popen[str]", report: Path) -> None:
        self._process, self._report = process, report

    @property
    def figures(self) -> dict[str, Any]:
        """Until now; {} before the first answer. Raises Trouble where the traffic has ended by itself."""
        if self._process.poll() is not None:
            raise Trouble(f"the traffic has ended with code {self._process.returncode}")
        return dict(json.loads(self._report.read_text())) if self._report.exists() else {}

    def reached(self, pods: set[str]) -> bool:
        """Whether answers came through each of these, of which there must be one."""
        answers = self.figures.get("answers", {})
        return bool(pods) and pods <= answers.keys()

    def end(self) -> dict[str, Any]:
        """Stop; the figures of all of it."""
        self._process.send_signal(signal.SIGTERM)
        out, _ = self._process.communicate(timeout=_LAST_WORDS)
        return dict(json.loads(out))


@contextmanager
def flowing(sandbox: str, service: str, drain: float) -> Iterator[Flow]:
    """Traffic through `service` (NAMESPACE/NAME), whose gateways are configured to drain for `drain` seconds."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "figures.json"
        words = ["--name", sandbox, "--service", service, "--drain", str(drain), "--report", str(report)]
        with subprocess.Popen([*_TRAFFIC, *words, "-o", "json"], stdout=subprocess.PIPE, text=True) as process:
            try:
                yield Flow(process, report)
            finally:
                process.kill()
