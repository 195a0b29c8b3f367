"""`releases`: what is new for this mesh, and why it matters. Reads the cluster as `get-upgrades` does."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import click

from pilotage.decide.announcements import catalog_trouble
from pilotage.decide.releases import News, releases
from pilotage.decide.support import Support, support_findings, support_of
from pilotage.domain.catalog import Catalog, MinorRelease, Release
from pilotage.domain.version import Version
from pilotage.faces.cli.options import command, output
from pilotage.faces.cli.session import Session
from pilotage.faces.render.emit import emit
from pilotage.faces.render.findings import document, text
from pilotage.faces.render.table import ruled

_HEADERS = ("Revision", "Version", "NewestPatch", "Fixes", "NewerMinors", "SupportedUntil")
_PATCHES = ("Patch", "Released", "Bulletins", "CVEs", "CVSS", "What")
_MINORS = ("Minor", "Released", "SupportedUntil", "Kubernetes")


def _since(_: click.Context, __: click.Parameter, given: str | None) -> date | Version | None:
    if given is None:
        return None
    for kind in (date.fromisoformat, Version.parse):
        try:
            return kind(given)
        except ValueError:
            continue
    raise click.BadParameter(f"{given!r} is neither a day such as 2026-09-01 nor a version such as 1.30.2")


@command(name="releases")
@click.option("--since", metavar="DAY|VERSION", callback=_since, help="Only what came out since then, or after it.")
@output
def show(session: Session, since: date | Version | None, output: str) -> None:
    """Show newer patches and minors for each revision of this mesh, what they fix, and why it matters."""
    snapshot = session.snapshot(frozenset({"kubernetes", "control_planes", "mesh"}))
    support, found = support_of(snapshot), releases(snapshot, since)
    ends = (*catalog_trouble(snapshot), *support_findings(snapshot))
    answer = {
        "catalog": {"source": snapshot.catalog.source, "completeUntil": str(snapshot.catalog.complete_until)},
        "revisions": [_document(each, support) for each in found],
        "findings": [document(finding) for finding in ends],
    }
    if not found and output == "table":
        click.echo("No Istio control plane was found in this cluster. Next: pilotage get-revisions", err=True)
    emit(output, answer, lambda: [*_lines(found), _complete(snapshot.catalog)])
    if output == "table":
        for line in text(ends):
            click.echo(line, err=True)


def _complete(catalog: Catalog) -> str:
    return f"Catalog: {catalog.source}, complete until {catalog.complete_until}; what came later may be missing."


def _document(news: News, support: Support) -> dict[str, Any]:
    return {
        "revision": news.revision.name,
        "version": str(news.revision.version),
        "supportedUntil": str(news.known.end) if news.known else None,
        "supportStatus": news.known.end_status if news.known else "",
        "supported": support.is_supported(news.revision.version.in_minor),
        "why": news.why,
        "cves": list(news.cves),
        "cvss": news.cvss,
        "patches": [_patch(patch) for patch in news.patches],
        "minors": [
            {
                "minor": str(each.minor),
                "revision": support.name(each.minor),
                "released": str(each.released),
                "supportedUntil": str(each.end),
                "kubernetes": [str(version) for version in each.kubernetes],
                "fits": support.fits(each),
            }
            for each in news.minors
        ],
    }


def _patch(patch: Release) -> dict[str, Any]:
    return {
        "version": str(patch.version),
        "released": str(patch.released) if patch.released else None,
        "security": list(patch.security),
        "cves": list(patch.cves),
        "cvss": patch.cvss,
        "note": patch.note,
    }


def _lines(found: Sequence[News]) -> Iterator[str]:
    if not found:
        return
    yield from ruled(_HEADERS, [_row(each) for each in found])
    yield ""
    for each in found:
        yield f"{each.revision.name}: {each.why}"
    patches = dict.fromkeys(patch for each in found for patch in each.patches)
    if patches:
        yield from ("", *ruled(_PATCHES, [_patch_row(patch) for patch in patches]))
    minors = dict.fromkeys(minor for each in found for minor in each.minors)
    if minors:
        yield from ("", *ruled(_MINORS, [_minor_row(minor) for minor in minors]))
    yield ""


def _row(news: News) -> tuple[str, ...]:
    newest = str(news.patches[0].version) if news.patches else "-"
    fixes = f"{len(news.cves)} CVEs, CVSS {news.cvss}" if news.cvss is not None else "-"
    minors = ", ".join(str(each.minor) for each in news.minors) or "-"
    end = f"{news.known.end} ({news.known.end_status or 'given'})" if news.known else "unknown"
    return news.revision.name, str(news.revision.version), newest, fixes, minors, end


def _patch_row(patch: Release) -> tuple[str, ...]:
    score = "-" if patch.cvss is None else str(patch.cvss)
    bulletins = ", ".join(patch.security) or "-"
    return str(patch.version), str(patch.released or "-"), bulletins, str(len(patch.cves)), score, patch.note


def _minor_row(minor: MinorRelease) -> tuple[str, ...]:
    spans = ", ".join(str(version) for version in minor.kubernetes)
    return str(minor.minor), str(minor.released), str(minor.end), spans
