"""`check`: all rules on what is there now."""

import click

from pilotage.domain.findings import Finding, Severity
from pilotage.faces.cli.judged import judged
from pilotage.faces.cli.options import command, output
from pilotage.faces.cli.session import Session
from pilotage.faces.render.emit import emit
from pilotage.faces.render.findings import count, document, text

_FAILED_ON = 4
_LEVELS = {"error": (Severity.ERROR,), "warning": (Severity.ERROR, Severity.WARNING)}


@command()
@click.option("--fail-on", type=click.Choice(list(_LEVELS)), help="Exit with 4 if a finding is at least this severe.")
@output
def check(session: Session, fail_on: str | None, output: str) -> int:
    """Run all rules and print their findings."""
    _, findings = judged(session)
    emit(output, {"findings": [document(finding) for finding in findings]}, lambda: _lines(findings))
    return _FAILED_ON if any(finding.severity in _LEVELS.get(fail_on or "", ()) for finding in findings) else 0


def _lines(findings: list[Finding]) -> list[str]:
    return [*text(findings), "", count(findings)] if findings else ["No findings."]
