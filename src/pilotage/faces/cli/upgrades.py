"""`get-revisions` and `get-upgrades`: what there is, and what this cluster may move to. Columns as in `az aks mesh`."""

from collections.abc import Sequence
from typing import Any

import click
from msgspec.structs import replace

from pilotage.decide import eligibility
from pilotage.decide.eligibility import UpgradeProfile
from pilotage.decide.gatewaylist import list_gateways
from pilotage.decide.support import Support, installed_revisions, support_of
from pilotage.domain.errors import NoCluster
from pilotage.domain.findings import Finding
from pilotage.domain.mesh import ProfileName
from pilotage.domain.profile import PROFILES, Profile
from pilotage.domain.version import Version
from pilotage.faces.cli.options import command, output
from pilotage.faces.cli.session import Session
from pilotage.faces.render.emit import emit
from pilotage.faces.render.findings import document, text
from pilotage.faces.render.table import ruled

_HEADERS = ("Revision", "Upgrades", "CompatibleWith", "CompatibleVersions")
_NONE = "None available"
_LISTED = frozenset({"mesh", "live"})
Gateways = dict[str, list[dict[str, Any]]]  # revision -> name, namespace, ready, desired


@command()
@output
def get_revisions(session: Session, output: str) -> None:
    """List the catalog's supported revisions, and what each may be upgraded to; where there are gateways, theirs too.

    Asks the cluster for nothing but names and gateways.
    """
    rows = eligibility.get_revisions(Support(session.catalog, _names(session), Version(1, 0), session.now.date()))
    gateways = _gateways(session)
    documents = [_document(row) | {"gateways": gateways.get(row.revision, [])} for row in rows]
    emit(output, {"meshRevisions": documents}, lambda: _lines(rows, gateways))
    if not rows:
        none = f"No revision of the catalog ({session.catalog.source}) is supported on {session.now.date()}"
        click.echo(f"{none}. Next: name a newer one with --catalog", err=True)


@command()
@output
def get_upgrades(session: Session, output: str) -> None:
    """List the revisions this cluster may move to, and say of every newer one why it is not offered.

    CompatibleVersions are the Kubernetes versions that the Revision of the row runs on, not its Upgrades: get-revisions
    lists those, and an upgrade is offered only if it runs on this cluster's.
    """
    snapshot = session.snapshot(frozenset({"kubernetes", "control_planes", "mesh"}))
    rows = eligibility.get_upgrades(installed_revisions(snapshot), support_of(snapshot))
    if not rows:
        click.echo("No Istio control plane was found in this cluster. Next: pilotage get-revisions", err=True)
        emit(output, None, list)
        return
    rows = tuple(replace(row, reasons=_elsewhere(row.reasons)) for row in rows)
    first, *others = [_document(row) for row in rows]
    emit(output, first | {"alsoInstalled": others}, lambda: _lines(rows))
    if output == "table":
        for line in text(dict.fromkeys(reason for row in rows for reason in row.reasons)):
            click.echo(line, err=True)


def _elsewhere(reasons: Sequence[Finding]) -> tuple[Finding, ...]:
    """Without this very verb as what to do next."""
    return tuple(replace(each, fix="") if each.fix == "pilotage get-upgrades" else each for each in reasons)


def _names(session: Session) -> Profile:
    """The cluster's names for revisions; upstream's where no cluster is configured."""
    try:
        return session.profile
    except NoCluster:
        if session.names_cluster:
            raise
        return PROFILES[ProfileName.ISTIO]


def _gateways(session: Session) -> Gateways:
    """Of a mesh that has some: for each of its revisions."""
    try:
        asked = session.mesh is not None and session.mesh.spec.gateways
    except NoCluster:
        return {}
    found: Gateways = {}
    for row in list_gateways(session.snapshot(_LISTED)) if asked else ():
        for pods in row.revisions:
            counts = {"ready": pods.ready, "desired": pods.desired}
            found.setdefault(pods.revision, []).append({"name": row.name, "namespace": row.namespace, **counts})
    return found


def _document(row: UpgradeProfile) -> dict[str, Any]:
    """What `az aks mesh` prints, then what it does not say."""
    more = {"supported": row.supported, "endOfSupport": row.end_of_support}
    return row.as_aks() | more | {"findings": [document(reason) for reason in row.reasons]}


def _lines(rows: Sequence[UpgradeProfile], gateways: Gateways | None = None) -> list[str]:
    cells = [
        (row.revision, ", ".join(row.upgrades) or _NONE, "kubernetes", ", ".join(row.compatible_versions) or _NONE)
        for row in rows
    ]
    if not gateways:
        return ruled(_HEADERS, cells)
    more = [(*cell, _counted(gateways.get(row.revision, []))) for cell, row in zip(cells, rows, strict=True)]
    return ruled((*_HEADERS, "Gateways"), more)


def _counted(found: list[dict[str, Any]]) -> str:
    """How many, and how many of their pods are ready."""
    ready, desired = (sum(each[key] for each in found) for key in ("ready", "desired"))
    return f"{len(found)}, {ready}/{desired} pods" if found else ""
