"""A person's word on one removal or patch: annotations that name the revision, who said it and when, and hold a while.

`force-removal` lets it go past its guard; `confirmed-removal` is what the verbs write: their guard has just held, so
nothing soaks. Made by the verbs; called by `removal` and `plan`. Nothing is remembered: what a mark is worth follows
from its content, the clock, and the removals that are under way.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from pilotage.decide.ownership import owner_of
from pilotage.domain.actions import Patch
from pilotage.domain.mesh import Moment, ServiceMesh
from pilotage.domain.names import (
    API_VERSION,
    CONFIRMED_GATEWAY,
    CONFIRMED_REMOVAL,
    FORCE_GATEWAY,
    FORCE_REMOVAL,
    MESH_KIND,
    MESH_NAME,
    PATCH_NOW,
)
from pilotage.domain.objects import ObjectRef
from pilotage.domain.state import Snapshot

_LASTS = timedelta(minutes=30)  # long enough for one removal, too short to be forgotten
_SKEW = timedelta(minutes=1)  # by which the clock of who wrote it may be ahead


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """Value of an annotation, as JSON. It names a revision (EVERY_REVISION in a confirmation), or a gateway.

    `gateway` is its namespace/name.
    """

    by: str
    at: Moment
    revision: str = ""
    gateway: str = ""

    @property
    def names(self) -> str:
        """What it is about; "" for nothing, as where it names two things."""
        return "" if self.revision and self.gateway else self.revision or self.gateway


def force_annotation(mark: Mark) -> dict[str, str | None]:
    """Forces the removal; written in the same request as the change that asks for it."""
    return {FORCE_REMOVAL: _text(mark), CONFIRMED_REMOVAL: None}


def confirm_annotation(mark: Mark) -> dict[str, str | None]:
    """Confirms the removal, likewise. A force was meant for the removal before."""
    return {FORCE_REMOVAL: None, CONFIRMED_REMOVAL: _text(mark)}


def gateway_annotation(mark: Mark, *, force: bool) -> dict[str, str | None]:
    """The same for a gateway; what was said of a revision stands."""
    return {FORCE_GATEWAY: _text(mark) if force else None, CONFIRMED_GATEWAY: None if force else _text(mark)}


def no_mark() -> dict[str, str | None]:
    """For whatever removes nothing: what was said was meant for another removal."""
    return {FORCE_REMOVAL: None, CONFIRMED_REMOVAL: None}


def forced(snapshot: Snapshot, revision: str) -> Mark | None:
    """The force that holds for `revision` now. A value that does not parse, or has expired, forces nothing."""
    return _holding(snapshot, FORCE_REMOVAL, revision)


def confirmed(snapshot: Snapshot, revision: str) -> Mark | None:
    """The confirmation that holds for the removal of `revision` now."""
    return _holding(snapshot, CONFIRMED_REMOVAL, revision)


def gateway_forced(snapshot: Snapshot, gateway: str) -> Mark | None:
    """The force that holds for the gateway, named as namespace/name."""
    return _holding(snapshot, FORCE_GATEWAY, gateway)


def gateway_confirmed(snapshot: Snapshot, gateway: str) -> Mark | None:
    """The confirmation, likewise."""
    return _holding(snapshot, CONFIRMED_GATEWAY, gateway)


def patch_annotation(mark: Mark) -> dict[str, str | None]:
    """Asks for the newest patch of a revision now."""
    return {PATCH_NOW: _text(mark)}


def patch_asked(mesh: ServiceMesh, now: datetime, revision: str) -> Mark | None:
    """The word that holds for a patch of `revision` now."""
    return _worth(mesh, now, PATCH_NOW, revision)


def cleared(snapshot: Snapshot, leaving: tuple[str, ...], patching: tuple[str, ...] = ()) -> Iterator[Patch]:
    """Takes marks away that are worth nothing any more: expired, or of nothing that is under way.

    `leaving`: revisions and gateways that a removal is for; `patching`: those whose patch is still asked for.

    One that Git holds stays: it would come back, and it expires by its own content.
    """
    mesh = snapshot.mesh
    removals = (FORCE_REMOVAL, CONFIRMED_REMOVAL, FORCE_GATEWAY, CONFIRMED_GATEWAY)
    for key, names in (*((key, leaving) for key in removals), (PATCH_NOW, patching)):
        if mesh is None or key not in mesh.annotations or any(_holding(snapshot, key, name) for name in names):
            continue
        holders = {"metadata": {"managedFields": mesh.managed_fields}}
        if owner_of(holders, ("metadata", "annotations", key)) is None:
            body = {"metadata": {"annotations": {key: None}}}
            yield Patch(ObjectRef(API_VERSION, MESH_KIND, "", MESH_NAME), body, f"{key}: what it was for is over")


def _holding(snapshot: Snapshot, key: str, revision: str) -> Mark | None:
    return _worth(snapshot.mesh, snapshot.now, key, revision)


def _worth(mesh: ServiceMesh | None, now: datetime, key: str, revision: str) -> Mark | None:
    mark = _parse(mesh, key)
    if mark is None or not revision or mark.names != revision:
        return None
    return mark if mark.at - _SKEW <= now < mark.at + _LASTS else None


def _parse(mesh: ServiceMesh | None, key: str) -> Mark | None:
    text = mesh.annotations.get(key) if mesh else None
    try:
        return msgspec.json.decode(text, type=Mark) if text else None
    except msgspec.MsgspecError:
        return None


def _text(mark: Mark) -> str:
    return msgspec.json.encode(mark).decode()
