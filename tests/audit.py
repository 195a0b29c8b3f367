"""The API server's own account of who asked for what and when. Used by e2e tests."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from harness import Cluster

_READ = {"get", "list", "watch"}


class Asked(NamedTuple):
    """One request that was answered. `received` and `answered` are seconds since the epoch."""

    agent: str
    verb: str
    path: str
    dry: bool
    code: int
    received: float
    answered: float

    @property
    def written(self) -> bool:
        """It changed the cluster."""
        asked = self.verb in _READ or self.dry or self.path.endswith("reviews")
        return not asked and self.code < 300

    @property
    def creates(self) -> bool:
        return self.written and self.verb == "create"

    @property
    def renewal(self) -> bool:
        return self.path.endswith("/leases/pilotage") or (self.verb == "create" and self.path.endswith("/leases"))

    def by(self, pid: int) -> bool:
        """Was it a Pilotage of this process?"""
        return self.agent.startswith("pilotage (") and self.agent.endswith(f":{pid})")


class Audit:
    """What the log tells from now on, in the order of answers."""

    def __init__(self, cluster: Cluster) -> None:
        self._path = cluster.kubeconfig.parent / "logs" / "audit.log"
        self._offset = self._path.stat().st_size
        self._told: list[Asked] = []

    def told(self) -> list[Asked]:
        with self._path.open("rb") as log:
            log.seek(self._offset)
            whole, end, _ = log.read().rpartition(b"\n")
        self._offset += len(whole + end)
        self._told += [asked for line in whole.splitlines() for asked in _parse(json.loads(line))]
        return self._told

    def written(self, *, renewals: bool = False) -> list[Asked]:
        """What Pilotage changed, by whichever process."""
        ours = (asked for asked in self.told() if asked.agent.startswith("pilotage ("))
        return [asked for asked in ours if asked.written and (renewals or not asked.renewal)]


def _parse(event: Any) -> Iterator[Asked]:
    if event["stage"] != "ResponseComplete":
        return
    url = urlsplit(event["requestURI"])
    yield Asked(
        event.get("userAgent", ""),
        event["verb"],
        url.path,
        "dryRun" in parse_qs(url.query),
        event["responseStatus"].get("code", 0),
        datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp(),
        datetime.fromisoformat(event["stageTimestamp"]).timestamp(),
    )
