"""`explain`: what a finding prints as its page can be read wherever Pilotage is installed."""

import json
import re
from collections.abc import Callable

import pytest
from stage import Answer, SetStage

from pilotage.domain.findings import RULES, Finding
from worlds import world


@pytest.fixture
def pilotage(stage: SetStage) -> Callable[..., Answer]:
    return stage(world()).pilotage


@pytest.mark.parametrize("code", RULES)
def test_the_command_that_a_finding_names_prints_its_page(pilotage: Callable[..., Answer], code: str) -> None:
    answer = pilotage(*Finding(code, "").page.split()[1:])
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"# {code}\n")
    assert "\n## What to do\n" in answer.out
    assert not re.search(r"\]\(", answer.out), "a link that a terminal cannot follow"


def test_for_a_machine_a_page_is_a_document_with_its_text_as_written(pilotage: Callable[..., Answer]) -> None:
    page = json.loads(pilotage("explain", "UnknownRevision", "-o", "json").out)
    assert list(page) == ["code", "severity", "blocks", "title", "text"]
    assert page["blocks"] == ["enable", "upgrade start"]


def test_without_a_code_every_code_is_listed(pilotage: Callable[..., Answer]) -> None:
    lines = pilotage("explain").out.splitlines()
    assert [line.split()[0] for line in lines] == ["CODE", *RULES]
    assert [row["code"] for row in json.loads(pilotage("explain", "-o", "json").out)] == list(RULES)


def test_a_code_may_be_typed_in_any_case(pilotage: Callable[..., Answer]) -> None:
    assert pilotage("explain", "webhookoverlap").out.startswith("# WebhookOverlap\n")


@pytest.mark.parametrize("typed", ["WebhookOverlaps", "../README", "README", "x"])
def test_a_code_that_no_finding_has_is_one_line_with_what_is_near(pilotage: Callable[..., Answer], typed: str) -> None:
    answer = pilotage("explain", typed)
    assert (answer.code, len(answer.err.splitlines())) == (2, 1)
    assert ("Did you mean WebhookOverlap?" if "Webhook" in typed else "pilotage explain lists all") in answer.err
