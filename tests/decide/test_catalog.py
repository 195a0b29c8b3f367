"""The catalog: what is packaged, and what of a user's own is refused, in one line."""

from datetime import date
from importlib import resources
from pathlib import Path

import pytest

from pilotage.decide.catalog import parse_catalog
from pilotage.domain.errors import Refused
from pilotage.domain.version import Minor, Version
from pilotage.edge.catalog import catalog_text, packaged_catalog

YAML = resources.files("pilotage").joinpath("data", "catalog.yaml").read_text(encoding="utf-8")
CATALOG = packaged_catalog()
MINE = """\
minors:
  - minor: 1.30
    released: 2026-05-18
    endOfLife: 2026-02
    kubernetes: ["1.33", 1.32]
    patches:
      - {version: 1.30.0, date: 2026-05}
      - {version: 1.30.10, avoid: loses requests}
      - {version: 1.30.9, security: [ISTIO-SECURITY-2026-001], cvss: {CVE-2026-1: 9.8, CVE-2026-2: 10}}
badPairs:
  - {proxy: {before: 1.30.9}, istiod: {from: 1.30.9}, why: they disagree}
completeUntil: 2026-06-01
"""


def test_what_is_loaded_at_start_up_is_what_the_yaml_says() -> None:
    assert parse_catalog(YAML, CATALOG.source) == CATALOG


def test_minors_ascend_as_numbers_and_patches_descend() -> None:
    minors = [release.minor for release in CATALOG.minors]
    assert minors == sorted(minors)
    for release in CATALOG.minors:
        patches = [patch.version for patch in release.patches]
        assert patches == sorted(patches, reverse=True)
        assert list(release.kubernetes) == sorted(release.kubernetes)


def test_the_packaged_catalog_goes_from_1_22_to_1_31() -> None:
    assert [str(release.minor) for release in CATALOG.minors] == [f"1.{minor}" for minor in range(22, 32)]


@pytest.mark.parametrize(
    ("minor", "last_day"),
    [
        ("1.30", date(2026, 11, 30)),  # a month alone
        ("1.31", date(2027, 2, 28)),  # a month alone
        ("1.29", date(2026, 10, 12)),
    ],
)
def test_support_ends_on_the_day_or_the_last_day_of_the_month(minor: str, last_day: date) -> None:
    release = CATALOG.find(Minor.parse(minor))
    assert release is not None
    assert release.end == last_day
    assert release.supported(last_day)
    assert not release.supported(date.fromordinal(last_day.toordinal() + 1))


def test_patches_that_broke_proxies_are_to_be_avoided() -> None:
    release = CATALOG.find(Minor(1, 29))
    assert release is not None
    assert {str(patch.version) for patch in release.patches if patch.avoid} == {"1.29.0", "1.29.1"}


def test_a_users_catalog_needs_no_quotes_and_no_order() -> None:
    (release,) = parse_catalog(MINE, "mine.yaml").minors
    assert release.minor == Minor(1, 30)
    assert release.end == date(2026, 2, 28)
    assert release.kubernetes == (Minor(1, 32), Minor(1, 33))
    assert [str(patch.version) for patch in release.patches] == ["1.30.10", "1.30.9", "1.30.0"]
    assert release.newest == Version(1, 30, 9)  # the newest that is not to be avoided
    assert release.patches[2].released == date(2026, 5, 31)


