"""What is in support: the catalog's answer on one day and one Kubernetes, and what it means for what is installed.

Called by `eligibility`, `preflight` and the faces. Today and the cluster's version are facts, never read here.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import msgspec

from pilotage.decide.catalog import version_of
from pilotage.domain.catalog import Catalog, MinorRelease
from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding, Severity
from pilotage.domain.mesh import Owner
from pilotage.domain.profile import Profile
from pilotage.domain.state import Revision, Snapshot
from pilotage.domain.version import Minor, Version

ENDING = timedelta(days=60)  # two minors overlap by about six weeks: time for one upgrade, and to plan it
ENDS_SOON = timedelta(days=14)


class Support(msgspec.Struct, frozen=True):
    """What eligibility depends on besides the revisions installed. `kubernetes` is the cluster's."""

    catalog: Catalog
    profile: Profile
    kubernetes: Version
    today: date
    max_step: int = 1

    def available(self, release: MinorRelease) -> bool:
        """Released, and not past its end of support."""
        return release.released <= self.today and release.supported(self.today)

    def fits(self, release: MinorRelease) -> bool:
        return self.kubernetes.in_minor in release.kubernetes

    def is_supported(self, minor: Minor) -> bool:
        """Of what is installed: not past its end. False also for a minor that the catalog does not know."""
        release = self.catalog.find(minor)
        return release is not None and release.supported(self.today)

    def name(self, minor: Minor) -> str:
        return self.profile.revision_of(minor)


def support_of(snapshot: Snapshot) -> Support:
    """The resource's upgrade policy, or the guide's rule where there is no resource."""
    step = snapshot.mesh.spec.upgrade_policy.max_minor_step if snapshot.mesh else 1
    return Support(snapshot.catalog, snapshot.profile, snapshot.kubernetes, snapshot.today, step)


def installed_revisions(snapshot: Snapshot) -> tuple[Revision, ...]:
    """Revisions that are there or asked for, ascending by version; needs no resource: any Istio's control planes count.

    With a resource, those it lists and those of ours still to be removed. One whose version nothing tells is left out,
    and `support_findings` names it.
    """
    return tuple(sorted(_resolved(snapshot)[0], key=lambda revision: revision.version))


