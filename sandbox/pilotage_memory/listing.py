"""GET of a collection: selected, in pages, as whole objects or metadata only. Used by `api`."""

import base64
import binascii
from collections import OrderedDict
from typing import Final

import msgspec

from pilotage_memory.errors import gone, refusal, unsupported
from pilotage_memory.history import Entry
from pilotage_memory.kinds import Kind, Obj, group_version
from pilotage_memory.messages import Request, Response
from pilotage_memory.paths import Place
from pilotage_memory.selectors import selection
from pilotage_memory.store import Entries, Store

PARAMETERS: Final = ("labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "resourceVersionMatch")
_KEPT: Final = 64  # lists in pages that may be gone on with
_EXPIRED: Final = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results."
)
METADATA_VERSION: Final = "meta.k8s.io/v1"


class _Token(msgspec.Struct):
    """Where a list goes on: after `start`, as it was at `version`; 0 for as it is."""

    version: int
    start: str


class Listing:
    """Thread-safe as far as the store's lock goes; remembers what the pages of a list showed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._snapshots: OrderedDict[tuple[int, Place], Entries] = OrderedDict()

    def answer(self, kind: Kind, place: Place, request: Request) -> Response:
        request.only(*PARAMETERS, "watch")
        if request.query.get("resourceVersionMatch") or request.query.get("resourceVersion", "0") != "0":
            raise unsupported(f"a list at a resourceVersion: {request.words}")
        test = selection(kind, request.query.get("labelSelector", ""), request.query.get("fieldSelector", ""))
        with self._store.lock:
            version, found = self._found(place, request)
        chosen = [(_start(entry), entry) for _, entry in found if test(entry.obj)]
        limit = int(request.query.get("limit") or 0)
        page, rest = (chosen[:limit], chosen[limit:]) if limit else (chosen, [])
        meta: Obj = {"resourceVersion": str(version or self._store.version)}
        if rest:
            meta["continue"] = _encode(_Token(version, page[-1][0]))
            if not (request.query.get("labelSelector") or request.query.get("fieldSelector")):
                meta["remainingItemCount"] = len(rest)
        return _body(kind, place, meta, [entry for _, entry in page], metadata=request.wants_metadata())

    def _found(self, place: Place, request: Request) -> tuple[int, Entries]:
        """What there is still to be told, and as of which version (0: now). Under the lock."""
        token = _decode(request.query.get("continue", ""))
        if token is not None and token.version:
            whole = self._snapshots.get((token.version, place))
            if whole is None or token.version < self._store.history.forgotten:
                raise gone(_EXPIRED, _encode(_Token(0, token.start)))
            return token.version, [each for each in whole if _start(each[1]) > token.start]
        whole = self._store.entries(place.group, place.plural, place.namespace)
        if token is not None:
            return 0, [each for each in whole if _start(each[1]) > token.start]
        if request.query.get("limit"):
            self._snapshots[self._store.version, place] = whole
            while len(self._snapshots) > _KEPT:
                self._snapshots.popitem(last=False)
        return self._store.version, whole


def _start(entry: Entry) -> str:
    meta = entry.obj["metadata"]
    return f"{meta.get('namespace', '')}/{meta['name']}"


def _encode(token: _Token) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode()


def _decode(text: str) -> _Token | None:
    if not text:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=_Token)
    except (msgspec.DecodeError, binascii.Error):
        raise refusal("BadRequest", "continue key is not valid") from None


def _body(kind: Kind, place: Place, meta: Obj, entries: list[Entry], *, metadata: bool) -> Response:
    version = group_version(place.group, place.version)
    if metadata:
        head = {"kind": "PartialObjectMetadataList", "apiVersion": METADATA_VERSION, "metadata": meta}
        items = [metadata_of(entry) for entry in entries]
    else:
        head = {"kind": f"{kind.kind}List", "apiVersion": version, "metadata": meta}
        # As from Go: the items of a list of a built-in kind have no kind of their own.
        items = [_in_list(kind, version, entry) for entry in entries]
    start = msgspec.json.encode(head)[:-1]
    return Response(body=start + b',"items":[' + b",".join(items) + b"]}")


def _in_list(kind: Kind, version: str, entry: Entry) -> bytes:
    return in_version(entry, version) if kind.crd is not None else b"{" + _rest(entry)


def in_version(entry: Entry, api_version: str) -> bytes:
    """The object as JSON in one of the versions in which it is served: only the name of the version differs."""
    if entry.obj["apiVersion"] == api_version:
        return entry.raw
    typed = msgspec.json.encode({"apiVersion": api_version, "kind": entry.obj["kind"]})
    return typed[:-1] + b"," + _rest(entry)


def _rest(entry: Entry) -> bytes:
    typed = msgspec.json.encode({"apiVersion": entry.obj["apiVersion"], "kind": entry.obj["kind"]})
    return entry.raw[len(typed) :]


def metadata_of(entry: Entry) -> bytes:
    """As PartialObjectMetadata."""
    typed = {"kind": "PartialObjectMetadata", "apiVersion": METADATA_VERSION, "metadata": entry.obj["metadata"]}
    return msgspec.json.encode(typed)
