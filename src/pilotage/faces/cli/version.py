"""`version`: of Pilotage, and of Kubernetes and the control planes where a cluster is reached."""

import click
import msgspec

from pilotage.faces.cli.options import command, output
from pilotage.faces.cli.session import Session
from pilotage.faces.own_version import own_version
from pilotage.faces.render.emit import emit
from pilotage.faces.render.table import table


class ControlPlaneVersion(msgspec.Struct):
    revision: str
    version: str
    namespace: str


class Versions(msgspec.Struct, omit_defaults=True):
    pilotage: str
    kubernetes: str | None = None
    control_planes: list[ControlPlaneVersion] = msgspec.field(default_factory=list, name="controlPlanes")


@command()
@click.option("--client", is_flag=True, help="Pilotage's version only; asks no cluster.")
@output
def version(session: Session, client: bool, output: str) -> None:
    """Show the versions of Pilotage, Kubernetes and Istio."""
    answer = Versions(own_version()) if client else _of_cluster(session)
    emit(output, answer, lambda: _lines(answer))


def _of_cluster(session: Session) -> Versions:
    snapshot = session.snapshot(frozenset({"kubernetes", "control_planes"}))
    planes = [
        ControlPlaneVersion(plane.revision, str(plane.version or "unknown"), plane.namespace)
        for plane in snapshot.control_planes
    ]
    return Versions(own_version(), str(snapshot.kubernetes), planes)


def _lines(answer: Versions) -> list[str]:
    rows = [("pilotage", answer.pilotage, "")]
    if answer.kubernetes:
        rows.append(("kubernetes", answer.kubernetes, ""))
    rows += [(f"istiod {plane.revision}", plane.version, plane.namespace) for plane in answer.control_planes]
    return table(("Component", "Version", "Namespace"), rows)
