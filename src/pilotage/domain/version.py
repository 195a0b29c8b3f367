"""Versions as numbers: 1.9 < 1.10 < 1.100, never as text."""

import re
from collections.abc import Sequence
from typing import NamedTuple

_VERSION = re.compile(r"v?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?:[-+](\d{1,6}))?(?:[-+.][0-9A-Za-z.+-]*)?")
_IN_NAME = re.compile(r"(?:^|[^0-9])(\d{1,6})-(\d{1,6})(?:-(\d{1,6}))?$")


class Minor(NamedTuple):
    """`1.31`."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    def next(self, steps: int = 1) -> "Minor":
        return Minor(self.major, self.minor + steps)

    @classmethod
    def parse(cls, text: str) -> "Minor":
        """Raises ValueError for anything but a version."""
        return Version.parse(text).in_minor


class Version(NamedTuple):
    """`1.27.9-6`: the last number is a distributor's rebuild, 0 if none."""

    major: int
    minor: int
    patch: int = 0
    build: int = 0

    def __str__(self) -> str:
        build = f"-{self.build}" if self.build else ""
        return f"{self.major}.{self.minor}.{self.patch}{build}"

    @property
    def in_minor(self) -> Minor:
        return Minor(self.major, self.minor)

    @classmethod
    def parse(cls, text: str) -> "Version":
        """`1.31`, `v1.36.3`, `1.27.9-6`, `1.31.0-distroless`. Raises ValueError otherwise."""
        found = _VERSION.fullmatch(text)
        if found is None:
            raise ValueError(f"not a version: {text!r}")
        return cls(*(int(number or 0) for number in found.groups()))


def span(minors: Sequence[Minor]) -> str:
    """`1.32 to 1.36`, of minors in ascending order."""
    return str(minors[0]) if len(minors) == 1 else f"{minors[0]} to {minors[-1]}"


def version_of_image(image: str) -> Version | None:
    """By its tag; a digest says nothing."""
    name = image.split("@", 1)[0].rsplit("/", 1)[-1]
    try:
        return Version.parse(name.partition(":")[2])
    except ValueError:
        return None


def minor_in_name(revision: str) -> Minor | None:
    """`asm-1-31` -> 1.31, `1-30-2` -> 1.30, `canary` -> None."""
    found = _IN_NAME.search(revision)
    return Minor(int(found[1]), int(found[2])) if found else None


def patch_in_name(revision: str) -> Version | None:
    """`1-30-2` -> 1.30.2, `asm-1-31` -> None."""
    found = _IN_NAME.search(revision)
    return Version(int(found[1]), int(found[2]), int(found[3])) if found and found[3] else None
