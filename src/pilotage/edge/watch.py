"""List, then watch, and lose nothing: bookmarks keep the place, an expired one is listed anew. Used by `store`."""

import math
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, Protocol

import msgspec

from pilotage.domain.errors import MeshError, Retry, Unreachable
from pilotage.edge.failures import Answer, Gone, NotThere, Status, answered
from pilotage.edge.paging import pages
from pilotage.edge.transport import Call, Transport

ADDED: Final = "ADDED"
MODIFIED: Final = "MODIFIED"
DELETED: Final = "DELETED"

_WINDOW: Final = 300.0  # seconds of one request, and up to as many again: not all watches end at once
_SILENCE: Final = 90.0  # seconds without a word after which a watch hangs: a bookmark comes every minute
_BREATH: Final = 1.0  # seconds between requests that end at once
_LONGEST: Final = 30.0  # seconds between attempts that fail


class Watched(NamedTuple):
    """A collection: of one namespace or of all, whole or by a label selector; `metadata` alone is a fraction of it."""

    api_version: str
    kind: str
    namespace: str = ""
    labels: str = ""
    metadata: bool = False

    def __str__(self) -> str:
        place = f" in {self.namespace}" if self.namespace else ""
        return f"{self.kind}{place}" + (f" with {self.labels}" if self.labels else "")


class _Meta(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    deletion_timestamp: str | None = None


class Head(msgspec.Struct, frozen=True):
    """What tells an object and its state from others."""

    metadata: _Meta

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return self.metadata.namespace, self.metadata.name


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Items(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw] | None = None


# Made once, before there are threads: msgspec crashes where two make decoders of the same types at once.
_EVENTS: Final = msgspec.json.Decoder(_Event)
_HEADS: Final = msgspec.json.Decoder(Head)
_STATUSES: Final = msgspec.json.Decoder(Status)

Objects = Iterable[tuple[Head, msgspec.Raw]]


class Feed(Protocol):
    """Who takes what a `Follower` tells, all in its one thread. Raw objects hold only until the call returns."""

    def replace(self, objects: Objects, place: Callable[[], str]) -> None:
        """All there is. `place` tells the resourceVersion of the list, once `objects` are read."""

    def take(self, change: str, head: Head, raw: msgspec.Raw) -> None:
        """ADDED, MODIFIED or DELETED."""

    def at(self, place: str) -> None:
        """A bookmark: everything up to this resourceVersion was told."""

    def alive(self) -> None:
        """It is followed."""

    def failed(self, error: MeshError) -> None:
        """It cannot be followed now; it is tried again."""


class Follower:
    """One collection. `find` gives the list call, None while the kind is not served: looked for after `absent` seconds.

    `run` returns soon after `over` is set.
    """

    def __init__(
        self, transport: Transport, find: Callable[[], Call | None], feed: Feed, over: threading.Event, absent: float
    ) -> None:
        self._transport, self._find, self._feed, self._over, self._absent = transport, find, feed, over, absent
        self._place = ""  # resourceVersion up to which all was told, "" before the first list and after an expiry
        self._failures = 0

    def run(self) -> None:
        """For a thread of its own. Whatever ends it before its time is told to the feed: it must not be believed on."""
        try:
            self._follow()
        finally:
            if not self._over.is_set():
                self._feed.failed(Unreachable("it is not followed any more; restart Pilotage"))

    def _follow(self) -> None:
        while not self._over.is_set():
            started = time.monotonic()
            try:
                told = self._once()
            except NotThere:  # the kind went away
                self._place, told = "", False
            except Gone:
                self._transport.observer.watch_restarted("expired")
                self._place, told = "", False
            except MeshError as error:
                self._failed(error)
                continue
            except msgspec.MsgspecError as error:
                self._failed(Unreachable(f"{self._transport.peer} answers, but it is not Kubernetes: {error}"))
                continue
            if not told and time.monotonic() - started < _BREATH:
                self._over.wait(_BREATH)

    def _once(self) -> bool:
        """A list where the place is not known, then one watch. Whether anything was told."""
        call = self._find()
        if call is None or not self._place:
            self._list(call)
        if call is None or not self._place:  # not served
            self._feed.alive()
            self._over.wait(self._absent)
            return True
        return self._watch(call)

    def _list(self, call: Call | None) -> None:
        versions: list[str] = []

        def objects() -> Objects:
            for page in pages(self._transport, call) if call else ():
                versions.append(page.version)
                for raw in self._transport.decode(page.body, _Items).items or ():
                    yield _HEADS.decode(raw), raw

        # Of the first page: a later one may be newer than objects already told.
        self._feed.replace(objects(), lambda: versions[0] if versions else "")
        self._place = versions[0] if versions else ""

    def _watch(self, call: Call) -> bool:
        told = False
        for event in self._events(call):
            told = True
            self._take(event)
            if self._over.is_set():
                break
        return told

    def _events(self, call: Call) -> Iterator[_Event]:
        window = _WINDOW * random.uniform(1, 2)
        query = {
            **call.query,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._place,
            "timeoutSeconds": str(math.ceil(window)),
        }
        chunks = self._transport.stream(
            call._replace(query=query, accept=call.accept.replace("MetadataList", "Metadata")), _SILENCE
        )
        self._failures = 0
        self._feed.alive()
        rest = b""
        try:
            for chunk in chunks:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield _EVENTS.decode(line)
        except Unreachable:  # or silent for too long: taken up again where it was
            self._transport.observer.watch_restarted("broken")

    def _take(self, event: _Event) -> None:
        if event.type == "ERROR":
            status = _STATUSES.decode(event.object)
            raise answered(Answer("watch", status.code, status, _BREATH))
        head = _HEADS.decode(event.object)
        if event.type in (ADDED, MODIFIED, DELETED):
            self._feed.take(event.type, head, event.object)
        else:
            self._feed.at(head.metadata.resource_version)
        self._place = head.metadata.resource_version

    def _failed(self, error: MeshError) -> None:
        self._feed.failed(error)
        self._failures += 1
        least = error.after if isinstance(error, Retry) else 0.0
        pause = min(_LONGEST, 0.5 * 2.0**self._failures) * random.uniform(0.5, 1)
        self._over.wait(max(least, pause))
