"""`explain`: the page of a finding, as in docs/findings, wherever Pilotage is installed."""

import re
from difflib import get_close_matches
from typing import Any

import click
from click.shell_completion import CompletionItem

from pilotage.data import read
from pilotage.domain.findings import RULES, Rule, Verb
from pilotage.faces.cli.options import command, output
from pilotage.faces.cli.session import Session
from pilotage.faces.render.emit import emit
from pilotage.faces.render.table import table

_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


def _codes(_context: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    return [CompletionItem(code) for code in RULES if code.lower().startswith(begun.lower())]


@command()
@click.argument("code", required=False, shell_complete=_codes)
@output
def explain(session: Session, code: str | None, output: str) -> None:  # noqa: ARG001, asks no cluster
    """Explain a finding: what it means, why it matters, what to do. Without a code, list them all."""
    if code is None:
        emit(output, [_document(rule) for rule in RULES.values()], _index)
        return
    rule = _rule(code)
    text = read(f"findings/{rule.code}.md").decode()
    emit(output, _document(rule) | {"text": text}, lambda: _LINK.sub(r"\1", text).splitlines())


def _rule(code: str) -> Rule:
    """In whatever case it was typed. Raises UsageError."""
    known = {each.lower(): rule for each, rule in RULES.items()}
    if rule := known.get(code.lower()):
        return rule
    close = [known[each].code for each in get_close_matches(code.lower(), known)]
    meant = f"Did you mean {' or '.join(close)}?" if close else "pilotage explain lists all."
    raise click.UsageError(f"No finding has the code {code!r}. {meant}")


def _document(rule: Rule) -> dict[str, Any]:
    blocks = [verb for verb in Verb if verb in rule.blocks]
    return {"code": rule.code, "severity": rule.severity, "blocks": blocks, "title": rule.title}


def _index() -> list[str]:
    return table(("CODE", "SEVERITY", "SAYS"), [(rule.code, rule.severity, rule.title) for rule in RULES.values()])
