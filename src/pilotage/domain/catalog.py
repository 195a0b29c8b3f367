"""The catalog as data: which minors and patches exist, on which Kubernetes, until when."""

from datetime import date

import msgspec

from pilotage.domain.version import Minor, Version


class Release(msgspec.Struct, frozen=True):
    """One patch."""

    version: Version
    released: date | None = None
    security: tuple[str, ...] = ()  # Istio bulletins
    avoid: str = ""  # why nobody should be moved to it, "" if fine


class MinorRelease(msgspec.Struct, frozen=True):
    """One minor. `end` is the last day of support; `end_text` is what the source said (`2026-11`)."""

    minor: Minor
    released: date
    end: date
    end_text: str
    kubernetes: tuple[Minor, ...]  # ascending
    patches: tuple[Release, ...]  # newest first

    def supported(self, today: date) -> bool:
        return today <= self.end

    @property
    def newest(self) -> Version:
        """The newest patch that is not to be avoided."""
        return next((patch.version for patch in self.patches if not patch.avoid), self.patches[0].version)


class Catalog(msgspec.Struct, frozen=True):
    """Minors in ascending order."""

    minors: tuple[MinorRelease, ...]
    source: str

    def find(self, minor: Minor) -> MinorRelease | None:
        return next((known for known in self.minors if known.minor == minor), None)