def support_findings(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Unsupported, SupportEnding, UnknownRevision and PatchToAvoid of what is installed."""
    support = support_of(snapshot)
    found, unread = _resolved(snapshot)
    findings = [Finding("UnknownRevision", why, name) for name, why in unread]
    for revision in found:
        findings.extend(state_of(revision, support))
        findings.extend(support_ending(revision, support))
        findings.extend(patch_to_avoid(revision, support.catalog))
    return tuple(findings)


def patch_to_avoid(revision: Revision, catalog: Catalog) -> Iterator[Finding]:
    release = catalog.find(revision.version.in_minor)
    if release is None:
        return
    for patch in release.patches:
        if patch.version == revision.version and patch.avoid:
            message = f"{revision.name} runs {patch.version}: {patch.avoid}"
            yield Finding("PatchToAvoid", message, revision.name, f"set the revision's version to {release.newest}")


def support_ending(revision: Revision, support: Support) -> Iterator[Finding]:
    """SupportEnding: 60 days ahead for information, 14 days ahead a warning."""
    release = support.catalog.find(revision.version.in_minor)
    if release and support.available(release) and release.end - support.today <= ENDING:
        said = f" ({release.end_status}: {release.end_text})" if release.end_status == "expected" else ""
        message = f"support of {revision.name} (Istio {release.minor}) ends on {release.end}{said}"
        raised = Severity.WARNING if release.end - support.today <= ENDS_SOON else None
        yield Finding("SupportEnding", message, revision.name, "pilotage get-upgrades", raised)


def ended(revision: Revision, release: MinorRelease) -> Finding:
    """Unsupported, in words that hold on every Kubernetes."""
    message = f"support of {revision.name} (Istio {release.minor}) ended on {release.end}: it gets no security fix"
    return Finding("Unsupported", message, revision.name, "pilotage get-upgrades")


def _resolved(snapshot: Snapshot) -> tuple[list[Revision], list[tuple[str, str]]]:
    """Revisions with a version, and (name, why) of those without."""
    asked = {revision.name: revision for revision in snapshot.mesh.spec.revisions} if snapshot.mesh else {}
    planes = {plane.revision: plane for plane in snapshot.control_planes if plane.managed or not asked}
    planes |= {plane.revision: plane for plane in snapshot.control_planes if plane.revision in asked}
    found: list[Revision] = []
    unread: list[tuple[str, str]] = []
    for name in {**asked, **planes}:
        plane, wanted = planes.get(name), asked.get(name)
        managed = wanted.owner is Owner.MANAGED if wanted else bool(plane and plane.managed)
        try:
            seen = plane.version if plane else None
            version = seen or version_of(name, wanted.version if wanted else None, snapshot.catalog)
        except Refused as error:
            unread.append((name, str(error)))
        else:
            found.append(Revision(name, version, managed))
    return found, unread


def state_of(revision: Revision, support: Support) -> Iterator[Finding]:
    """What it means for its upgrades that the installed revision is unknown or out of support."""
    minor = revision.version.in_minor
    known = support.catalog.minors
    if known and minor > known[-1].minor:
        message = f"{revision.name} runs Istio {minor}, newer than all that the catalog knows"
        yield Finding("UnknownRevision", message, revision.name, "name a newer catalog: --catalog FILE")
    elif not support.is_supported(minor):
        yield _way_out(revision, support)


def _way_out(revision: Revision, support: Support) -> Finding:
    """The second rule in words: where an unsupported revision goes, and which minors it passes over."""
    minor = revision.version.in_minor
    since = end_in_words(support.catalog.find(minor))
    lowest = lowest_that_fits(minor, support)
    if lowest is None:
        return Finding(
            "Unsupported", f"{revision.name} is out of support{since}. {_stuck(minor, support)}", revision.name
        )
    passed = [release for release in support.catalog.minors if minor < release.minor < lowest.minor]
    over = f", passing over {_minors(passed)}" if passed else ""
    target = support.name(lowest.minor)
    message = (
        f"{revision.name} is out of support{since}: it goes to {target}, the lowest supported revision "
        f"for Kubernetes {support.kubernetes.in_minor}{over}; then one minor at a time"
    )
    return Finding("Unsupported", message, revision.name, f"pilotage upgrade start --revision {target}")


def _stuck(minor: Minor, support: Support) -> str:
    """No supported revision fits this Kubernetes: the cluster moves first."""
    newer = [release for release in support.catalog.minors if release.minor > minor and support.available(release)]
    cluster = support.kubernetes.in_minor
    if not newer:
        return "The catalog holds no newer supported revision: name a newer catalog."
    needed = min(release.kubernetes[0] for release in newer)
    if cluster < needed:
        return (
            f"Kubernetes {cluster} is older than any supported revision runs on: upgrade the cluster to "
            f"Kubernetes {needed} first, which is allowed although {support.name(minor)} was not made for it."
        )
    return f"No supported revision runs on Kubernetes {cluster} yet: wait for one before the next cluster upgrade."


def lowest_that_fits(minor: Minor, support: Support) -> MinorRelease | None:
    """The lowest supported release newer than `minor` that runs on the cluster's Kubernetes."""
    newer = (release for release in support.catalog.minors if release.minor > minor)
    return next((release for release in newer if support.available(release) and support.fits(release)), None)


def end_in_words(release: MinorRelease | None) -> str:
    return f" since the end of {release.end_text}" if release else ""


def _minors(releases: Sequence[MinorRelease]) -> str:
    return ", ".join(str(release.minor) for release in releases)
