"""Which revisions a mesh may move to: the guide's two rules, and for every newer revision not offered the reason.

From a supported revision the next minor only (`max_step` 2: up to two). From an unsupported one the lowest supported
revision that fits the cluster's Kubernetes, then one at a time again. A revision is offered exactly where no rule here
objects, so what `get-upgrades` prints and what `upgrade start` accepts cannot differ. Called by faces and `preflight`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from pilotage.decide.support import Support, end_in_words, lowest_that_fits, patch_to_avoid, state_of
from pilotage.domain.catalog import MinorRelease
from pilotage.domain.findings import Finding
from pilotage.domain.state import Revision
from pilotage.domain.version import Minor, span

_LOOK = "pilotage get-upgrades"
_STEPS = {1: "one minor", 2: "at most two minors"}


class UpgradeProfile(msgspec.Struct, frozen=True):
    """One row of get-upgrades or get-revisions. `upgrades`: names in ascending order; `reasons`: why not the others."""

    revision: str
    minor: Minor
    supported: bool
    end_of_support: str  # as the catalog says it, "" where unknown
    upgrades: tuple[str, ...] = ()
    compatible_versions: tuple[str, ...] = ()  # Kubernetes minors, ascending
    reasons: tuple[Finding, ...] = ()

    def as_aks(self) -> dict[str, Any]:
        """The `properties` that `az aks mesh get-upgrades -o json` prints."""
        compatible = [{"name": "kubernetes", "versions": list(self.compatible_versions)}]
        return {"compatibleWith": compatible, "revision": self.revision, "upgrades": list(self.upgrades) or None}


def get_upgrades(installed: Sequence[Revision], support: Support) -> tuple[UpgradeProfile, ...]:
    """One row per revision installed, ascending by version. Answers during a canary too, and says that one is there."""
    rows = sorted(installed, key=lambda revision: revision.version)
    during = tuple(_canary_in_progress(rows[0].name, rows[-1].name)) if len(rows) > 1 else ()
    return tuple(_upgrades_of(revision, support, during) for revision in rows)


def get_revisions(support: Support) -> tuple[UpgradeProfile, ...]:
    """One row per supported revision of the catalog, ascending, whatever the cluster's Kubernetes."""
    known = [release.minor for release in support.catalog.minors if support.available(release)]
    rows = []
    for minor in known:
        within = range(1, support.max_step + 1)
        offered = [support.catalog.find(minor.next(step)) for step in within if minor.next(step) in known]
        rows.append(_row(support.name(minor), minor, [release for release in offered if release], support))
    return tuple(rows)


def check_target(installed: Sequence[Revision], target: Revision, support: Support) -> tuple[Finding, ...]:
    """Everything against installing `target` beside `installed`; none where it is offered, or is the canary there.

    With nothing installed (`enable`), only that the catalog knows it and that it fits the cluster.
    """
    others = sorted((other for other in installed if other.name != target.name), key=lambda other: other.version)
    release = support.catalog.find(target.version.in_minor)
    findings = list(patch_to_avoid(target, support.catalog))
    if len(others) > 1:
        findings.extend(_canary_in_progress(others[0].name, others[-1].name))
    if release is None:
        findings.append(_unknown(target, support))
        return tuple(findings)
    resumed = len(others) < len(installed)
    if resumed and (not others or target.version < others[0].version):
        findings.append(Finding("TargetNotOffered", f"{target.name} is installed already", target.name, _LOOK))
    elif others and not resumed:
        findings.extend(objections(others[-1].version.in_minor, release, support))
    else:
        findings.extend(kubernetes_incompatible(release, support))
    if not others:
        findings.extend(_installed_unsupported(target, release, support))
    return tuple(findings)


def objections(installed: Minor, release: MinorRelease, support: Support) -> Iterator[Finding]:
    """Why `release` is not an upgrade of `installed`; nothing where it is one."""
    yield from _not_newer(installed, release, support)
    yield from _not_available(release, support)
    yield from _step_too_far(installed, release, support)
    if support.available(release):  # nobody should upgrade a cluster for the sake of a revision past its end
        yield from kubernetes_incompatible(release, support)


