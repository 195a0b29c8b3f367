"""Findings as text and as documents: code, severity, message, what to do next, and the page that explains it."""

import os
from collections.abc import Iterable
from typing import Any

import click

from pilotage.domain.findings import Finding, Severity
from pilotage.faces.render.table import counted

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_ORDER = list(Severity)


def by_weight(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first; within a severity by code and subject."""
    return sorted(findings, key=lambda finding: (_ORDER.index(finding.severity), finding.code, finding.subject))


def text(findings: Iterable[Finding]) -> list[str]:
    """Up to three lines per finding; coloured, which click strips where it is not a terminal."""
    lines = []
    for finding in by_weight(findings):
        head = _styled(f"{finding.severity:<7}", fg=_COLOURS[finding.severity])
        subject = f" ({finding.subject})" if finding.subject and finding.subject not in finding.message else ""
        lines.append(f"{head}  {_styled(finding.code, bold=True)}  {finding.message}{subject}")
        if finding.fix:
            lines.append(f"         fix:  {finding.fix}")
        lines.append(f"         docs: {finding.page}")
    return lines


def _styled(words: str, **style: Any) -> str:
    """NO_COLOR, whatever its value, and a terminal that knows none are respected; click itself does neither."""
    return words if os.environ.get("NO_COLOR") or dumb() else click.style(words, **style)


def dumb() -> bool:
    """A terminal that can do nothing but write on, as Emacs' shell: it says so."""
    return os.environ.get("TERM") in ("dumb", "unknown")


def document(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "subject": finding.subject,
        "message": finding.message,
        "fix": finding.fix,
        "page": finding.page,
    }


def count(findings: Iterable[Finding]) -> str:
    """`2 errors, 1 warning`; "" for none."""
    severities = [finding.severity for finding in findings]
    parts = [(severities.count(severity), str(severity).lower()) for severity in _ORDER]
    return ", ".join(counted(number, word) for number, word in parts if number)
