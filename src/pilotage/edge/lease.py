"""One at a time: the Lease `pilotage` in the mesh's namespace, held by an operator or a verb. Used by faces.

Whether another holder lives is judged by renewals seen on our own clock, never by timestamps that it wrote. The clock
counts the time a machine was suspended, and `check` stands before every write: who slept through it writes nothing.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Final

from pilotage.domain.errors import MeshError, Retry, Unreachable
from pilotage.domain.names import LEASE
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.edge.failures import Conflict, NotThere
from pilotage.edge.holder import describe, is_dead, is_operator
from pilotage.edge.kube import Kube

# Seconds. From the death of a holder to the first write of one that stands by: a look, then the duration, then its
# first look at the mesh: 11 and about 2, where 15 are promised. A holder sends nothing more from _LIMIT on, so that a
# write under way has the rest of the duration to end; until then two renewals may fail, or take _ANSWER each.
_DURATION: Final = 10.0  # without renewal until others may take it
_LIMIT: Final = 7.0  # since the last renewal was sent, until the holder itself stops
_RENEW: Final = 2.0  # between renewals
_ANSWER: Final = 3.0  # for an answer to a renewal
_LOOK: Final = 1.0  # between looks at another's Lease, and before a renewal is tried again
_DEAD: Final = 1.0  # instead of the duration, for a holder known to be dead: what it sent last is over by then


class LeaseHeld(MeshError):
    """Another one works here, or took over. `holder` is its identity."""

    def __init__(self, holder: str) -> None:
        hint = "the same command without --local follows it" if is_operator(holder) else "wait until it is done"
        super().__init__(f"{describe(holder)} is at work on this mesh; {hint}")
        self.holder = holder


class Lease:
    """Held by `identity` between `acquire` and `release`. Thread-safe once acquired."""

    def __init__(self, kube: Kube, namespace: str, identity: str) -> None:
        self._kube, self._quick = kube, kube.within(_ANSWER)
        self._ref = ObjectRef("coordination.k8s.io/v1", "Lease", namespace, LEASE)
        self.identity = identity
        self._lock = threading.Lock()
        self._held: Obj | None = None  # as last written
        self._renewed = 0.0  # on _clock(), before the last successful write was sent
        self._lost: LeaseHeld | None = None
        self._overslept = False  # it ran out and was ours again: what was planned before is out of date

    def acquire(self, stand_by: Callable[[str], None] | None = None) -> None:
        """Take it, at once if it is free. From another only after it was seen unchanged for its whole duration.

        Where the other lives: raises LeaseHeld, or with `stand_by` tells it the holder once and waits for its end.
        Raises NotThere where the namespace is missing.
        """
        seen, since, told = "", 0.0, ""  # resourceVersion of another's Lease, and when we first saw it
        while True:
            lease = self._quick.get(self._ref)
            holder, duration = _held_by(lease)
            if lease is not None and holder not in ("", self.identity):
                version = lease["metadata"]["resourceVersion"]
                if seen not in ("", version) and holder != told:
                    if stand_by is None:
                        raise LeaseHeld(holder)
                    stand_by(told := holder)
                seen, since = version, since if seen == version else _clock()
                left = since + (min(duration, _DEAD) if is_dead(holder) else duration) - _clock()
                if left > 0:
                    time.sleep(min(left, _LOOK))
                    continue
            try:
                return self._write(lease)
            except Conflict:  # another was faster: look again
                time.sleep(_LOOK)

    def check(self) -> None:
        """Call before every write; `kept` does so. Costs nothing while renewals come in.

        Raises LeaseHeld if another took over; Retry, once, where the Lease ran out and is ours again: look again, then
        write; what the API server's silence raises where it is not known whose it is.
        """
        if self._held is not None and _clock() - self._renewed < _LIMIT and not self._overslept:
            return
        with self._lock:
            if self._lost is not None:
                raise self._lost
            if self._held is None:
                raise Retry("the Lease is not held: a write without it could undo another's")
            while _clock() - self._renewed >= _LIMIT:  # the answer itself may have been slept through
                self._renew()
            if self._overslept:
                self._overslept = False
                raise Retry("the Lease ran out for a while; looking again before anything is written", after=0.0)

    @contextmanager
    def kept(
        self, stand_by: Callable[[str], None] | None = None, lost: Callable[[], None] = lambda: None
    ) -> Iterator[Kube]:
        """Acquired, renewed in a thread, released at the end. Gives a Kube each of whose writes is checked.

        `lost` is called in that thread: who rests has no write ahead of it whose check would tell.
        """
        self.acquire(stand_by)
        done = threading.Event()
        thread = threading.Thread(target=self._keep, args=(done, lost), name="lease", daemon=True)
        thread.start()
        try:
            yield self._kube.fenced(self.check)
        finally:
            done.set()
            thread.join()
            self.release()

    def release(self) -> None:
        """Give it back, so that the next need not wait. An operator leaves its name: it is likely to come back."""
        with self._lock:
            held, self._held = self._held, None
        if held is None:
            return
        spec = {**held["spec"], "leaseDurationSeconds": 1, "renewTime": _now()}
        if not is_operator(self.identity):
            spec["holderIdentity"] = ""
        with suppress(MeshError):  # taken over, or unreachable: then it runs out by itself
            self._quick.replace({**held, "spec": spec})

    def _keep(self, done: threading.Event, lost: Callable[[], None]) -> None:
        pause = _RENEW
        while not done.wait(pause):
            pause = _RENEW
            with self._lock:
                try:
                    self._renew()
                except (Retry, Unreachable):
                    pause = _LOOK
                except MeshError:  # lost, or no longer allowed: the next check says so
                    break
        if not done.is_set():
            lost()

    def _renew(self) -> None:
        """Raises LeaseHeld where another had it in between, even if it gave it back: what we saw is out of date."""
        if self._held is None:
            return
        self._overslept |= _clock() - self._renewed >= _LIMIT  # ahead of the renewal: `check` asks without the lock
        try:
            self._write(self._held)
        except (Conflict, NotThere):
            lease = self._quick.get(self._ref)
            if lease is not None and not _same_hold(lease, self._held):
                self._held, self._lost = None, LeaseHeld(_held_by(lease)[0] or "another verb")
                raise self._lost from None
            self._write(lease)

    def _write(self, lease: Obj | None) -> None:
        sent, now = _clock(), _now()
        spec = {"holderIdentity": self.identity, "leaseDurationSeconds": int(_DURATION), "renewTime": now}
        if lease is None:
            metadata = {"namespace": self._ref.namespace, "name": self._ref.name}
            kind = {"apiVersion": self._ref.api_version, "kind": self._ref.kind}
            self._held = self._quick.create({**kind, "metadata": metadata, "spec": {**spec, "acquireTime": now}})
        else:
            before = lease.get("spec", {})
            if before.get("holderIdentity") != self.identity:
                spec |= {"acquireTime": now, "leaseTransitions": before.get("leaseTransitions", 0) + 1}
            self._held = self._quick.replace({**lease, "spec": {**before, **spec}})
        self._renewed = sent


def _held_by(lease: Obj | None) -> tuple[str, float]:
    """Holder ("" for nobody) and the seconds without renewal that end its hold."""
    spec = (lease or {}).get("spec") or {}
    return spec.get("holderIdentity") or "", float(spec.get("leaseDurationSeconds") or 0)


def _same_hold(lease: Obj, held: Obj) -> bool:
    """Nobody else had it since `held` was written."""
    parts = ("holderIdentity", "leaseTransitions")
    return [lease.get("spec", {}).get(part) for part in parts] == [held["spec"].get(part) for part in parts]


def _clock() -> float:
    """Seconds, those of a suspended machine included where the system counts them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
