"""How tests are spread over workers: nothing that is shared is divided, and the lists name what is there."""

from pathlib import Path

import pytest

import spreading
from spreading import work_of

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("file", spreading.DIVIDED)
def test_a_file_whose_tests_are_spread_shares_nothing_among_them(file: str) -> None:
    assert "scope=" not in (ROOT / file).read_text()


@pytest.mark.parametrize("beginning", [*spreading.DIVIDED, *spreading.TOGETHER, *spreading.LONGEST])
def test_what_is_named_is_there(beginning: str) -> None:
    path, _, name = beginning.partition("::")
    assert (ROOT / path).exists()
    assert not name or f"def {name.partition('[')[0]}(" in (ROOT / path).read_text()


def test_tests_that_share_a_sandbox_go_to_one_worker() -> None:
    assert work_of("tests/conformance/test_lists.py::test_a[real]") == work_of(
        "tests/conformance/test_apply.py::test_b"
    )
    assert work_of("tests/e2e/test_kills.py::test_a") == work_of("tests/e2e/test_kills.py::test_b[c::d]")
    assert work_of("tests/e2e/test_guide.py::test_a[b]") != work_of("tests/e2e/test_guide.py::test_a[c]")
