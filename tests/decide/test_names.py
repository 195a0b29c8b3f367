"""Which names a revision may have, and which version a name stands for."""

import msgspec
import pytest

from pilotage.decide.catalog import check_name, version_of
from pilotage.domain.errors import Refused
from pilotage.domain.profile import PROFILES
from pilotage.domain.version import Version
from pilotage.edge.catalog import packaged_catalog

CATALOG = packaged_catalog()


@pytest.mark.parametrize("name", ["asm-1-31", "1-31", "1-31-0", "canary", "default", "a", "a" * 40])
def test_these_are_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name", ["", "Asm-1-31", "asm_1_31", "asm-1.31", "-asm", "asm-", "a" * 41, "asm 1", "ásm", "a/b", "a\n"]
)
def test_these_are_refused_with_the_pattern(name: str) -> None:
    with pytest.raises(Refused, match=r"cannot be the name of a revision: at most 40 characters, \^\[a-z0-9\]"):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "given", "version"),
    [
        ("asm-1-31", None, "1.31.1"),  # the newest patch of the minor in the name
        ("asm-1-30", "1.30.2", "1.30.2"),  # the version given wins
        ("canary", "1.31.0", "1.31.0"),
        ("1-30-2", None, "1.30.2"),  # a name that says its patch is taken at its word
        ("asm-1-31", "1.40.0", "1.40.0"),  # whether the catalog knows it is said by check_target
    ],
)
def test_a_name_stands_for_a_version(name: str, given: str | None, version: str) -> None:
    assert version_of(name, given, CATALOG) == Version.parse(version)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("canary", None, "revision canary does not say which Istio it is: give its version"),
        ("asm-1-100", None, "no Istio 1.100 in the catalog, only 1.22"),
        ("asm-1-9", None, "no Istio 1.9 in the catalog"),
        ("asm-1-31", "latest", "'latest' is not a version"),
        ("asm-1-31", "1.31.0-rc.1", "'1.31.0-rc.1' is not a version"),  # 1.31.0 is another one
        ("Canary", "1.31.0", "cannot be the name"),
    ],
)
def test_a_name_that_says_nothing_the_catalog_knows_is_refused(name: str, given: str | None, words: str) -> None:
    with pytest.raises(Refused, match=words):
        version_of(name, given, CATALOG)


def test_an_image_with_other_braces_is_taken_as_it_is_written() -> None:
    profile = msgspec.structs.replace(next(iter(PROFILES.values())), proxy_image="mine/proxy:{version}-{odd}")
    assert profile.proxy_image_of(Version(1, 31, 0)) == "mine/proxy:1.31.0-{odd}"
