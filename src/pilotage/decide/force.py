"""A removal that was forced: an annotation names the revision and who did it, and expires. Called by `removal`."""

from datetime import datetime, timedelta

import msgspec

from pilotage.domain.mesh import ServiceMesh
from pilotage.domain.names import FORCE_REMOVAL
from pilotage.domain.state import Snapshot

LASTS = timedelta(minutes=30)  # long enough for one removal, too short to be forgotten


class Force(msgspec.Struct, frozen=True):
    """Value of the annotation, as JSON."""

    revision: str
    by: str
    until: datetime


def force_annotation(revision: str, by: str, now: datetime) -> dict[str, str]:
    """The annotation that forces the removal of `revision` for a while."""
    force = Force(revision, by, now + LASTS)
    return {FORCE_REMOVAL: msgspec.json.encode(force).decode()}


def forced(snapshot: Snapshot, revision: str) -> Force | None:
    """The force that holds for `revision` now. A value that does not parse, or has expired, forces nothing."""
    force = _parse(snapshot.mesh)
    return force if force and force.revision == revision and snapshot.now < force.until else None


def _parse(mesh: ServiceMesh | None) -> Force | None:
    text = mesh.annotations.get(FORCE_REMOVAL) if mesh else None
    try:
        return msgspec.json.decode(text, type=Force) if text else None
    except msgspec.MsgspecError:
        return None
