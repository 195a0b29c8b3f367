"""What one account asked of an API server, by its audit log. Used by `make soak` and by the tests of silence."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

_WRITES: Final = ("create", "update", "patch", "delete", "deletecollection")
_QUESTIONS: Final = ("subjectaccessreviews", "selfsubjectreviews", "tokenreviews")  # asked by create
LEASE: Final = "leases.coordination.k8s.io"


class Request(NamedTuple):
    """`resource` as kubectl writes it, as in `deployments.apps` or `servicemeshes.pilotage.dev/status`."""

    at: datetime
    verb: str
    resource: str
    namespace: str
    name: str
    wrote: bool

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.namespace}/{self.name}".replace(" /", " ")


def requests(log: Path, user: str) -> Iterator[Request]:
    """Each request of `user` once, in order. One that was refused, or tried only, wrote nothing."""
    told = set()
    with log.open() as lines:
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
            if event["user"]["username"] == user:
                yield event


def _request(event: dict[str, Any]) -> Request:
    what = event.get("objectRef", {})
    resource = ".".join(part for part in (what.get("resource", event["requestURI"]), what.get("apiGroup", "")) if part)
    resource += f"/{what['subresource']}" if "subresource" in what else ""
    return Request(
        datetime.fromisoformat(event["requestReceivedTimestamp"]),
        event["verb"],
        resource,
        what.get("namespace", ""),
        what.get("name", ""),
        _wrote(event, what),
    )


def _wrote(event: dict[str, Any], what: dict[str, Any]) -> bool:
    tried = "dryRun=All" in event["requestURI"] or what.get("resource") in _QUESTIONS
    connects = what.get("subresource") == "portforward"
    done = 200 <= event.get("responseStatus", {}).get("code", 0) < 300
    return event["verb"] in _WRITES and done and not tried and not connects
