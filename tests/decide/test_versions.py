"""Versions are numbers. Called by pytest only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.domain.version import Minor, Version, minor_in_name, patch_in_name

_NUMBER = st.integers(0, 999_999)


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1.9", "1.10"),
        ("1.10", "1.99"),
        ("1.99", "1.100"),
        ("1.100", "2.0"),
        ("1.30.9", "1.30.10"),
        ("1.27.9-5", "1.27.9-6"),
        ("1.27.9-9", "1.27.9-10"),
    ],
)
def test_a_version_is_older_by_number_not_by_text(lower: str, higher: str) -> None:
    assert Version.parse(lower) < Version.parse(higher)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v1.36.3", Version(1, 36, 3)),
        ("1.31", Version(1, 31)),
        ("1.27.9-6", Version(1, 27, 9, 6)),
        ("1.31.0-distroless", Version(1, 31)),
        ("1.27.9-6-distroless", Version(1, 27, 9, 6)),
        ("1.36.3+k3s1", Version(1, 36, 3)),
        ("1.36.3-gke.100", Version(1, 36, 3)),
    ],
)
def test_a_version_is_read_as_clusters_and_images_write_it(text: str, version: Version) -> None:
    assert Version.parse(text) == version


@pytest.mark.parametrize("text", ["", "1", "latest", "1.x", "1..2", "-1.2", "1.31.0/", "1.1000000.0"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a version"):
        Version.parse(text)


@pytest.mark.parametrize(
    ("name", "minor", "patch"),
    [
        ("asm-1-9", Minor(1, 9), None),
        ("asm-1-10", Minor(1, 10), None),
        ("asm-1-100", Minor(1, 100), None),
        ("1-31", Minor(1, 31), None),
        ("1-30-2", Minor(1, 30), Version(1, 30, 2)),
        ("prod-1-30-2", Minor(1, 30), Version(1, 30, 2)),
        ("canary", None, None),
        ("default", None, None),
        ("v2", None, None),
        ("asm-1-31-new", None, None),
        ("", None, None),
    ],
)
def test_a_name_says_its_minor_and_may_say_its_patch(name: str, minor: Minor | None, patch: Version | None) -> None:
    assert (minor_in_name(name), patch_in_name(name)) == (minor, patch)


@given(_NUMBER, _NUMBER, _NUMBER)
def test_what_is_printed_is_read_back(major: int, minor: int, patch: int) -> None:
    version = Version(major, minor, patch)
    assert Version.parse(str(version)) == version
