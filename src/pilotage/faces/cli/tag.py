"""`tag set|remove|generate`: istioctl's verbs, flags and messages: the word can be replaced in a script."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click
import msgspec

from pilotage.decide import tags
from pilotage.decide.tags import TagRequest
from pilotage.domain.state import Snapshot
from pilotage.faces.cli.ask import confirm
from pilotage.faces.cli.istioctl import root_flags
from pilotage.faces.cli.options import command, dry_run, duration, one
from pilotage.faces.cli.session import Session
from pilotage.faces.cli.until import until_ready
from pilotage.faces.cli.write import write
from pilotage.faces.render.emit import yaml_documents
from pilotage.faces.render.findings import text

_PARTS = frozenset({"namespaces", "injectors", "validators", "services", "revision_services", "control_planes"})
_CREATED = (
    'Revision tag "{tag}" created, referencing control plane revision "{revision}". To enable injection using this\n'
    "revision tag, use 'kubectl label namespace <NAMESPACE> istio.io/rev={tag}'"
)
_SKIP = click.option("-y", "--skip-confirmation", "--yes", "skip_confirmation", is_flag=True, help="Do not ask.")


def _target(function: Callable[..., Any]) -> Callable[..., Any]:
    """The flags of `set` and `generate`."""
    folder = click.Path(exists=True, file_okay=False)
    auto = "Inject into every namespace that does not decline (tag default only)."
    for option in (
        root_flags,
        click.option("--auto-inject-namespaces", is_flag=True, help=auto),
        click.option(
            "--webhook-name",
            type=click.UNPROCESSED,  # may be empty, as istioctl's
            default="",
            metavar="NAME",
            help="Name of the tag's webhook configuration.",
        ),
        _SKIP,
        click.option(
            "-d", "--manifests", type=folder, expose_value=False, help="Taken for istioctl's sake: not needed."
        ),
        click.option("--overwrite", is_flag=True, help="Point an existing tag at this revision."),
        click.option("-r", "--revision", required=True, help="Control plane revision the tag points at."),
        click.argument("names", nargs=-1, metavar="TAG"),
    ):
        function = option(function)
    return function


@command()
@_target
@click.option("--timeout", type=duration, default="30s", show_default=True, help="Longest wait for a caBundle.")
@dry_run
def set_(session: Session, names: tuple[str, ...], timeout: float, dry_run: bool, **flags: Any) -> None:
    """Create a revision tag, or point it at another revision with --overwrite.

    Namespaces labelled istio.io/rev=TAG are injected by that revision from then on; running pods stay as they are.
    """
    request = TagRequest(one(names, "tag for modification", "tag for creation"), **flags)
    snapshot = until_ready(partial(_look, session, request), timeout)
    conflicts = () if request.skip_confirmation else tags.tag_conflicts(snapshot, request)
    if conflicts:
        _warn(conflicts)
        confirm("Apply anyways?", dry_run, "--skip-confirmation")
        snapshot = until_ready(partial(_look, session, request), timeout)  # the revision may be gone by now
    write(session, tags.set_tag(snapshot, msgspec.structs.replace(request, skip_confirmation=True)), dry_run=dry_run)
    if not dry_run:
        click.echo(_CREATED.format(tag=request.tag, revision=request.revision))


def _look(session: Session, request: TagRequest) -> Snapshot:
    """A Snapshot in which the tag could be set. Raises Retry while the revision's caBundle is empty."""
    snapshot = session.snapshot(_PARTS)
    tags.set_tag(snapshot, msgspec.structs.replace(request, skip_confirmation=True))
    return snapshot


def _warn(conflicts: Sequence[Any]) -> None:
    click.echo("creating tag would conflict, pass --skip-confirmation to proceed:", err=True)
    for line in text(conflicts):
        click.echo(line, err=True)


@command()
@_target
def generate(session: Session, names: tuple[str, ...], **flags: Any) -> None:
    """Print a revision tag's objects as YAML, for kubectl apply -f - or for Git."""
    request = TagRequest(one(names, "tag for modification", "tag for creation"), **flags)
    snapshot = session.snapshot(_PARTS)
    objects = tags.generate(snapshot, request)
    if not request.skip_confirmation and (conflicts := tags.tag_conflicts(snapshot, request)):
        _warn(conflicts)
    click.echo(yaml_documents(objects), nl=False)


@command()
@click.argument("names", nargs=-1, metavar="TAG")
@_SKIP
@root_flags
@dry_run
def remove(session: Session, names: tuple[str, ...], skip_confirmation: bool, dry_run: bool) -> None:
    """Remove a revision tag. New pods of namespaces that still name it are no longer injected."""
    tag = one(names, "tag for removal", "tag for removal")
    actions, namespaces = tags.remove_tag(session.snapshot(_PARTS), tag)
    if namespaces:
        question = (
            f'Caution, found {len(namespaces)} namespace(s) still injected by tag "{tag}": {" ".join(namespaces)}\n'
            "Proceed with operation?"
        )
        confirm(question, skip_confirmation or dry_run, "--skip-confirmation")
    write(session, actions, dry_run=dry_run)
    if not dry_run:
        click.echo(f"Revision tag {tag} removed")
