"""The catalog as data: which minors and patches exist, on which Kubernetes, until when, from where."""

from datetime import date

import msgspec

from pilotage.domain.version import Minor, Version


class Release(msgspec.Struct, frozen=True):
    """One patch."""

    version: Version
    released: date | None = None
    security: tuple[str, ...] = ()  # Istio bulletins
    avoid: str = ""  # why nobody should be moved to it, "" if fine
    cves: tuple[str, ...] = ()  # ids of CVEs, or of GitHub where there is none
    cvss: float | None = None  # the highest score of its cves, None where none is given
    note: str = ""  # what it is about, in a sentence


class MinorRelease(msgspec.Struct, frozen=True):
    """One minor. `end` is the last day of support; `end_text` is what the source said (`2026-11`)."""

    minor: Minor
    released: date
    end: date
    end_text: str
    kubernetes: tuple[Minor, ...]  # ascending
    patches: tuple[Release, ...]  # newest first
    end_status: str = ""  # final, announced or expected

    def supported(self, today: date) -> bool:
        return today <= self.end

    @property
    def newest(self) -> Version:
        """The newest patch that is not to be avoided."""
        return next((patch.version for patch in self.patches if not patch.avoid), self.patches[0].version)


class Range(msgspec.Struct, frozen=True):
    """Versions from `first` on, before `end`; None leaves that side open."""

    first: Version | None = None
    end: Version | None = None

    def holds(self, version: Version) -> bool:
        return (self.first is None or version >= self.first) and (self.end is None or version < self.end)


class BadPair(msgspec.Struct, frozen=True):
    """Proxies and istiods that do not work together."""

    proxy: Range
    istiod: Range
    why: str


class ClosingHome(msgspec.Struct, frozen=True):
    """A home of images or charts, as part of their names, and the day from which it is closed."""

    home: str
    closes: date


class Trouble(msgspec.Struct, frozen=True):
    """Why a catalog stands in for the one that was asked for. `code`: CatalogRejected or CatalogStale."""

    code: str
    cause: str


class Catalog(msgspec.Struct, frozen=True, omit_defaults=True):
    """Minors in ascending order. `complete_until`: every release up to that day is in it, a later one may not be."""

    minors: tuple[MinorRelease, ...]
    source: str
    complete_until: date
    images: str = ""  # where Istio publishes them
    charts: str = ""
    closing: tuple[ClosingHome, ...] = ()
    bad_pairs: tuple[BadPair, ...] = ()
    trouble: Trouble | None = None

    def find(self, minor: Minor) -> MinorRelease | None:
        return next((known for known in self.minors if known.minor == minor), None)

    def patch(self, version: Version) -> Release | None:
        release = self.find(version.in_minor)
        return next((patch for patch in release.patches if patch.version == version), None) if release else None

    def against(self, proxy: Version, istiod: Version) -> str:
        """Why a proxy of the one version must not meet an istiod of the other, "" where nothing is known."""
        pairs = (pair.why for pair in self.bad_pairs if pair.proxy.holds(proxy) and pair.istiod.holds(istiod))
        return next(pairs, "")
