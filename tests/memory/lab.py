"""A mesh in memory whose time is the test's, and whose clients can be killed: for tests of what may happen anywhere.

Whoever sleeps takes no time: the clock goes on, and the world with it. So a verb that waits for a world with a `Pace`
needs no second thread, and the same steps give the same end.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch as patched

from harness import Result
from inmemory import InMemory
from pilotage.domain.actions import Plan
from pilotage.edge import lease, proof, reads, transport
from pilotage.edge.catalog import packaged_catalog
from pilotage.edge.kube import Kube
from pilotage.edge.transport import Call, Transport
from pilotage.faces.cli import canary, restarts, until  # noqa: F401 - so that `_waiting` finds them
from pilotage.faces.cli.session import Session
from pilotage.reconcile import Reconciler, pause_after
from pilotage_memory.cluster import MemoryCluster, memory_cluster
from pilotage_memory.faults import Fault
from pilotage_memory.world import World

_STEPS, _LONG = 200, 600.0  # looks until a mesh must be at rest; seconds between two of them where time is waited for
KILLED = 137  # exit code of a process that was killed
_DAY = datetime(2026, 10, 20, 12, tzinfo=UTC)  # on which 1.30 and 1.31 are supported


class Killed(BaseException):
    """kill -9: nothing that the process does after it reaches anybody."""


class AtOnce(Executor):
    """Does what it is given before it returns: no order of reads is chance, and no threads are made."""

    def __init__(self, *_: object) -> None:
        pass

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            done.set_exception(error)
        return done


class Clock:
    """`jump` is the cluster's and everybody's time being set; what lasts (`passed`, seconds) only ever goes on."""

    def __init__(self, now: datetime = _DAY) -> None:
        self.now, self.passed = now, 0.0

    def __call__(self) -> datetime:
        return self.now

    def jump(self, by: timedelta) -> None:
        self.now += by

    def go_on(self, seconds: float) -> None:
        self.jump(timedelta(seconds=seconds))
        self.passed += seconds


class Lab(InMemory):
    """See the top of this module."""

    def __init__(self, world: World, served: MemoryCluster, clock: Clock) -> None:
        super().__init__(world, served.kubeconfig)
        self.server, self.clock = served.server, clock
        self.silent: Callable[[], bool] = lambda: False  # asked at each write: whether it is never answered

    def pilotage(self, *words: str, given: str | None = None, timeout: float = 300.0) -> Result:
        try:
            return super().pilotage(*words, given=given, timeout=timeout)
        except Killed:
            return Result(words, KILLED, "", "killed")

    def reconciler(self) -> Reconciler:
        """The loop of an operator that has just started."""
        return Reconciler(Kube.connect(str(self.kubeconfig)), packaged_catalog(), self.clock)

    @property
    def dead(self) -> bool:
        return self.server.down

    def writes(self) -> list[str]:
        """What was written, but Leases, as `VERB path`; forgotten then."""
        made = [f"{each.verb} {each.path}" for each in self.server.writes if not each.dry_run and _counts(each.path)]
        self.server.writes.clear()
        return made

    def rest(self, loop: Reconciler | None = None) -> Plan:
        """The plan of a loop that has nothing more to do, or only waits for what does not come by itself."""
        loop = loop or self.reconciler()
        for _ in range(_STEPS):
            self.writes()
            made = loop.step()
            quiet = self.world.loop.quiet and not self.writes()
            if quiet and not made.now and not made.due:
                return made
            self.sleep(pause_after(loop, made, _LONG if made.due else 1.0))
        raise AssertionError(f"no rest after {_STEPS} steps: {made}")

    def trouble(self, fault: Fault, *, at: int, times: int = 1) -> None:
        """The `at`th write from now on and those after it, `times` in all, are answered so.

        One with a `delay` is never answered: the client gives up at its deadline, which takes no time here.
        """
        left = at

        def due() -> bool:
            nonlocal left
            left -= 1
            return 0 >= left > -times

        def faults(method: str, path: str, query: Mapping[str, str]) -> Fault | None:
            return fault if changes(method, path, query) and due() else None

        if fault.delay:
            self.silent = due
        else:
            self.server.faults = faults

    def calm(self) -> None:
        """No faults any more, and who was cut off may come back."""
        self.server.faults = lambda *_: None
        self.silent = lambda: False
        self.server.revive()

    def sleep(self, seconds: float) -> None:
        """A second at least: a verb that waits in vain for its whole timeout looks often enough."""
        self.clock.go_on(max(seconds, 1.0))
        if self.world.loop.pace is not None:
            self.world.loop.tick()


@contextmanager
def lab(world: World | None = None, clock: Clock | None = None, **options: Any) -> Iterator[Lab]:
    """Over a world whose clock is `clock`, or over a new one made with `options`. One at a time."""
    clock = clock or Clock()
    world = world or World(clock=clock, **options)
    with memory_cluster(world.store) as served, ExitStack() as held:
        made = Lab(world, served, clock)
        timed = SimpleNamespace(sleep=made.sleep, monotonic=lambda: clock.passed)
        for name in _waiting():
            held.enter_context(patched(f"{name}.time", timed))
        held.enter_context(patched.object(proof, "time", timed))
        held.enter_context(patched.object(transport, "time", _deaf(made.sleep)))
        held.enter_context(patched.object(reads, "ThreadPoolExecutor", AtOnce))
        held.enter_context(patched.object(lease, "_RENEW", 3600.0))  # by no thread, whose moment would be chance
        held.enter_context(patched.object(Transport, "_open", _mortal(made, Transport._open)))
        held.enter_context(patched.object(Session, "now", property(lambda _: clock.now)))
        yield made


@contextmanager
def forked(world: World) -> Iterator[Lab]:
    """A lab over a second world that goes on from there by itself."""
    clock = Clock(world.store.clock())
    with lab(world.fork(clock), clock) as made:
        yield made


def _waiting() -> list[str]:
    """Modules that wait; most of `edge` is left out, for behind it there are sockets."""
    known = [name for name in sys.modules if name.startswith("pilotage.") and not name.startswith("pilotage.edge.")]
    return [name for name in known if vars(sys.modules[name]).get("time") is time]


def _deaf(sleep: Callable[[float], None]) -> SimpleNamespace:
    """Deadlines of requests are real: there are sockets. Pauses between attempts are not."""
    return SimpleNamespace(sleep=sleep, monotonic=time.monotonic)


def _mortal(mesh: Lab, send: Callable[..., Any]) -> Callable[..., Any]:
    """A client whose connection was cut by `kill_at` is dead at that moment."""

    def attempt(transport: Transport, call: Call, ends: float) -> Any:
        if call.writes and mesh.silent():
            mesh.sleep(transport.peer.deadline)
            raise TimeoutError("timed out")
        try:
            return send(transport, call, ends)
        except (OSError, HTTPException):
            if mesh.dead:
                raise Killed from None
            raise

    return attempt


def changes(method: str, path: str, query: Mapping[str, str]) -> bool:
    """Whether such a request may change the cluster."""
    return method != "GET" and "dryRun" not in query and "reviews" not in path


def _counts(path: str) -> bool:
    return "/leases/" not in path and not path.endswith("/leases")
