"""Which catalog holds for a mesh: what its resource names, else the last good one of it, else the packaged one.

A catalog that stands in for another says so in its `trouble`. Called by `cli.session` and by the operator.
"""

from collections.abc import Callable
from datetime import date
from functools import lru_cache

from msgspec.structs import replace

from pilotage.domain.catalog import Catalog, Trouble
from pilotage.domain.errors import MeshError, Refused
from pilotage.domain.mesh import CatalogSource
from pilotage.domain.objects import Obj
from pilotage.edge.catalog import KEPT, Kept, kept_in, signed, text_in
from pilotage.edge.reads import Reads

REJECTED, STALE = "CatalogRejected", "CatalogStale"
_ONE = Refused("spec.catalog: name either configMap, or url and publicKey", fix="kubectl edit smesh default")
Find = Callable[[str], Obj | None]  # a ConfigMap of the mesh's namespace, by name


def finder(reads: Reads, namespace: str) -> Find:
    """By a list: an operator's is kept up to date by a watch, and rings its bell."""
    listed = {obj["metadata"]["name"]: obj for obj in reads.list("v1", "ConfigMap", namespace)}
    return listed.get


def source_of(place: CatalogSource) -> str:
    """As it is shown, and as the last good one is known by."""
    return place.url or f"configmap/{place.config_map}"


def checked(place: CatalogSource) -> None:
    """Raises Refused for one that names nothing, or two things."""
    if bool(place.config_map) == bool(place.url) or bool(place.url) != bool(place.public_key):
        raise _ONE


def parsed(text: str, source: str) -> Catalog:
    """Raises Refused. The same text is read once."""
    found = _parsed(text, source)
    if isinstance(found, Refused):
        raise found
    return found


@lru_cache(8)
def _parsed(text: str, source: str) -> Catalog | Refused:
    from pilotage.decide.catalog import parse_catalog

    try:
        return parse_catalog(text, source)
    except Refused as refused:
        return refused


def of_verb(place: CatalogSource, find: Find, built_in: Catalog) -> Catalog:
    """The same, but where no operator has fetched a URL yet it is fetched now, and kept nowhere."""
    if place.url and kept_in(find(KEPT)).source != place.url:
        kept = fetched(place, Kept(place.url))
        return parsed(kept.text, kept.source) if kept.text else _with(built_in, _told(kept))
    return of_mesh(place, find, built_in)


def of_mesh(place: CatalogSource, find: Find, built_in: Catalog) -> Catalog:
    """The catalog of `place`, without a look at its URL: that is for who fetches. Raises what `find` raises."""
    source = source_of(place)
    kept = kept_in(find(KEPT))
    if kept.source != source:
        kept = Kept(source)
    try:
        checked(place)
        if place.config_map:
            return parsed(text_in(find(place.config_map), source), source)
        if kept.text:
            return _with(_verified(place, kept), _told(kept))
        return _with(built_in, _told(kept) or Trouble(STALE, f"{source} was not fetched yet"))
    except Refused as refused:
        return _with(_last(place, kept, built_in), Trouble(REJECTED, str(refused)))


def fetched(place: CatalogSource, before: Kept) -> Kept:
    """What is to be kept after a look at the URL. `before`: what was kept until now, of whatever source."""
    source = source_of(place)
    kept = before if before.source == source else Kept(source)
    try:
        checked(place)
        text, signature = signed(source, place.public_key or "")
        fresh = parsed(text, source)
        if fresh.complete_until < _until(place, kept):
            raise Refused(f"catalog {source}: older than the one that is kept", fix=f"delete ConfigMap {KEPT}")
    except Refused as refused:
        return kept._replace(code=REJECTED, trouble=str(refused))
    except MeshError as error:
        return kept._replace(code=STALE, trouble=str(error))
    return Kept(source, text, signature)


def _verified(place: CatalogSource, kept: Kept) -> Catalog:
    """What lay in the cluster is not believed either."""
    from pilotage.edge.signature import verify

    verify(kept.text.encode(), kept.signature, place.public_key or "")
    return parsed(kept.text, kept.source)


def _told(kept: Kept) -> Trouble | None:
    return Trouble(kept.code, kept.trouble) if kept.trouble else None


def _until(place: CatalogSource, kept: Kept) -> date:
    """Until when what is kept is complete; what is not signed says nothing."""
    try:
        return _verified(place, kept).complete_until
    except Refused:
        return date.min


def _last(place: CatalogSource, kept: Kept, built_in: Catalog) -> Catalog:
    """Of a ConfigMap only: what a URL gave counts with its signature."""
    if place.url or not kept.text:
        return built_in
    try:
        return parsed(kept.text, kept.source)
    except Refused:  # kept by another version of Pilotage
        return built_in


def _with(catalog: Catalog, trouble: Trouble | None) -> Catalog:
    return replace(catalog, trouble=trouble) if trouble else catalog
