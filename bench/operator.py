"""What the operator costs at rest and how soon it acts, with 1,000 and 10,000 pods in 500 namespaces.

It runs under an account of its own: the API server's audit log tells what it asked for and when it wrote.
"""

import itertools
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from tools.audit import LEASE

from bench import hpa
from bench.crowd import Crowd
from bench.edits import Edits
from bench.figure import Figure, at_most, noted, rank, within
from bench.place import Place, until
from bench.process import Peak, cpu_seconds, resident
from bench.standing import Standing
from pilotage.domain.objects import ObjectRef
from pilotage.edge.kube import Kube

_SPACES: Final = 500
_FEW, _MANY = 1_000, 10_000  # pods
_REST: Final = 130.0  # seconds: two of its looks at the whole mesh for metrics
_BUSY: Final = 30.0  # seconds in which pods change
_CHANGES: Final = 20.0  # of pods, a second: of a restart, each pod has about eight
_KILLS: Final = 3
_PATIENCE: Final = 180.0  # seconds for any one condition
_SETTLED: Final = timedelta(seconds=10)  # without a request but its Lease's: then its first look for metrics is over
_MEMORY, _WITH_CHILD = 150.0, 300.0  # MiB
_SHARE: Final = 1.0  # percent of a core
_REQUESTS: Final = 60.0  # a minute, half of them its Lease's
_PROMPT, _TAKEOVER = 0.2, 15.0  # seconds


class Cost(NamedTuple):
    """MiB; percent of a core at rest and while pods change; requests a minute; seconds until an edit is answered:

    of an installed object; of the ServiceMesh, rendered before and not; in the end also in the mesh. Ascending.
    """

    memory: float
    with_child: float
    share: float
    busy: float
    requests: float
    undone: list[float]
    followed: list[float]
    rendered: list[float]
    changed: list[float]


class Bench:
    """A place with a crowd, and operators in it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._config = Path(place.environment["KUBECONFIG"])
        self.kube = Kube.connect(str(self._config))
        self.crowd = Crowd(self.kube, self._config.parent, _SPACES)
        self.edits = Edits(self.kube, self._config.parent / "logs" / "audit.log")

    def cost(self, cache: str) -> Cost:
        """Of one operator from its start, with an empty cache: it renders its charts once."""
        standing = self.standing("cost", cache)
        standing.start()
        try:
            with Peak(standing.pid) as peak:
                until("the operator leads and has looked", lambda: "Settled" in standing.log.read_text(), _PATIENCE)
                until("it watches istiods' pods and, for metrics, all", lambda: _pod_watches(standing) >= 2, _PATIENCE)
                until("it asks for nothing but its Lease", lambda: _at_rest(standing), _PATIENCE, pause=1.0)
            began, before = datetime.now(UTC), cpu_seconds(standing.pid)
            time.sleep(_REST)
            spent = cpu_seconds(standing.pid) - before
            asked = sum(each.at >= began for each in standing.requests())
            busy = self._busy(standing.pid)
            answers = self.edits.of_an_object(), self.edits.of_the_mesh(), *self.edits.of_charts()
            memory = resident(standing.pid)
        finally:
            standing.stop()
        return Cost(memory, peak.most, 100 * spent / _REST, busy, 60 * asked / _REST, *answers)

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
            return (self.edits.edit()[1] - killed).total_seconds()
        finally:
            first.stop()
            second.stop()

    def scaling(self, cache: str) -> Iterator[Figure]:
        """With as many pods as there are by now."""
        yield from hpa.figures(self._place, self.kube, self.standing("scaling", cache), f"operator, {_MANY} pods")

    def standing(self, name: str, cache: str) -> Standing:
        return Standing(self._kubectl, self._config, self._place.environment | {"XDG_CACHE_HOME": cache}, name)

    def _busy(self, pid: int) -> float:
        """Percent of a core while pods change."""
        pods = [obj["metadata"] for obj in self.kube.list_metadata("v1", "Pod", labels="app=crowd")]
        refs = itertools.cycle([ObjectRef("v1", "Pod", meta["namespace"], meta["name"]) for meta in pods])
        began, before = time.monotonic(), cpu_seconds(pid)
        for turn in range(int(_BUSY * _CHANGES)):
            self.kube.patch(next(refs), {"metadata": {"labels": {"turn": str(turn)}}}, manager="bench")
            time.sleep(max(0.0, began + turn / _CHANGES - time.monotonic()))
        return 100 * (cpu_seconds(pid) - before) / (time.monotonic() - began)

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
    yield noted(f"{name}: {_CHANGES:g} changes/s", cost.busy, "%")
    yield noted(f"{name}: edit undone", rank(cost.undone, 50), "s")
    yield within(f"{name}: edit undone, p99", rank(cost.undone, 99), _PROMPT)
    yield noted(f"{name}: mesh edited", rank(cost.followed, 50), "s")
    yield within(f"{name}: mesh edited, p99", rank(cost.followed, 99), _PROMPT)
    yield noted(f"{name}: charts anew", rank(cost.rendered, 50), "s")
    yield within(f"{name}: charts anew, p99", rank(cost.rendered, 99), _PROMPT)
    yield noted(f"{name}: written anew", rank(cost.changed, 50), "s")
    yield within(f"{name}: written anew, p99", rank(cost.changed, 99), _PROMPT)


def _slopes(few: Cost, many: Cost) -> Iterator[Figure]:
    thousands = (_MANY - _FEW) / 1_000
    units = {"memory": "MiB", "with_child": "MiB", "share": "%", "busy": "%", "requests": "/min"}
    grown = {part: (getattr(few, part), getattr(many, part), unit) for part, unit in units.items()}
    for part in ("undone", "followed", "rendered", "changed"):
        grown[part] = (rank(getattr(few, part), 99), rank(getattr(many, part), 99), "s")
    for part, (before, after, unit) in grown.items():
        yield noted(f"  {part} per 1000 pods more", (after - before) / thousands, unit)


def _at_rest(standing: Standing) -> bool:
    since = datetime.now(UTC) - _SETTLED
    return all(each.resource == LEASE for each in standing.requests() if each.at >= since)


def _pod_watches(standing: Standing) -> int:
    return sum(each.verb == "watch" and each.resource == "pods" for each in standing.requests())