def kubernetes_incompatible(release: MinorRelease, support: Support) -> Iterator[Finding]:
    """The release does not list the cluster's Kubernetes minor."""
    if support.fits(release):
        return
    name, cluster = support.name(release.minor), support.kubernetes.in_minor
    message = f"{name} needs Kubernetes {span(release.kubernetes)}; this cluster runs {cluster}"
    if cluster < release.kubernetes[0]:
        fix = f"upgrade the cluster to Kubernetes {release.kubernetes[0]} first"
    else:
        fitting = [later for later in support.catalog.minors if support.available(later) and support.fits(later)]
        names = ", ".join(support.name(later.minor) for later in fitting)
        fix = f"take one that fits: {names}" if fitting else "no revision fits yet: wait for one"
    yield Finding("KubernetesIncompatible", message, name, fix)


def _upgrades_of(revision: Revision, support: Support, during: tuple[Finding, ...]) -> UpgradeProfile:
    minor = revision.version.in_minor
    offered: list[MinorRelease] = []
    reasons = [*during, *state_of(revision, support)]
    for newer in (other for other in support.catalog.minors if other.minor > minor):
        against = tuple(objections(minor, newer, support))
        reasons.extend(against)
        if not against:
            offered.append(newer)
    return _row(revision.name, minor, offered, support, tuple(reasons))


def _row(
    name: str,
    minor: Minor,
    offered: Sequence[MinorRelease],
    support: Support,
    reasons: tuple[Finding, ...] = (),
) -> UpgradeProfile:
    release = support.catalog.find(minor)
    return UpgradeProfile(
        name,
        minor,
        support.is_supported(minor),
        release.end_text if release else "",
        tuple(support.name(newer.minor) for newer in offered),
        tuple(str(version) for version in release.kubernetes) if release else (),
        reasons,
    )


def _unknown(target: Revision, support: Support) -> Finding:
    known = span([release.minor for release in support.catalog.minors]) if support.catalog.minors else "none"
    message = f"{target.name}: no Istio {target.version.in_minor} in the catalog, which knows {known}"
    return Finding("UnknownRevision", message, target.name, "pilotage get-revisions")


def _installed_unsupported(target: Revision, release: MinorRelease, support: Support) -> Iterator[Finding]:
    if not support.available(release):
        message = f"{target.name} would be installed although it is out of support{end_in_words(release)}"
        yield Finding("Unsupported", message, target.name, "pilotage get-revisions")


def _canary_in_progress(stable: str, canary: str) -> Iterator[Finding]:
    yield Finding(
        "CanaryInProgress",
        f"{canary} is beside {stable} already: no other upgrade starts before it is completed or rolled back",
        canary,
        "pilotage upgrade complete, or pilotage upgrade rollback",
    )


def _not_newer(installed: Minor, release: MinorRelease, support: Support) -> Iterator[Finding]:
    name = support.name(release.minor)
    if release.minor < installed:
        message = f"{name} is older than Istio {installed}: there is no way back outside a rollback"
        yield Finding("TargetNotOffered", message, name, _LOOK)
    elif release.minor == installed:
        message = f"{name} is the minor that is installed: a patch is taken in place, by spec.revisions[].version"
        yield Finding("TargetNotOffered", message, name, _LOOK)


def _not_available(release: MinorRelease, support: Support) -> Iterator[Finding]:
    name = support.name(release.minor)
    if release.released > support.today:
        yield Finding("TargetNotOffered", f"{name} is not released before {release.released}", name, _LOOK)
    elif not support.available(release):
        yield Finding("TargetNotOffered", f"{name} is out of support{end_in_words(release)}", name, _LOOK)


def _step_too_far(installed: Minor, release: MinorRelease, support: Support) -> Iterator[Finding]:
    name = support.name(release.minor)
    if support.is_supported(installed):
        if release.minor > installed.next(support.max_step):
            after = support.name(Minor(release.minor.major, release.minor.minor - support.max_step))
            message = f"{name} comes after {after}: a supported revision moves {_STEPS[support.max_step]} at a time"
            yield Finding("TargetNotOffered", message, name, _LOOK)
        return
    lowest = lowest_that_fits(installed, support)
    if lowest is not None and release.minor > lowest.minor:
        first = support.name(lowest.minor)
        message = f"{name} comes after {first}, the lowest supported revision for this cluster"
        yield Finding("TargetNotOffered", message, name, f"pilotage upgrade start --revision {first}")
