"""What the operator costs at rest and how soon it acts, with 1,000 and 10,000 pods in 500 namespaces.

It runs under an account of its own: the API server's audit log tells what it asked for and when it wrote.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from tools.audit import requests

from bench import hpa
from bench.crowd import Crowd
from bench.figure import Figure, at_most, noted, within
from bench.place import MESH, STABLE, Place, until
from bench.process import Peak, cpu_seconds, resident
from bench.standing import Standing
from pilotage.domain.names import REV, suffixed
from pilotage.domain.objects import ObjectRef, labels_of
from pilotage.edge.kube import Kube

_SPACES: Final = 500
_FEW, _MANY = 1_000, 10_000  # pods
_REST: Final = 130.0  # seconds: two of its looks at the whole mesh for metrics
_EDITS: Final = 30
_APART: Final = 1.0  # seconds between edits: each is to find the operator at rest
_KILLS: Final = 3
_PATIENCE: Final = 180.0  # seconds for any one condition
_SETTLED: Final = 10.0  # seconds after which its first look for metrics is over
_MEMORY, _WITH_CHILD = 150.0, 300.0  # MiB
_SHARE: Final = 1.0  # percent of a core
_REQUESTS: Final = 60.0  # a minute, half of them its Lease's
_PROMPT, _TAKEOVER = 0.2, 15.0  # seconds
_EDITOR: Final = "sandbox-admin"
_SERVICE: Final = ObjectRef("v1", "Service", MESH, suffixed("istiod", STABLE))


class Cost(NamedTuple):
    """MiB, percent of a core, requests a minute, seconds from an edit to its correction (the worst)."""

    memory: float
    with_child: float
    share: float
    requests: float
    prompt: float


class Bench:
    """A place with a crowd, and operators in it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._config = Path(place.environment["KUBECONFIG"])
        self.kube = Kube.connect(str(self._config))
        self.crowd = Crowd(self.kube, self._config.parent, _SPACES)

    def cost(self, cache: str) -> Cost:
        """Of one operator from its start, with an empty cache: it renders its charts once."""
        standing = self.standing("cost", cache)
        standing.start()
        try:
            with Peak(standing.pid) as peak:
                until("the operator leads and has looked", lambda: "Settled" in standing.log.read_text(), _PATIENCE)
                until("it watches istiods' pods and, for metrics, all", lambda: _pod_watches(standing) >= 2, _PATIENCE)
                time.sleep(_SETTLED)
            began, before = datetime.now(UTC), cpu_seconds(standing.pid)
            time.sleep(_REST)
            spent = cpu_seconds(standing.pid) - before
            asked = sum(each.at >= began for each in standing.requests())
            prompt = max(self._edited() for _ in range(_EDITS))
            memory = resident(standing.pid)
        finally:
            standing.stop()
        return Cost(memory, peak.most, 100 * spent / _REST, 60 * asked / _REST, prompt)

    def takeover(self, cache: str) -> float:
        """Seconds from the death of who leads to the correction of an edit by who stood by."""
        first, second = self.standing("first", cache), self.standing("second", cache)
        first.start()
        try:
            until("one leads", lambda: "Settled" in first.log.read_text(), _PATIENCE)
            second.start()
            until("one stands by", lambda: "stands by" in second.log.read_text(), _PATIENCE)
            os.kill(first.pid, signal.SIGKILL)
            killed = datetime.now(UTC)
            return (self._edit()[1] - killed).total_seconds()
        finally:
            first.stop()
            second.stop()

    def scaling(self, cache: str) -> Iterator[Figure]:
        """With as many pods as there are by now."""
        yield from hpa.figures(self._place, self.kube, self.standing("scaling", cache), f"operator, {_MANY} pods")

    def standing(self, name: str, cache: str) -> Standing:
        return Standing(self._kubectl, self._config, self._place.environment | {"XDG_CACHE_HOME": cache}, name)

    def _edited(self) -> float:
        """Seconds from one edit to the write that undoes it."""
        time.sleep(_APART)
        edit, undone = self._edit()
        return (undone - edit).total_seconds()

    def _edit(self) -> tuple[datetime, datetime]:
        """Edits an object of ours, and has it undone: when the API server received the one and the other."""
        began = datetime.now(UTC)
        self.kube.patch(_SERVICE, {"metadata": {"labels": {REV: "edited"}}}, manager="bench")
        until("the edit is undone", self._undone, _PATIENCE)
        log = self._config.parent / "logs" / "audit.log"
        own = [
            each for each in requests(log, _EDITOR) if each.at >= began and each.name == _SERVICE.name and each.wrote
        ]
        undone = [each for each in requests(log, Standing.USER) if each.at >= own[-1].at and each.name == _SERVICE.name]
        return own[-1].at, next(each for each in undone if each.wrote).at

    def _undone(self) -> bool:
        service = self.kube.get(_SERVICE)
        return service is not None and labels_of(service).get(REV) == STABLE

    def _kubectl(self, *words: str, given: str = "") -> str:
        return subprocess.check_output(["kubectl", *words], input=given, env=self._place.environment, text=True)


def figures(place: Place) -> Iterator[Figure]:
    bench = Bench(place)
    bench.crowd.settle()
    costs = {}
    for pods in (_FEW, _MANY):
        bench.crowd.grow(pods)
        with tempfile.TemporaryDirectory() as cache:
            costs[pods] = bench.cost(cache)
        yield from _of(costs[pods], f"operator, {pods} pods")
    yield from _slopes(costs[_FEW], costs[_MANY])
    with tempfile.TemporaryDirectory() as cache:
        yield within("operator: takeover, longest", max(bench.takeover(cache) for _ in range(_KILLS)), _TAKEOVER)
        yield from bench.scaling(cache)


def scaling_figures(place: Place) -> Iterator[Figure]:
    """Those of autoscalers alone, which otherwise come last."""
    bench = Bench(place)
    bench.crowd.settle()
    bench.crowd.grow(_MANY)
    with tempfile.TemporaryDirectory() as cache:
        yield from bench.scaling(cache)


def _of(cost: Cost, name: str) -> Iterator[Figure]:
    yield at_most(f"{name}: memory", cost.memory, "MiB", _MEMORY)
    yield at_most(f"{name}: with a child", cost.with_child, "MiB", _WITH_CHILD)
    yield at_most(f"{name}: at rest", cost.share, "%", _SHARE)
    yield at_most(f"{name}: requests", cost.requests, "/min", _REQUESTS)
    yield within(f"{name}: edit undone", cost.prompt, _PROMPT)


def _slopes(few: Cost, many: Cost) -> Iterator[Figure]:
    thousands = (_MANY - _FEW) / 1_000
    units = {"memory": "MiB", "with_child": "MiB", "share": "%", "requests": "/min", "prompt": "s"}
    for part, unit in units.items():
        slope = (getattr(many, part) - getattr(few, part)) / thousands
        yield noted(f"  {part} per 1000 pods more", slope, unit)


def _pod_watches(standing: Standing) -> int:
    return sum(each.verb == "watch" and each.resource == "pods" for each in standing.requests())
