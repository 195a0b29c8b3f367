"""`pilotage releases`: for each revision of this mesh what is newer, what that fixes, and why it matters. Pure data."""

from datetime import date

import msgspec

from pilotage.decide.announcements import cves, highest, in_words, newer_minors, newer_patches
from pilotage.decide.support import ENDING, installed_revisions
from pilotage.domain.catalog import Catalog, MinorRelease, Release
from pilotage.domain.state import Revision, Snapshot
from pilotage.domain.version import Version

Since = date | Version | None
_SEVERE = 7.0  # "high" in CVSS 3


class News(msgspec.Struct, frozen=True):
    """Of one revision. Patches newest first, minors ascending; `why` is one line."""

    revision: Revision
    known: MinorRelease | None  # its own minor, None where the catalog does not know it
    patches: tuple[Release, ...]
    minors: tuple[MinorRelease, ...]
    why: str

    @property
    def cves(self) -> tuple[str, ...]:
        return cves(self.patches)

    @property
    def cvss(self) -> float | None:
        return highest(self.patches)


def releases(snapshot: Snapshot, since: Since = None) -> tuple[News, ...]:
    """Ascending by version. Newer than what runs, and with `since` only what came on that day or later, or after it."""
    return tuple(_news(revision, snapshot, since) for revision in installed_revisions(snapshot))


def _news(revision: Revision, snapshot: Snapshot, since: Since) -> News:
    catalog, today = snapshot.catalog, snapshot.today
    patches = newer_patches(revision, catalog, today)
    minors = newer_minors(revision, catalog, today)
    why = _why(revision, catalog, today)
    return News(
        revision,
        catalog.find(revision.version.in_minor),
        tuple(patch for patch in patches if _after(patch.version, patch.released, since)),
        tuple(minor for minor in minors if _after(minor.patches[-1].version, minor.released, since)),
        why,
    )


def _after(version: Version, released: date | None, since: Since) -> bool:
    """What has no day is shown: better once too often."""
    if isinstance(since, date):
        return released is None or released >= since
    return since is None or version > since


def _why(revision: Revision, catalog: Catalog, today: date) -> str:
    """The most pressing reason, of all that is newer."""
    known = catalog.find(revision.version.in_minor)
    patches, minors = newer_patches(revision, catalog, today), newer_minors(revision, catalog, today)
    if known is None:
        return f"the catalog does not know Istio {revision.version.in_minor}"
    if not known.supported(today):
        return f"no security fix since {known.end}: move to a supported minor"
    score, fixes = highest(patches), in_words(patches)
    if score is not None and score >= _SEVERE:
        return f"severe: {patches[0].version} fixes {fixes}"
    if fixes:
        return f"security: {patches[0].version} fixes {fixes}"
    if minors and known.end - today <= ENDING:
        return f"support ends on {known.end}: plan the move to {minors[0].minor}"
    if patches:
        return f"{patches[0].version} fixes bugs"
    return "nothing newer in this minor" if minors else "the newest there is"
