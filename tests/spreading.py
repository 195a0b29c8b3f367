"""Which tests go to which worker, and in which order, where several run them (`-n`). Called by conftest.

Tests of a file share what its fixtures make, often a sandbox, so a file is not divided. But where its tests share
nothing, each is work of its own; and a package that shares one sandbox goes to one worker whole. The longest work comes
first, or one worker would be busy with it long after the others have ended.
"""

from typing import Final

import pytest
from xdist.scheduler import LoadScopeScheduling

DIVIDED: Final = (
    "tests/e2e/test_docs_guide.py",
    "tests/e2e/test_guide.py",
    "tests/memory/test_interleavings.py",
    "tests/memory/test_killed_anywhere.py",
)
TOGETHER: Final = ("tests/conformance/",)
# What takes a minute or more, as beginnings of test ids; the longest first.
LONGEST: Final = (
    "tests/e2e/test_traffic.py",
    "tests/e2e/test_silence.py",
    "tests/e2e/test_kills.py",
    "tests/e2e/test_unattended_removal.py",
    "tests/e2e/test_api_faults.py",
    "tests/e2e/test_docs_guide.py::test_every_command_of_the_page_does_what_the_page_says[gateways]",
    "tests/memory/test_machine.py",
    "tests/e2e/test_guide.py",
    "tests/e2e/test_decisions.py",
    "tests/e2e/test_one_leader.py",
    "tests/e2e/test_leaving.py",
    "tests/e2e/test_docs_guide.py",
    "tests/e2e/",
    "tests/conformance/",
    "tests/scenarios/",
    "tests/memory/test_killed_anywhere.py",
    "tests/memory/",
)


def work_of(test: str) -> str:
    """The name of the work that the test with this id belongs to: a folder, a file, or the test itself."""
    whole = next((folder for folder in TOGETHER if test.startswith(folder)), "")
    file = test.partition("::")[0]
    return whole or (test if file in DIVIDED else file)


def longest_first(items: list[pytest.Item]) -> None:
    """In place; what is not known to be long keeps its order, behind."""
    items.sort(key=lambda item: _rank(item.nodeid))


def _rank(test: str) -> int:
    return next((rank for rank, long in enumerate(LONGEST) if test.startswith(long)), len(LONGEST))


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Hands out work in the order of the tests, to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        return work_of(nodeid)
