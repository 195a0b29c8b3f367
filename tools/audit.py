"""What an API server was asked, by its audit log: the one reader of it, for tests, `make soak` and `make bench`.

What verbs ask for, as rights, is told by `tools.rbac.calls`.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

_WRITES: Final = ("create", "update", "patch", "delete", "deletecollection")
_QUESTION: Final = "reviews"  # subjectaccessreviews, tokenreviews and their like are asked by create
_AGENT: Final = "pilotage ("  # then host:pid)
LEASE: Final = "leases.coordination.k8s.io"


class Request(NamedTuple):
    """`resource` as kubectl writes it, as in `deployments.apps` or `servicemeshes.pilotage.dev/status`.

    `at` and `answered`: when it was received and when its answer was sent. `wrote`: it changed the cluster.
    """

    at: datetime
    answered: datetime
    user: str
    agent: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int
    wrote: bool

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.namespace}/{self.name}".replace(" /", " ")

    @property
    def thing(self) -> str:
        """`deployments.apps/istiod-asm-1-31`."""
        return f"{self.resource}/{self.name}"

    @property
    def renewal(self) -> bool:
        """Of the Lease under which Pilotage writes. One that is created has no name in the log."""
        return self.resource == LEASE and self.name in ("pilotage", "")

    @property
    def ours(self) -> bool:
        """By a Pilotage, whoever ran it."""
        return self.agent.startswith(_AGENT)

    def by(self, pid: int) -> bool:
        """By the Pilotage of this process."""
        return self.ours and self.agent.endswith(f":{pid})")


def requests(log: Path, user: str = "") -> Iterator[Request]:
    """Each request of `user`, or of all, once, in the order of answers."""
    with log.open() as lines:
        yield from parse(lines, user)


def parse(lines: Iterable[str], user: str = "") -> Iterator[Request]:
    """As `requests`, of lines of a log. One that was refused, or tried only, wrote nothing."""
    told = set()
    for event in _of(lines, user):
        ended = event["stage"] == "ResponseComplete"
        # A watch ends when it is over, which may be long after it was asked.
        if event["auditID"] in told or not (ended or event["stage"] == "ResponseStarted"):
            continue
        told.add(event["auditID"])
        yield _request(event)


def noise(found: Iterable[Request]) -> list[Request]:
    """Writes but those of Leases, which are the heartbeat."""
    return [request for request in found if request.wrote and request.resource != LEASE]


def _of(lines: Iterable[str], user: str) -> Iterator[dict[str, Any]]:
    for line in lines:
        if user in line and line.endswith("\n"):  # the last may be half written
            event: dict[str, Any] = json.loads(line)
            if user in ("", event["user"]["username"]):
                yield event


def _request(event: dict[str, Any]) -> Request:
    what = event.get("objectRef", {})
    resource = ".".join(part for part in (what.get("resource", event["requestURI"]), what.get("apiGroup", "")) if part)
    resource += f"/{what['subresource']}" if "subresource" in what else ""
    return Request(
        datetime.fromisoformat(event["requestReceivedTimestamp"]),
        datetime.fromisoformat(event["stageTimestamp"]),
        event["user"]["username"],
        event.get("userAgent", ""),
        event["verb"],
        resource,
        what.get("namespace", ""),
        what.get("name", ""),
        event.get("responseStatus", {}).get("code", 0),
        _wrote(event, what),
    )


def _wrote(event: dict[str, Any], what: dict[str, Any]) -> bool:
    tried = "dryRun=All" in event["requestURI"] or what.get("resource", "").endswith(_QUESTION)
    connects = what.get("subresource") == "portforward"
    done = 200 <= event.get("responseStatus", {}).get("code", 0) < 300
    return event["verb"] in _WRITES and done and not tried and not connects