def test_a_catalog_may_be_json() -> None:
    text = (
        '{"minors": [{"minor": "1.30", "released": "2026-05-18", "endOfLife": "2026-11", '
        '"kubernetes": ["1.32"], "patches": [{"version": "1.30.0"}]}], "completeUntil": "2026-06-01"}'
    )
    assert parse_catalog(text, "mine.json").minors[0].end == date(2026, 11, 30)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("2026-05-18", "2026-13-18", "line 3, minors[0].released: not a date: '2026-13-18' (month must be in 1..12)"),
        ("2026-02", "soon", "line 4, minors[0].endOfLife: not a date: 'soon'; write 2026-11-30 or 2026-11"),
        ("2026-02", "2026-02-30", "line 4, minors[0].endOfLife: not a date: '2026-02-30'"),
        ("endOfLife", "endOfLive", "line 4, minors[0].endOfLive: unknown field"),
        ("    released: 2026-05-18\n", "", "line 2, minors[0]: Object missing required field `released`"),
        ('["1.33", 1.32]', "1.33", "line 5, minors[0].kubernetes: Expected `array`, got `str`"),
        ('"1.33"', "any", "line 5, minors[0].kubernetes[0]: not a version: 'any'"),
        ('["1.33", 1.32]', "[]", "line 5, minors[0].kubernetes: no Kubernetes version for 1.30"),
        ("1.30.9", "1.29.9", "line 9, minors[0].patches[2].version: 1.29.9 is not a patch of 1.30"),
        ("avoid: loses requests", "avoid: [no]", "line 8, minors[0].patches[1].avoid: Expected `str`, got `array`"),
        ("9.8", "severe", "line 9, minors[0].patches[2].cvss.CVE-2026-1: not a CVSS score: 'severe'"),
        ("2: 10}", "2: 11}", "line 9, minors[0].patches[2].cvss.CVE-2026-2: not a CVSS score: '11'"),
        ("{before: 1.30.9}", "{}", "line 11, badPairs[0].proxy: neither `from` nor `before`"),
        ("2026-06-01", "2026-06", "line 12, completeUntil: not a day: '2026-06'; write 2026-11-30"),
        ("    kubernetes", "\tkubernetes", "line 5, column 1: a tab: YAML is indented with spaces"),
        ("  - minor", "  - minor: 1.30\n    minor", "line 3, column 5: key 'minor' is given twice"),
    ],
)
def test_a_malformed_catalog_is_refused_in_one_line_with_its_place(old: str, new: str, line: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_catalog(MINE.replace(old, new), "mine.yaml")
    message = str(refused.value)
    assert message.startswith(f"catalog mine.yaml: {line}")
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "[]", "minors", "minors: []", "minors: {}", "a: 1", "minors: [1]", "\x00", "]"])
def test_what_is_no_catalog_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"^catalog x\.yaml: line 1"):
        parse_catalog(text, "x.yaml")


def test_a_catalog_that_was_cut_short_anywhere_is_refused() -> None:
    whole = len(MINE.rstrip("\n"))
    for length in range(whole):
        with pytest.raises(Refused, match=r"^catalog cut\.yaml: line "):
            parse_catalog(MINE[:length], "cut.yaml")


def test_the_end_of_a_catalog_stands_at_its_end() -> None:
    *rest, last = MINE.splitlines(keepends=True)
    with pytest.raises(Refused, match="line 1, completeUntil: stands at the end"):
        parse_catalog(last + "".join(rest), "mine.yaml")


def test_a_patch_tells_its_highest_score_and_a_pair_both_its_sides() -> None:
    catalog = parse_catalog(MINE, "mine.yaml")
    patch = catalog.patch(Version(1, 30, 9))
    assert patch is not None
    assert patch.cvss == 10.0
    assert catalog.against(Version(1, 30, 8), Version(1, 30, 9)) == "they disagree"
    assert catalog.against(Version(1, 30, 9), Version(1, 30, 9)) == ""
    assert catalog.against(Version(1, 30, 8), Version(1, 30, 8)) == ""


def test_a_minor_given_twice_is_refused() -> None:
    minor, after, rest = MINE.partition("\n")[2].partition("badPairs")
    twice = f"minors:\n{minor}{minor}{after}{rest}"
    with pytest.raises(Refused, match=r"line 10, minors\[1\].minor: 1.30 is given twice"):
        parse_catalog(twice, "mine.yaml")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, words in (("absent", "No such file"), ("binary", "not text in UTF-8"), (".", "Is a directory")):
        with pytest.raises(Refused, match=words):
            catalog_text(tmp_path / name)
