"""What `drift` costs on 10,000 proxies, against the guide's own pipeline and against reading the same pages alone.

Then on 50,000, by the processor's time: the clock's is that of whatever else the machine does in those minutes.
"""

import json
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bench.figure import Figure, against, at_most, noted
from bench.fleet import Fleet
from bench.place import Place, medians
from bench.process import Peak
from pilotage.edge.kube import Kube
from pilotage.faces.cli.drifted import drifted

_MANY, _MOST = 10_000, 50_000  # pods
_ROUNDS: Final = 5
_FEW_ROUNDS: Final = 3  # with many pods
_TENTH, _NEAR, _SLOPE = 0.1, 1.5, 5.5
_MEMORY: Final = 150.0  # MiB
_BEHIND: Final = 4  # exit code
_PAGE: Final = 500  # as `edge.paging` asks
_TOKEN: Final = re.compile(rb'"continue":"([^"]*)"')
_HEAD: Final = 2_000  # bytes that hold a list's own metadata
# The guide's command; which of its lines are not the target, its reader finds by eye.
_GUIDE: Final = (
    "{kubectl} get pods --all-namespaces -o jsonpath="
    """'{{range .items[*]}}{{"\\n"}}{{.metadata.name}}{{":\\t"}}{{range .spec.containers[*]}}{{.image}}{{", "}}"""
    """{{end}}{{end}}' | sort | grep "mcr.microsoft.com\\/oss\\/istio\\/proxyv2" """
)


class Cost(NamedTuple):
    """Seconds of looking without dry runs, of reading the pages alone; of the verb with and without dry runs.

    Of the first two the processor's seconds as well.
    """

    looked: float
    read: float
    proven: float
    computed: float
    looked_cpu: float
    read_cpu: float


def figures(place: Place) -> Iterator[Figure]:
    """In a sandbox of its own: no other figure is to carry this many pods."""
    own = Place(f"{place.name}-drift")
    try:
        own.up()
        own.enable()
        yield from _figures(own)
    finally:
        own.down()


def _figures(place: Place) -> Iterator[Figure]:
    config = Path(place.environment["KUBECONFIG"])
    kube = Kube.connect(str(config))
    fleet = Fleet(kube, config.parent)
    fleet.settle()
    fleet.grow(_MANY)
    few = _cost(place, kube)
    yield against("drift: 10,000 proxies, by the guide", few.computed, _guide(place), _TENTH)
    yield against("drift: list, decode, compare", few.looked, few.read, _NEAR)
    yield noted("drift: list, decode, compare: processor", few.looked_cpu, "s")
    yield noted("drift: bare pages: processor", few.read_cpu, "s")
    yield noted("drift: its dry runs", few.proven - few.computed, "s")
    yield at_most("drift: resident", _resident(place), "MiB", _MEMORY)
    fleet.grow(_MOST)
    many = statistics.median(_processor(lambda: drifted(kube, prove=False)) for _ in range(_FEW_ROUNDS))
    yield against("drift: 50,000 by 10,000: processor", many, few.looked_cpu, _SLOPE)
    yield noted("drift: resident, 50,000 proxies", _resident(place), "MiB")


def _cost(place: Place, kube: Kube) -> Cost:
    """Medians; measures take turns, so that a busy moment of the machine hits all alike."""
    verb = ("pilotage", "drift", "-o", "json")
    look, read = lambda: drifted(kube, prove=False), lambda: _read(kube)
    measures: Sequence[Callable[[], float]] = (
        lambda: _seconds(look),
        lambda: _seconds(read),
        lambda: _verb(place, *verb),
        lambda: _verb(place, *verb, "--no-proof"),
        lambda: _processor(look),
        lambda: _processor(read),
    )
    return Cost(*medians(_ROUNDS, *measures))


def _read(kube: Kube) -> None:
    """The same pages in the same order, nothing decoded but the token in the head of each."""
    token = ""
    while True:
        page = kube.raw(f"/api/v1/pods?limit={_PAGE}&continue={token}")
        found = _TOKEN.search(page[:_HEAD])
        if not found or not found[1]:
            return
        token = found[1].decode()


def _verb(place: Place, *words: str) -> float:
    """Seconds of a verb that finds something behind; ends the bench where it ends otherwise."""
    return _seconds(lambda: _found(place, subprocess.Popen(words, env=place.environment, stdout=subprocess.PIPE)))


def _found(place: Place, running: "subprocess.Popen[bytes]") -> None:
    out, _ = running.communicate()
    if running.returncode != _BEHIND:
        raise SystemExit(f"bench: pilotage drift: exit code {running.returncode}")
    summary = json.loads(out)["summary"]
    if not summary["behind"] or summary["unknown"]:
        raise SystemExit(f"bench: pilotage drift found {summary} in {place.name}")


def _resident(place: Place) -> float:
    """The most that the verb holds, MiB."""
    words = ("pilotage", "drift", "-o", "json")
    with subprocess.Popen(words, env=place.environment, stdout=subprocess.PIPE) as running, Peak(running.pid) as peak:
        _found(place, running)
    return peak.most


def _guide(place: Place) -> float:
    """Seconds of the guide's command; ends the bench where it finds fewer proxies than there are."""

    def ask() -> None:
        words = _GUIDE.format(kubectl=place.assets["kubectl"])
        out = subprocess.check_output(["bash", "-c", words], env=place.environment, text=True)
        if out.count("\n") < _MANY / 2:
            raise SystemExit("bench: the guide's command finds too few proxies")

    return _seconds(ask)


def _processor(act: Callable[[], object]) -> float:
    """Seconds of this process, all threads."""
    started = time.process_time()
    act()
    return time.process_time() - started


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started
