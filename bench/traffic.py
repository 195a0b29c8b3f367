"""Requests that are lost while gateways come and go: live traffic over start, rollback, start, complete and a patch."""

import json
from collections.abc import Iterator

from bench.figure import Figure, at_most, noted
from bench.place import CANARY, STABLE, Place, until
from pilotage.domain.objects import Obj
from pilotage_sandbox.flow import Flow, flowing

_SPACE, _NAME = "edge", "bench-gateway"
_DRAIN = 15  # seconds; load balancers of the sandbox are up to 10 late
_FIRST, _PATCHED = "1.31.0", "1.31.1"
_GATEWAY = {"name": _NAME, "namespace": _SPACE, "type": "External", "drainSeconds": _DRAIN}
_VALUES = {"telemetry": {"enabled": False}}  # for an Envoy without Istio's own filters


def figures(place: Place) -> Iterator[Figure]:
    """Three figures. The mesh is on the canary's revision afterwards."""
    _ask(place, {"values": _VALUES, "gateways": [_GATEWAY]})
    place.enable()
    with flowing(place.name, f"{_SPACE}/{_NAME}", _DRAIN) as flow:
        until("the first answers", lambda: bool(flow.figures))
        for decision in ("rollback", "complete"):
            place.run("pilotage", "upgrade", "start", "--revision", CANARY, "--version", _FIRST)
            both = _pods(place, STABLE) | _pods(place, CANARY)
            _await_answers(flow, both)
            place.run("pilotage", "upgrade", decision, "--yes")
        before = _pods(place, CANARY)
        _ask(place, {"revisions": [{"name": CANARY, "version": _PATCHED}]})
        place.run("pilotage", "enable", "--revision", CANARY, "--profile", "aks", "--charts", place.assets["charts"])
        until("new pods only", lambda: not before & _pods(place, CANARY))
        _await_answers(flow, _pods(place, CANARY))
        seen = flow.end()
    yield at_most("failed requests, gateways upgraded", seen["failed"], "", 0)
    yield at_most("broken streams, gateways upgraded", seen["streams_broken"], "", 0)
    yield noted("requests meanwhile", seen["requests"], "")


def _ask(place: Place, spec: Obj) -> None:
    """Edit the mesh's resource, as a user would."""
    patch = json.dumps({"spec": spec})
    place.run("kubectl", "patch", "servicemesh", "default", "--type=merge", "--patch", patch)


def _pods(place: Place, revision: str) -> set[str]:
    """The gateway's pods of a revision that do not leave."""
    labels = f"pilotage.dev/gateway={_NAME},istio.io/rev={revision}"
    found = json.loads(place.answer("kubectl", "get", "pods", "-n", _SPACE, "-l", labels, "-o", "json"))["items"]
    return {pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]}


def _await_answers(flow: Flow, pods: set[str]) -> None:
    until(f"answers through {', '.join(sorted(pods))}", lambda: flow.reached(pods))
