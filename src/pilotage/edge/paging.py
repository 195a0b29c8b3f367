"""Lists in pages, so that neither side holds a whole big list as JSON. Used by `kube` and `watch`."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from pilotage.domain.objects import Obj
from pilotage.edge.failures import Gone, NotThere
from pilotage.edge.transport import Call, Transport

_SIZE: Final = "500"  # objects
_HEAD: Final = 4096  # bytes: the API server writes a list's own metadata first, and its token is a few hundred
_ITEMS: Final = b',"items":['
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


class _Head(msgspec.Struct, frozen=True):
    metadata: _Meta


class _Objects(msgspec.Struct, frozen=True):
    items: list[Obj] | None = None


# Made once, before there are threads: msgspec crashes where two make decoders of the same types at once.
_HEADS: Final = msgspec.json.Decoder(_Head)


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
        meta = _meta(transport, body)
        yield Page(body, meta.version)
        token = meta.token
        if not token:
            return


def _meta(transport: Transport, body: bytes) -> _Meta:
    """Metadata of a list, read without its items where it stands before them: who asked for the page decodes those."""
    head, items, _ = body[:_HEAD].partition(_ITEMS)
    if items:
        try:
            return _HEADS.decode(head + b"}").metadata
        except msgspec.MsgspecError:  # not where this API server has it
            pass
    return transport.decode(body, _List).metadata


def objects(transport: Transport, call: Call) -> tuple[list[Obj], str]:
    """All items, and the resourceVersion from which a watch misses nothing. Starts over where the list expired."""
    for _ in range(_RESTARTS - 1):
        try:
            return _collect(transport, pages(transport, call))
        except Gone:
            continue
    return _collect(transport, pages(transport, call))


def _collect(transport: Transport, told: Iterator[Page]) -> tuple[list[Obj], str]:
    items: list[Obj] = []
    version = ""
    for page in told:
        version = version or page.version  # of the first page: a later one may be newer than objects already told
        items += transport.decode(page.body, _Objects).items or ()
    return items, version
