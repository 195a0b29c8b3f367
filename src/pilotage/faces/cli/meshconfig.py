"""`mesh-config copy|diff|validate|delete`: the user's mesh configuration, one ConfigMap per revision."""

from collections.abc import Callable, Sequence
from typing import IO, Any

import click

from pilotage.decide import meshconfig
from pilotage.decide.meshconfig import Change
from pilotage.decide.strictyaml import YamlError, parse
from pilotage.domain.errors import Refused
from pilotage.domain.names import MESH_KEY, shared_config
from pilotage.domain.roles import TO_LOOK
from pilotage.domain.state import Snapshot
from pilotage.faces.cli.ask import confirm
from pilotage.faces.cli.options import command, dry_run, output, yes
from pilotage.faces.cli.session import Session
from pilotage.faces.cli.write import write
from pilotage.faces.render.emit import emit
from pilotage.faces.render.findings import document, text
from pilotage.faces.render.table import table

_CONFIGS = frozenset({"configs"})
_INSTALLED = frozenset({"configs", "control_planes", "injectors", "mesh"})
_REFUSED = 3

_from = click.option("--from", "source", required=True, metavar="REVISION", help="The revision to read.")


def _to(words: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option("--to", "target", required=True, metavar="REVISION", help=words)


@command()
@_from
@_to("The revision to write.")
@click.option("--overwrite", is_flag=True, help="Replace a configuration that differs.")
@dry_run
def copy(session: Session, source: str, target: str, overwrite: bool, dry_run: bool) -> None:
    """Copy a revision's mesh configuration to another, before that one is installed."""
    action = meshconfig.copy(session.snapshot(_CONFIGS), source, target, overwrite=overwrite)
    write(session, [action], dry_run=dry_run)
    if not dry_run:
        click.echo(f"Mesh configuration of {source} copied to {target}: {action.ref}")


@command()
@_from
@_to("The revision to compare with.")
@output
def diff(session: Session, source: str, target: str, output: str) -> None:
    """Compare two revisions' mesh configuration, setting by setting."""
    snapshot = session.snapshot(_CONFIGS)
    changes = meshconfig.diff(_text(snapshot, source), _text(snapshot, target))
    rows = [{"path": change.path, "from": change.old, "to": change.new} for change in changes]
    emit(output, {"from": source, "to": target, "differences": rows}, lambda: _lines(changes, source, target))


@command()
@click.option("-r", "--revision", help="The revision whose configuration is checked; all of them if not given.")
@click.option(
    "-f", "--file", "file", type=click.File(encoding="utf-8"), help="A file to check instead, - for standard input."
)
@output
def validate(session: Session, revision: str | None, file: IO[str] | None, output: str) -> int:
    """Check mesh configuration: YAML, names of fields, types. Exits with 3 where something is wrong."""
    if revision and file:
        raise click.UsageError("--revision and --file exclude each other")
    texts = {file.name: _of_file(file)} if file else _of_cluster(session, revision)
    place = "" if file else session.profile.namespace
    findings = [finding for name, config in texts.items() for finding in meshconfig.validate(name, config, place)]
    answer = {"checked": list(texts), "findings": [document(finding) for finding in findings]}
    emit(output, answer, lambda: text(findings) or [f"{name} is valid." for name in texts] or ["Nothing to check."])
    return _REFUSED if findings else 0


@command()
@click.option("-r", "--revision", required=True, help="A revision that is no longer installed.")
@yes
@dry_run
def delete(session: Session, revision: str, yes: bool, dry_run: bool) -> None:
    """Delete the mesh configuration of a removed revision."""
    action = meshconfig.delete(session.snapshot(_INSTALLED), revision)
    confirm(f"This deletes {action.ref}, {action.why}.\nAre you sure?", yes or dry_run)
    write(session, [action], dry_run=dry_run)
    if not dry_run:
        click.echo(f"{action.ref} deleted")


def _text(snapshot: Snapshot, revision: str) -> str:
    """A revision's configuration. Raises Refused where it has none."""
    if "configs" in snapshot.unknown:
        raise Refused(f"ConfigMaps could not be read: {snapshot.unknown['configs']}", fix=TO_LOOK)
    name = shared_config(revision)
    if name not in snapshot.configs:
        words = f"{revision} has no mesh configuration: no ConfigMap {snapshot.profile.namespace}/{name}"
        raise Refused(words, fix=f"kubectl get configmaps -n {snapshot.profile.namespace}")
    return snapshot.configs[name]


def _of_cluster(session: Session, revision: str | None) -> dict[str, str]:
    snapshot = session.snapshot(_CONFIGS)
    if revision:
        return {shared_config(revision): _text(snapshot, revision)}
    return {name: config for name, config in snapshot.configs.items() if name.startswith(shared_config(""))}


def _of_file(file: IO[str]) -> str:
    """The text of the file, or of key `mesh` where it is a ConfigMap's manifest. Raises Refused for what is no text."""
    try:
        content = file.read()
    except UnicodeDecodeError:
        raise Refused(f"{file.name}: not text in UTF-8", fix="save it as UTF-8") from None
    try:
        manifest: Any = parse(content, "text").plain()
    except YamlError:
        return content  # the check itself names line and cause
    if not isinstance(manifest, dict) or manifest.get("kind") != "ConfigMap":
        return content
    data = manifest.get("data")
    config = data.get(MESH_KEY) if isinstance(data, dict) else None
    if not isinstance(config, str):
        raise Refused(f"{file.name}: the ConfigMap has no text under data.{MESH_KEY}", fix=f"write data.{MESH_KEY}: |")
    return config


def _lines(changes: Sequence[Change], source: str, target: str) -> list[str]:
    if not changes:
        return [f"The mesh configurations of {source} and {target} are equal."]
    return table(("SETTING", source, target), [(each.path, _shown(each.old), _shown(each.new)) for each in changes])


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)
