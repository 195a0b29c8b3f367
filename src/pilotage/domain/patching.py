"""Which version each revision is to run now, and how its patches stand: made by `decide.patches`, used by the plan."""

from datetime import datetime

import msgspec

from pilotage.domain.findings import Finding
from pilotage.domain.mesh import PatchState
from pilotage.domain.version import Version


class Course(msgspec.Struct, frozen=True):
    """`versions`: revision -> version, as long as nothing begins. `patch`: under way or failed, as last kept.

    `begins`: the patch that may be started now, once nothing else is to be done. `opens`: when one may that only its
    window keeps.
    """

    versions: dict[str, Version] = {}
    patch: PatchState | None = None
    begins: PatchState | None = None
    opens: datetime | None = None
    asked: tuple[str, ...] = ()  # revisions of which a person asked for a patch that has not begun
    findings: tuple[Finding, ...] = ()
