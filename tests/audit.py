"""What a test's API server was asked from some moment on. Used by e2e tests; the log is read by `tools.audit`."""

from pathlib import Path

from tools.audit import Request, parse

from harness import Cluster


def log_of(cluster: Cluster) -> Path:
    return cluster.kubeconfig.parent / "logs" / "audit.log"


class Audit:
    """What the log tells from now on, in the order of answers."""

    def __init__(self, cluster: Cluster) -> None:
        self._path = log_of(cluster)
        self._offset = self._path.stat().st_size
        self._told: list[Request] = []

    def told(self) -> list[Request]:
        with self._path.open("rb") as log:
            log.seek(self._offset)
            whole, end, _ = log.read().rpartition(b"\n")
        self._offset += len(whole + end)
        self._told += parse((whole + end).decode().splitlines(keepends=True))
        return self._told

    def written(self, *, renewals: bool = False) -> list[Request]:
        """What Pilotage changed, by whichever process."""
        return [asked for asked in self.told() if asked.ours and asked.wrote and (renewals or not asked.renewal)]
