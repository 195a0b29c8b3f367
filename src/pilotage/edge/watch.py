"""List, then watch, and lose nothing: bookmarks keep the place, an expired one is listed anew. Used by `kube`."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from pilotage.domain.errors import Unreachable
from pilotage.domain.objects import Obj
from pilotage.edge.failures import Answer, Gone, Status, answered
from pilotage.edge.paging import objects
from pilotage.edge.transport import Call, Transport

ADDED: Final = "ADDED"
MODIFIED: Final = "MODIFIED"
DELETED: Final = "DELETED"
Change = tuple[str, Obj]

_WINDOW: Final = 60.0  # seconds of one request; at its end the API server tells the place to go on from
_GRACE: Final = 5.0  # seconds after the window in which the API server must have ended it
_BREATH: Final = 1.0  # seconds between requests that end at once
_ABSENT: Final = 5.0  # seconds until a kind that is not served is looked for again


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class Follower:
    """One collection, followed for `seconds`. `find` gives the list call, None while the kind is not served."""

    def __init__(self, transport: Transport, find: Callable[[], Call | None], seconds: float) -> None:
        self._transport, self._find = transport, find
        self._ends = time.monotonic() + seconds
        self._known: dict[tuple[str, str], str] = {}  # (namespace, name) -> resourceVersion
        self._version = ""

    def changes(self, api_version: str, kind: str) -> Iterator[Change]:
        """First every object as ADDED, then what happens. What went away unseen is DELETED, with its name only."""
        typed = {"apiVersion": api_version, "kind": kind}
        while self._left() > 0:
            call = self._find()
            items, self._version = ([], "") if call is None else objects(self._transport, call)
            for change, item in self._difference(items):
                yield change, {**item, **typed}
            if call is None or not self._version:
                time.sleep(max(0.0, min(_ABSENT, self._left())))
                continue
            try:
                yield from self._follow(call)
            except Gone:
                continue

    def _left(self) -> float:
        return self._ends - time.monotonic()

    def _difference(self, items: list[Obj]) -> Iterator[Change]:
        seen = {_key(item): item for item in items}
        for namespace, name in self._known.keys() - seen.keys():
            del self._known[namespace, name]
            yield DELETED, {"metadata": {"namespace": namespace, "name": name}}
        for key, item in seen.items():
            version = item["metadata"].get("resourceVersion", "")
            before = self._known.get(key)
            if before != version:
                self._known[key] = version
                yield ADDED if before is None else MODIFIED, item

    def _follow(self, call: Call) -> Iterator[Change]:
        """Request after request. Raises Gone when the place has expired, Unreachable when one breaks untold."""
        while (left := self._left()) > 0:
            started, told = time.monotonic(), False
            try:
                for event in self._events(call, min(_WINDOW, left)):
                    told = True
                    yield from self._take(event)
                    if self._left() <= 0:
                        return
            except Unreachable:
                if self._left() > 0 and not told:
                    raise
            if time.monotonic() - started < _BREATH:
                time.sleep(max(0.0, min(_BREATH, self._left())))

    def _events(self, call: Call, window: float) -> Iterator[_Event]:
        query = {
            **call.query,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(math.ceil(window)),
        }
        rest = b""
        for chunk in self._transport.stream(call._replace(query=query), window + _GRACE):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield msgspec.json.decode(line, type=_Event)

    def _take(self, event: _Event) -> Iterator[Change]:
        if event.type == "ERROR":
            status = msgspec.json.decode(event.object, type=Status)
            raise answered(Answer("watch", status.code, status, _BREATH))
        item: Obj = msgspec.json.decode(event.object)
        self._version = item["metadata"]["resourceVersion"]
        if event.type == DELETED:
            self._known.pop(_key(item), None)
        elif event.type in (ADDED, MODIFIED):
            self._known[_key(item)] = self._version
        else:  # BOOKMARK
            return
        yield event.type, item


def _key(item: Obj) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
