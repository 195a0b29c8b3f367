"""Which patch of its minor a version may take. Called by `patches`."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import takewhile

from msgspec.structs import replace

from pilotage.domain.catalog import Catalog, Release
from pilotage.domain.maintenance import Patches
from pilotage.domain.version import Version

URGENT = 8.0  # a CVSS score from which on a patch does not wait for its age


def candidate(catalog: Catalog, running: Version, policy: Patches | None, today: date) -> Version | None:
    """The newest above `running` that is not harmful, and old enough; of any age without `policy`."""
    newer = _newer(catalog, running)
    for at, release in enumerate(newer):
        if harm(catalog, running, release.version):
            continue
        skipped = takewhile(lambda each: bool(harm(catalog, running, each.version)), newer[at + 1 :])
        if policy is None or old_enough(_with_holes_of(release, skipped), policy, today):
            return release.version
    return None


def clashing(catalog: Catalog, running: Version, today: date) -> tuple[Version, str] | None:
    """The newest that is out and nothing is wrong with but that proxies of `running` do not work with it, and why."""
    for release in _newer(catalog, running):
        why = catalog.against(running, release.version)
        if why and not release.avoid and (release.released is None or release.released <= today):
            return release.version, why
    return None


def old_enough(release: Release, policy: Patches, today: date) -> bool:
    """Not known to be is not old enough; one that fixes a grave hole need not be."""
    if release.released is not None and release.released > today:
        return False
    if release.cvss is not None and release.cvss >= URGENT:
        return True
    day = comes_of_age(release, policy)
    return day is not None and day <= today


def comes_of_age(release: Release, policy: Patches) -> date | None:
    """The day from which on it is old enough; None for one whose date is not known."""
    return release.released + timedelta(days=int(policy.min_age[:-1])) if release.released else None


def _newer(catalog: Catalog, running: Version) -> list[Release]:
    known = catalog.find(running.in_minor)
    return [release for release in (known.patches if known else ()) if release.version > running]


def harm(catalog: Catalog, running: Version, to: Version) -> str:
    """Why a mesh of `running` is not to take `to`, "" where nothing is known against it."""
    release = catalog.patch(to)
    return (release.avoid if release else "") or catalog.against(running, to)


def _with_holes_of(release: Release, skipped: Iterator[Release]) -> Release:
    """What a patch that is passed over would have fixed, the next one fixes."""
    scores = [each.cvss for each in (release, *skipped) if each.cvss is not None]
    return replace(release, cvss=max(scores, default=None))
