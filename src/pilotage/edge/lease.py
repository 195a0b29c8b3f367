"""One at a time: the Lease `pilotage` in the mesh's namespace, held by an operator or a verb. Used by faces.

Whether another holder lives is judged by renewals seen on our own clock, never by timestamps that it wrote. The clock
counts the time a machine was suspended, and `check` is called before every write: who slept through it writes nothing.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from pilotage.domain.errors import MeshError, Retry
from pilotage.domain.names import LEASE
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.edge.failures import Conflict, NotThere
from pilotage.edge.kube import Kube

_OPERATOR: Final = "operator:"
_VERB: Final = "verb:"
_DURATION: Final = 15.0  # seconds without renewal until others may take it, as in client-go
_RENEW: Final = _DURATION / 3
_LOOK: Final = 1.0  # seconds between looks at another's Lease
_RECENT: Final = timedelta(seconds=60)  # an operator that restarts is still an operator, and clocks differ


class LeaseHeld(Retry):
    """Another one works here, or took over. `holder` is its identity."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"{describe(holder)} is at work on this mesh; wait until it is done", after=_RENEW)
        self.holder = holder


def operator_identity() -> str:
    return f"{_OPERATOR}{socket.gethostname()}:{secrets.token_hex(4)}"


def verb_identity() -> str:
    return f"{_VERB}{_user()}@{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def describe(holder: str) -> str:
    """`verb:jane@laptop:4711:…` -> `jane@laptop (process 4711)`."""
    kind, _, rest = holder.partition(":")
    who, *numbers = rest.split(":")
    if f"{kind}:" == _OPERATOR:
        return f"the operator {who}"
    return f"{who} (process {numbers[0]})" if f"{kind}:" == _VERB and numbers else holder


def operator_runs(lease: Obj | None, now: datetime) -> bool:
    """An operator renewed the Lease within a minute. A hint about who will do the work, not a lock."""
    spec = (lease or {}).get("spec", {})
    if not str(spec.get("holderIdentity") or "").startswith(_OPERATOR):
        return False
    return now - datetime.fromisoformat(spec["renewTime"]) < _RECENT


class Lease:
    """Held by `identity` between `acquire` and `release`. Thread-safe once acquired."""

    def __init__(self, kube: Kube, namespace: str, identity: str) -> None:
        self._kube = kube
        self._ref = ObjectRef("coordination.k8s.io/v1", "Lease", namespace, LEASE)
        self.identity = identity
        self._lock = threading.Lock()
        self._held: Obj | None = None  # as last written
        self._renewed = 0.0  # on _clock(), before the last successful write was sent

    def acquire(self) -> None:
        """Take it, at once if it is free. From another only after it was seen unchanged for its whole duration.

        Raises LeaseHeld as soon as the other is seen to live, NotThere where the namespace is missing.
        """
        first: tuple[str, float] | None = None  # resourceVersion of another's Lease, and when we first saw it
        while True:
            lease = self._kube.get(self._ref)
            holder, duration = _held_by(lease)
            if lease is not None and holder not in ("", self.identity):
                version = lease["metadata"]["resourceVersion"]
                first = first or (version, _clock())
                if version != first[0]:
                    raise LeaseHeld(holder)
                if _clock() - first[1] < duration:
                    time.sleep(_LOOK)
                    continue
            try:
                return self._write(lease)
            except Conflict:  # another was faster: look again
                time.sleep(_LOOK)

    def check(self) -> None:
        """Call before every write. Renews when it is time; raises LeaseHeld if another took over meanwhile."""
        with self._lock:
            if self._held is None:
                raise Retry("the Lease is not held: a write without it could undo another's")
            if _clock() - self._renewed >= _RENEW:
                self._renew()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Acquired, renewed in a thread, released at the end. The next `check` tells of a failed renewal."""
        self.acquire()
        done = threading.Event()
        thread = threading.Thread(target=self._keep, args=(done,), name="lease", daemon=True)
        thread.start()
        try:
            yield
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
        if not self.identity.startswith(_OPERATOR):
            spec["holderIdentity"] = ""
        with suppress(MeshError):  # taken over, or unreachable: then it runs out by itself
            self._kube.replace({**held, "spec": spec})

    def _keep(self, done: threading.Event) -> None:
        while not done.wait(_RENEW / 2):
            with suppress(MeshError):
                self.check()

    def _renew(self) -> None:
        try:
            self._write(self._held)
        except (Conflict, NotThere):
            lease = self._kube.get(self._ref)
            holder, _ = _held_by(lease)
            if holder not in ("", self.identity):
                self._held = None
                raise LeaseHeld(holder) from None
            self._write(lease)

    def _write(self, lease: Obj | None) -> None:
        sent, now = _clock(), _now()
        spec = {"holderIdentity": self.identity, "leaseDurationSeconds": int(_DURATION), "renewTime": now}
        if lease is None:
            metadata = {"namespace": self._ref.namespace, "name": self._ref.name}
            kind = {"apiVersion": self._ref.api_version, "kind": self._ref.kind}
            self._held = self._kube.create({**kind, "metadata": metadata, "spec": {**spec, "acquireTime": now}})
        else:
            before = lease.get("spec", {})
            if before.get("holderIdentity") != self.identity:
                spec |= {"acquireTime": now, "leaseTransitions": before.get("leaseTransitions", 0) + 1}
            self._held = self._kube.replace({**lease, "spec": {**before, **spec}})
        self._renewed = sent


def _held_by(lease: Obj | None) -> tuple[str, float]:
    """Holder ("" for nobody) and the seconds without renewal that end its hold."""
    spec = (lease or {}).get("spec") or {}
    return spec.get("holderIdentity") or "", float(spec.get("leaseDurationSeconds") or 0)


def _clock() -> float:
    """Seconds, those of a suspended machine included where the system counts them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _user() -> str:
    return os.environ.get("USER") or os.environ.get("USERNAME") or "someone"
