"""The API: request -> response, over the store. What it does not know it answers 501. Used by `server`."""

from collections.abc import Callable
from typing import Final

from pilotage_memory import forwarding, reviews
from pilotage_memory.discovery import discover, is_built_in
from pilotage_memory.errors import ApiError, PageNotFound, not_found, refusal, unsupported
from pilotage_memory.kinds import Kind, group_version
from pilotage_memory.listing import Listing, in_version, metadata_of
from pilotage_memory.messages import Request, Response, answer, failure
from pilotage_memory.paths import Place, place_of
from pilotage_memory.rights import Rights
from pilotage_memory.store import Store
from pilotage_memory.watching import watch
from pilotage_memory.writing import create, delete, patch, replace

_OBJECT: Final = {"PUT": replace, "PATCH": patch, "DELETE": delete}


class Api:
    """Thread-safe. `over` tells open watches that the server ends."""

    def __init__(self, store: Store, over: Callable[[], bool]) -> None:
        self._store, self._over = store, over
        self._rights = Rights(store)
        self._listing = Listing(store)

    def answer(self, request: Request) -> Response:
        try:
            return self._answer(request)
        except ApiError as error:
            return failure(error)

    def _answer(self, request: Request) -> Response:
        place = place_of(request.path)
        if place is None:
            return self._about(request)
        if request.method == "POST" and (review := reviews.kind_of(place)):
            request.only("fieldManager", "fieldValidation")
            return reviews.answer(review, request.document(), self._rights, self._rights.user(request))
        self._rights.check(request, place)
        kind = self._kind(place, request)
        if not place.name:
            return self._collection(kind, place, request)
        if place.subresource == "portforward" and kind.kind == "Pod":
            return forwarding.forward(self._store, place, request)
        if place.subresource and not (place.subresource == "status" and kind.status):
            raise unsupported(request.words)
        if request.method == "GET":
            return self._get(kind, place, request)
        if request.method not in _OBJECT:
            raise refusal("MethodNotAllowed", "the server does not allow this method on the requested resource")
        return _OBJECT[request.method](self._store, kind, place, request)

    def _about(self, request: Request) -> Response:
        found = discover(request.path, self._store.kinds) if request.method == "GET" else None
        if found is not None:
            return found
        parts = request.path.strip("/").split("/")
        if parts[0] == "apis" and len(parts) in (2, 3) and not is_built_in(parts[1]):
            raise PageNotFound
        raise unsupported(request.words)

    def _kind(self, place: Place, request: Request) -> Kind:
        """Raises PageNotFound where a real server would serve none either, NotImplemented where it might."""
        kind = self._store.kinds.at(place.group, place.plural)
        if kind is not None and place.version in kind.versions and (kind.namespaced or not place.namespace):
            return kind
        if is_built_in(place.group) and kind is None:
            raise unsupported(request.words)
        raise PageNotFound

    def _collection(self, kind: Kind, place: Place, request: Request) -> Response:
        if request.method == "GET" and request.flag("watch"):
            return watch(self._store, kind, place, request, self._over)
        if request.method == "GET":
            return self._listing.answer(kind, place, request)
        if request.method == "POST":
            return create(self._store, kind, place, request)
        raise unsupported(request.words)

    def _get(self, kind: Kind, place: Place, request: Request) -> Response:
        request.only()
        entry = self._store.entry(place.key)
        if entry is None:
            raise not_found(kind.plural, kind.group, place.name)
        if request.wants_metadata():
            return Response(body=metadata_of(entry))
        return Response(body=in_version(entry, group_version(place.group, place.version)))


def broken(request: Request, error: Exception) -> Response:
    """For what should not happen: the server's own mistake, told as such."""
    told = ApiError(500, "InternalError", f"the in-memory cluster failed at {request.words}: {error!r}")
    return answer(told.body(), 500)
