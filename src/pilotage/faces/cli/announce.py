"""What is new of releases, in two lines at most on stderr after a verb that wrote. Called by `options`."""

from contextlib import suppress

import click

from pilotage.domain.errors import MeshError
from pilotage.domain.findings import Finding, Severity
from pilotage.domain.state import Snapshot
from pilotage.domain.version import Version
from pilotage.faces.cli.session import Session

_MORE = "pilotage releases"


def announce(session: Session) -> None:
    """The verb has done its work: what cannot be looked at any more is not told, and fails nothing."""
    from pilotage.decide.announcements import announcements
    from pilotage.edge.controlplanes import control_planes, istiod_deployments
    from pilotage.edge.mesh import look_at_mesh

    with suppress(MeshError):
        planes = control_planes(istiod_deployments(session.kube), ())
        if not planes:
            return
        unread = Version(0, 0)
        mesh, _ = look_at_mesh(session.kube)  # anew: the verb may have taken a revision out
        seen = Snapshot(session.now, session.catalog, session.profile, unread, mesh, control_planes=planes)
        news = (finding for finding in announcements(seen) if (finding.code, finding.subject) not in session.told)
        for line in lines(tuple(news)):
            click.echo(line, err=True)


def lines(found: tuple[Finding, ...]) -> list[str]:
    """The most pressing two, and how many more there are."""
    order = list(Severity)
    pressing = sorted(found, key=lambda finding: (order.index(finding.severity), -found.index(finding)))
    more = f" (and {len(found) - 2} more: {_MORE})" if len(found) > 2 else ""
    said = [f"{finding.code}: {finding.message}. Next: {finding.fix}" for finding in pressing[:2]]
    return [*said[:-1], said[-1] + more] if said else []
