"""`catalog verify`: a catalog of the user's own, read as the operator would, and what it would change. Only looks."""

from typing import Any

import click

from pilotage.decide.newcatalog import Changes, changes
from pilotage.domain.catalog import Catalog
from pilotage.domain.errors import NoCluster
from pilotage.faces.cli import options
from pilotage.faces.cli.session import Session
from pilotage.faces.render.emit import emit
from pilotage.faces.render.findings import document
from pilotage.faces.render.table import counted

_PARTS = frozenset({"kubernetes", "control_planes", "mesh"})
_PLACE = "FILE|configmap/NAMESPACE/NAME|URL"


@options.command()
@click.argument("place", metavar=_PLACE, type=options.place_of_catalog, shell_complete=options.files)
@options.output
def verify(session: Session, place: str, output: str) -> None:
    """Check a catalog of your own before it is used, and show what it would change for this mesh.

    With --catalog-key its signature is checked, too: it is read from URL.sig or FILE.sig.
    """
    catalog = session.catalog_at(place)
    changed = _changed(session, catalog)
    emit(output, _document(session, catalog, changed), lambda: _lines(session, catalog, changed))


def _changed(session: Session, catalog: Catalog) -> Changes | None:
    """None where there is no cluster to ask, as where catalogs are made."""
    try:
        return changes(session.snapshot(_PARTS), catalog)
    except NoCluster:
        if session.names_cluster:
            raise
        return None


def _document(session: Session, catalog: Catalog, changed: Changes | None) -> Any:
    mesh = None
    if changed is not None:
        come, go = ([document(finding) for finding in each] for each in (changed.come, changed.go))
        mesh = {"come": come, "go": go, "due": list(changed.due)}
    return {
        "source": catalog.source,
        "completeUntil": str(catalog.complete_until),
        "minors": [str(each.minor) for each in catalog.minors],
        "patches": _patches(catalog),
        "signature": "verified" if session.catalog_key else "not checked",
        "changes": mesh,
    }


def _patches(catalog: Catalog) -> int:
    return sum(len(each.patches) for each in catalog.minors)


def _lines(session: Session, catalog: Catalog, changed: Changes | None) -> list[str]:
    minors = ", ".join(str(each.minor) for each in catalog.minors)
    what = f"{counted(_patches(catalog), 'version')} of Istio {minors}, complete until {catalog.complete_until}"
    signed = (
        "The signature is that of the key." if session.catalog_key else "No signature was checked: no key was given."
    )
    return [f"{catalog.source} is a catalog: {what}.", signed, *_changes(changed)]


def _changes(changed: Changes | None) -> list[str]:
    if changed is None:
        return ["No cluster was asked what it would change."]
    if not changed:
        return ["It changes nothing for this mesh."]
    return [
        "For this mesh it changes:",
        *(f"+ {finding.code}: {finding.message}" for finding in changed.come),
        *(f"- {finding.code}: {finding.message}" for finding in changed.go),
        *(f"+ due: {words}" for words in changed.due),
    ]
