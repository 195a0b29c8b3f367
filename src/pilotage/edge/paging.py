"""Lists in pages, so that neither side holds a whole big list as JSON. Used by `kube` and `watch`."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from pilotage.domain.objects import Obj
from pilotage.edge.failures import Gone, NotThere
from pilotage.edge.transport import Call, Transport

_SIZE: Final = "500"  # objects
_RESTARTS: Final = 3  # a list that expires this often will not end


class Page(NamedTuple):
    """Raw JSON of a list, and the resourceVersion it tells."""

    body: bytes
    version: str


class _Meta(msgspec.Struct, frozen=True, rename={"token": "continue", "version": "resourceVersion"}):
    token: str = ""
    version: str = ""


class _List(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()


def pages(transport: Transport, call: Call) -> Iterator[Page]:
    """Pages of a list; none where the kind is not served.

    A list that outlives the API server's memory goes on with the token it gives then: objects that changed meanwhile
    may be shown as they are now, none is left out or told twice. Raises Gone where it gives no token.
    """
    token = ""
    while True:
        query = {**call.query, "limit": _SIZE, "continue": token}
        try:
            body = transport.send(call._replace(query=query))
        except NotThere:
            return
        except Gone as gone:
            if not gone.resume or gone.resume == token:
                raise
            token = gone.resume
            continue
        meta = transport.decode(body, _List).metadata
        yield Page(body, meta.version)
        token = meta.token
        if not token:
            return


def objects(transport: Transport, call: Call) -> tuple[list[Obj], str]:
    """All items, and the resourceVersion from which a watch misses nothing. Starts over where the list expired."""
    for _ in range(_RESTARTS - 1):
        try:
            return _collect(pages(transport, call))
        except Gone:
            continue
    return _collect(pages(transport, call))


def _collect(told: Iterator[Page]) -> tuple[list[Obj], str]:
    items: list[Obj] = []
    version = ""
    for page in told:
        version = version or page.version  # of the first page: a later one may be newer than objects already told
        items += msgspec.json.decode(page.body)["items"] or ()
    return items, version
