"""How a verb of intent answers: a refusal with its findings, or one sentence and the next step."""

from collections.abc import Iterable
from typing import NoReturn

import click

from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding, Verb
from pilotage.faces.render.emit import emit
from pilotage.faces.render.findings import document, text


def refuse(finding: Finding) -> NoReturn:
    """Raises Refused with the one finding."""
    raise Refused(finding.message, fix=finding.fix, findings=(finding,))


def refuse_if_blocked(findings: Iterable[Finding], verb: Verb, words: str) -> None:
    """Raises Refused carrying every finding where one of them blocks the verb."""
    every = tuple(findings)
    blocking = [finding for finding in every if finding.blocks(verb)]
    if blocking:
        cause = blocking[0].message if len(blocking) == 1 else f"{len(blocking)} findings are against it"
        raise Refused(f"{words}: {cause}", fix=blocking[0].fix, findings=every)


def report(output: str, words: str, *, then: str = "", findings: Iterable[Finding] = ()) -> None:
    """The answer of a verb: one sentence and the next step, or a document of both and every finding."""
    every = tuple(findings)
    answer = {"message": words, "next": then, "findings": [document(finding) for finding in every]}

    def lines() -> list[str]:
        return [*text(every), words, *([f"Next: {then}"] if then else [])]

    emit(output, answer, lines)


def say(findings: Iterable[Finding], output: str) -> None:
    """Findings ahead of a question; in a document they come with the answer."""
    for line in text(findings) if output == "table" else ():
        click.echo(line, err=True)
