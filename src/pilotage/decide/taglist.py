"""Revision tags as `istioctl tag list` shows them. Called by `tag list`, which needs none of what writes tags."""

import msgspec

from pilotage.domain.names import REV
from pilotage.domain.state import Snapshot


class TagRow(msgspec.Struct, frozen=True):
    """One row of the list. `tag` is empty for a revision without tags; `namespaces` name the tag in their label."""

    tag: str
    revision: str
    namespaces: tuple[str, ...]


def list_tags(snapshot: Snapshot) -> tuple[TagRow, ...]:
    """As istioctl lists: by revision, then tag; a revision without a tag has a row of its own.

    Unlike istioctl, a gateway's Service that carries the revision's label is not taken for a revision.
    """
    services = (each for each in snapshot.revision_services if each.tag or each.labels.get("app") == "istiod")
    by_webhook = {(config.revision, config.tag) for config in snapshot.injectors if config.revision}
    found = by_webhook | {(each.revision, each.tag) for each in services if each.revision}
    tagged = {revision for revision, tag in found if tag}
    return tuple(
        TagRow(tag, revision, namespaces_with(snapshot, tag) if tag else ())
        for revision, tag in sorted(found)
        if tag or revision not in tagged
    )


def namespaces_with(snapshot: Snapshot, tag: str) -> tuple[str, ...]:
    """Namespaces whose label names the tag."""
    return tuple(sorted(space.name for space in snapshot.namespaces if space.labels.get(REV) == tag))
