"""What drives the simulated controllers: their caches, one queue for all of them, and time in ticks.

Without a `Pace` a write settles everything that follows from it before it returns. With one nothing happens but in
`tick`: work is done in an order drawn from a seed, and what takes time in a real cluster (see `Pace`) takes ticks.
"""

import copy
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from pilotage_memory.controllers.cache import Cache
from pilotage_memory.errors import ApiError
from pilotage_memory.kinds import Obj
from pilotage_memory.store import Store

_ENDLESS: Final = 100_000  # steps of work after one write: two controllers that undo each other
_TICKS: Final = 1000  # until a world that is left alone is at rest


class Place(NamedTuple):
    """What a controller works on: a kind (one word of its own) and where the object is."""

    what: str
    namespace: str
    name: str


class Controller(Protocol):
    def wants(self, event: str, obj: Obj) -> Iterable[Place]:
        """What is to be looked at after a change (ADDED, MODIFIED or DELETED) of any object."""

    def reconcile(self, place: Place) -> None:
        """Look at the cache and write what differs. A conflict (ApiError 409) is tried again, 403 and 404 are left."""


@dataclass(frozen=True)
class Pace:
    """How many ticks, least and most, things take: `ready` a pod until it is, `end` one that is deleted, `pull` each
    second of an image's pull, `bundle` an istiod until it fills a webhook's caBundle, `done` the pod of a Job."""

    seed: int = 0
    ticks: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def take_over(controller: object, before: object) -> None:
    """What one simulation knows beside the store becomes another's."""
    known = {name: value for name, value in vars(before).items() if name not in ("loop", "store", "cache")}
    vars(controller).update(copy.deepcopy(known))


class Loop:
    """Thread-safe: a write from any thread may settle, one at a time."""

    def __init__(self, store: Store, pace: Pace | None = None) -> None:
        self.store, self.pace, self.cache = store, pace, Cache(store)
        self.now = 0  # ticks
        self._random = random.Random(pace.seed if pace else 0)
        self._controllers: tuple[Controller, ...] = ()
        self._queue: dict[tuple[int, Place], None] = {}  # ordered, each once
        self._due: dict[tuple[str, str], int] = {}  # (what is waited for, uid) -> tick
        self._later: dict[tuple[int, Place], int] = {}
        self._settling = store.lock  # no lock of our own: whoever tells of a change may hold this one
        self._busy = False
        self._steps = 0  # of work since all was at rest
        self._at: tuple[int, Place] | None = None  # the work that is being done
        store.watch(self.look)

    def start(self, controllers: Sequence[Controller]) -> None:
        """From now on they see every change; those named first act first."""
        self._controllers = tuple(controllers)

    def go_on_from(self, other: "Loop") -> None:
        """With its objects in our store: the same time, work ahead, chance, and what its controllers know."""
        self.cache.look_again()
        self.now, self._queue = other.now, dict(other._queue)
        self._due, self._later = dict(other._due), dict(other._later)
        self._random.setstate(other._random.getstate())
        for controller, before in zip(self._controllers, other._controllers, strict=True):
            take_over(controller, before)

    def elapsed(self, what: str, uid: str, times: int = 1) -> bool:
        """Whether `what` (see Pace) has taken its time for the object `uid`, from the first time that this was asked.

        If not, ask again: who asked is called when it has.
        """
        if self.pace is None:
            return True
        due = self._due.get((what, uid))
        if due is None:
            least, most = self.pace.ticks.get(what, (0, 0))
            due = self._due[what, uid] = self.now + sum(self._random.randint(least, most) for _ in range(times))
        if due > self.now and self._at is not None:
            self._later[self._at] = min(due, self._later.get(self._at, due))
        return due <= self.now

    def tick(self, times: int = 1) -> None:
        """One step of time: all that is due, in an order of chance."""
        with self._settling:
            for _ in range(times):
                self.now += 1
                for work in [work for work, due in self._later.items() if due <= self.now]:
                    del self._later[work]
                    self._queue[work] = None
                begun = sorted(self._queue)
                self._queue.clear()
                self._random.shuffle(begun)
                for work in begun:
                    self._do(work)

    @property
    def quiet(self) -> bool:
        """Nothing is to be done, now or later."""
        return not self._queue and not self._later

    def settle(self) -> None:
        """Ticks until nothing is to be done. Raises RuntimeError after a thousand of them."""
        for _ in range(_TICKS):
            if self.quiet:
                return
            self.tick()
        raise RuntimeError(f"the world still moves after {_TICKS} ticks: {[*self._queue, *self._later][:5]}")

    def look(self, event: str, obj: Obj) -> None:
        """A change: `Store.watch` calls this."""
        with self._settling:
            for number, controller in enumerate(self._controllers):
                for place in controller.wants(event, obj):
                    self._queue[number, place] = None
            if self.pace is None and not self._busy:
                self._drain()

    def _drain(self) -> None:
        """Kubelets before those who count pods. What a step changes is told first; then this is called again."""
        self._busy = True
        try:
            while self._queue and self.store.history.told:
                work = min(self._queue, key=lambda work: work[0])
                del self._queue[work]
                self._steps += 1
                if self._steps > _ENDLESS:
                    raise RuntimeError(f"controllers never come to rest: {work}, {list(self._queue)[:5]}")
                self._do(work)
        finally:
            self._busy = False
        if not self._queue:
            self._steps = 0

    def _do(self, work: tuple[int, Place]) -> None:
        number, place = work
        self._at = work
        try:
            self._controllers[number].reconcile(place)
        except ApiError as error:
            if error.status not in (403, 404, 409):
                raise
            if error.status == 409:  # with 403 and 404 what it worked on is going: that change leads here again
                self._queue[work] = None
        finally:
            self._at = None
