"""What is new for this mesh: patches, minors, and ends of support ahead or past. No rule here blocks anything.

Called by `health` (`check`), by `status`, which makes conditions of it, and by the faces after a verb that wrote. Words
hold days of the calendar, not days that are left: a sentence that changes every night would be an Event every night.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from pilotage.decide.support import Support, ended, installed_revisions, support_ending, support_of
from pilotage.domain.catalog import Catalog, MinorRelease, Release
from pilotage.domain.findings import Finding
from pilotage.domain.state import Revision, Snapshot
from pilotage.domain.version import span

ANNOUNCED = ("NewPatch", "NewMinor", "SupportEnding", "Unsupported")  # codes, and types of conditions
TROUBLE = ("CatalogRejected", "CatalogStale", "ProxyRestartsStopped")  # the same, only of a mesh that has known it
_LOOK = "pilotage releases"
_RESTARTS = "kubectl get smesh default -o jsonpath='{.status.proxyRestarts}'"
_MEND = "kubectl get smesh default -o jsonpath='{.spec.catalog}'"


def announcements(snapshot: Snapshot) -> tuple[Finding, ...]:
    """All of ANNOUNCED in that order, then TROUBLE. Needs control planes and the resource only."""
    support = support_of(snapshot)
    found = [finding for revision in installed_revisions(snapshot) for finding in _ends(revision, support)]
    found = sorted((*news(snapshot), *found), key=lambda finding: ANNOUNCED.index(finding.code))
    return (*found, *catalog_trouble(snapshot), *stopped_restarts(snapshot))


def catalog_trouble(snapshot: Snapshot) -> Iterator[Finding]:
    """The catalog that was asked for could not be taken, or not be reached."""
    catalog = snapshot.catalog
    if catalog.trouble is not None:
        used = f"{catalog.source}, complete until {catalog.complete_until}, is used"
        yield Finding(catalog.trouble.code, f"{catalog.trouble.cause}: {used}", catalog.source, _MEND)


def stopped_restarts(snapshot: Snapshot) -> Iterator[Finding]:
    """The operator restarts no application although its window is open, or names a window that is not there."""
    told = snapshot.mesh.restarts if snapshot.mesh else None
    if told and told.stopped:
        yield Finding("ProxyRestartsStopped", told.stopped, told.window, _RESTARTS)


def news(snapshot: Snapshot) -> Iterator[Finding]:
    """NewPatch per revision, and NewMinor for the newest of them."""
    installed = installed_revisions(snapshot)
    for revision in installed:
        patches = newer_patches(revision, snapshot.catalog, snapshot.today)
        if patches:
            words = f"{revision.name} runs {revision.version}; {_said(patches)}"
            yield Finding("NewPatch", words, revision.name, _LOOK)
    minors = newer_minors(installed[-1], snapshot.catalog, snapshot.today) if installed else ()
    if minors:
        words = "; ".join(
            f"Istio {each.minor} ({snapshot.profile.revision_of(each.minor)}) is out since {each.released}, "
            f"for Kubernetes {span(each.kubernetes)}"
            for each in minors
        )
        yield Finding("NewMinor", words, installed[-1].name, "pilotage get-upgrades")


def newer_patches(revision: Revision, catalog: Catalog, today: date) -> tuple[Release, ...]:
    """Of its minor, newest first; none that is to be avoided, or not out yet."""
    minor = catalog.find(revision.version.in_minor)
    return tuple(
        patch
        for patch in (minor.patches if minor else ())
        if patch.version > revision.version and not patch.avoid and (patch.released is None or patch.released <= today)
    )


def newer_minors(revision: Revision, catalog: Catalog, today: date) -> tuple[MinorRelease, ...]:
    """Released and in support, ascending."""
    return tuple(
        minor
        for minor in catalog.minors
        if minor.minor > revision.version.in_minor and minor.released <= today and minor.supported(today)
    )


def cves(patches: Iterable[Release]) -> tuple[str, ...]:
    """What the patches fix together, each once."""
    return tuple(sorted({cve for patch in patches for cve in patch.cves}))


def highest(patches: Iterable[Release]) -> float | None:
    """The highest CVSS score that the patches fix, None where none is given."""
    return max((patch.cvss for patch in patches if patch.cvss is not None), default=None)


def in_words(patches: Sequence[Release]) -> str:
    """`ISTIO-SECURITY-2026-006 and 1 more, 14 CVEs, highest CVSS 7.5`; "" where no security fix is known."""
    bulletins = sorted({bulletin for patch in patches for bulletin in patch.security}, reverse=True)
    fixed, score = cves(patches), highest(patches)
    parts = [bulletins[0] + (f" and {len(bulletins) - 1} more" if bulletins[1:] else "")] if bulletins else []
    parts += [f"{len(fixed)} CVE{'s' if fixed[1:] else ''}"] if fixed else []
    parts += [f"highest CVSS {score}"] if score is not None else []
    return ", ".join(parts)


def _said(patches: Sequence[Release]) -> str:
    newest = patches[0]
    since = f" since {newest.released}" if newest.released else ""
    fixes = in_words(patches)
    return f"{newest.version} is out{since} and fixes {fixes or 'bugs'}"


def _ends(revision: Revision, support: Support) -> Iterator[Finding]:
    yield from support_ending(revision, support)
    release = support.catalog.find(revision.version.in_minor)
    if release is not None and not release.supported(support.today):
        yield ended(revision, release)
