"""Direct verbs write with the user's own rights: actions in order, or with --dry-run only checked by the server."""

from collections.abc import Iterable

import click

from pilotage.domain.actions import Action, Apply, Delete
from pilotage.faces.cli.session import Session


def write(session: Session, actions: Iterable[Action], *, dry_run: bool) -> None:
    """Raises what `edge.apply` raises; what was written before stays, and the same verb again goes on from there."""
    from pilotage.edge.apply import apply

    for action in actions:
        apply(session.kube, action, dry_run=dry_run)
        if dry_run:
            click.echo(f"would {said(action)}")
    if dry_run:
        click.echo("Nothing was written.")


def said(action: Action) -> str:
    """`delete Service mesh/name: why`."""
    verb = "apply" if isinstance(action, Apply) else "delete" if isinstance(action, Delete) else "patch"
    return f"{verb} {action.ref}: {action.why}"
