"""GET of a collection with `watch`: a stream of changes from a resourceVersion on. Used by `api`."""

import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec

from pilotage_memory.errors import ApiError, refusal
from pilotage_memory.history import ADDED, DELETED, MODIFIED, Change, Entry
from pilotage_memory.kinds import Kind, group_version
from pilotage_memory.listing import METADATA_VERSION, PARAMETERS, in_version, metadata_of
from pilotage_memory.messages import Request, Response
from pilotage_memory.paths import Place
from pilotage_memory.selectors import Test, selection
from pilotage_memory.store import Store

_WINDOW: Final = 1800  # seconds of a watch that names none
_BOOKMARK: Final = 60.0  # seconds between bookmarks, and one at the end, as from a real API server
_LOOK: Final = 0.5  # seconds between looks at whether the server ends


class _Watch(NamedTuple):
    place: Place
    test: Test
    metadata: bool
    version: str
    kind: str
    ends: float
    bookmarks: bool

    def line(self, change: str, entry: Entry) -> bytes:
        told = metadata_of(entry) if self.metadata else in_version(entry, self.version)
        return b'{"type":"%b","object":%b}\n' % (change.encode(), told)

    def bookmark(self, version: int) -> bytes:
        kind = ("PartialObjectMetadata", METADATA_VERSION) if self.metadata else (self.kind, self.version)
        place = {"kind": kind[0], "apiVersion": kind[1], "metadata": {"resourceVersion": str(version)}}
        return msgspec.json.encode({"type": "BOOKMARK", "object": place}) + b"\n"


def watch(store: Store, kind: Kind, place: Place, request: Request, over: Callable[[], bool]) -> Response:
    """`over` tells that the server ends. An expired resourceVersion is told in the stream, as ERROR."""
    request.only(*PARAMETERS, "watch", "allowWatchBookmarks", "timeoutSeconds")
    if request.query.get("limit") or request.query.get("continue"):
        raise refusal("BadRequest", "a watch has no pages")
    seen = _Watch(
        place,
        selection(kind, request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")),
        request.wants_metadata(),
        group_version(place.group, place.version),
        kind.kind,
        time.monotonic() + float(request.query.get("timeoutSeconds") or _WINDOW),
        request.flag("allowWatchBookmarks"),
    )
    return Response(stream=_lines(store, seen, request.query.get("resourceVersion", ""), over))


def _lines(store: Store, seen: _Watch, start: str, over: Callable[[], bool]) -> Iterator[bytes]:
    try:
        if start in ("", "0"):
            with store.lock:
                version = store.version
                there = store.entries(seen.place.group, seen.place.plural, seen.place.namespace)
            for _, entry in there:
                if seen.test(entry.obj):
                    yield seen.line(ADDED, entry)
        else:
            version = int(start)
        marked = time.monotonic()
        while not over():
            with store.lock:
                told = store.since(version)
                if not told:
                    store.history.changed.wait(max(0.0, min(_LOOK, seen.ends - time.monotonic())))
                    told = store.since(version)
                version = told[-1].version if told else version
            yield from _told(seen, told)
            now = time.monotonic()
            if seen.bookmarks and now >= min(marked + _BOOKMARK, seen.ends):
                yield seen.bookmark(version)
                marked = now
            if now >= seen.ends:
                return
    except ApiError as error:
        yield msgspec.json.encode({"type": "ERROR", "object": error.body()}) + b"\n"


def _told(seen: _Watch, changes: list[Change]) -> Iterator[bytes]:
    for change in changes:
        key, place = change.key, seen.place
        if (key.group, key.plural) != (place.group, place.plural) or place.namespace not in ("", key.namespace):
            continue
        was = change.before is not None and seen.test(change.before.obj)
        now = change.type != DELETED and seen.test(change.entry.obj)
        if now:
            yield seen.line(MODIFIED if was else ADDED, change.entry)
        elif was:
            yield seen.line(DELETED, change.entry)
