"""The options that verbs share, and their types. Those of `everywhere` may stand at any level, as in istioctl."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pilotage.faces.cli.session import Session
from pilotage.faces.cli.spelling import booleans, values
from pilotage.faces.own_version import own_version

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Function = TypeVar("Function", bound=Callable[..., Any])

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def duration(text: str) -> float:
    """`30s`, `10m`, `1h30m`, or plain seconds -> seconds. Raises BadParameter."""
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    raise click.BadParameter(f"{text!r} is not a duration such as 30s, 10m or 1h30m")


def day(text: str) -> date:
    """`2026-11-22`; of this century, as in the resource, for there are days before and after. Raises BadParameter."""
    with suppress(ValueError):
        found = date.fromisoformat(text)
        if 2000 <= found.year < 2100:
            return found
    raise click.BadParameter(f"{text!r} is not a day such as 2026-11-22")


def place_of_catalog(text: str) -> str:
    """A file that is there, `configmap/NAMESPACE/NAME`, or a URL. Raises BadParameter."""
    if not text.startswith(("configmap/", "https://", "http://")) and not Path(text).is_file():
        raise click.BadParameter(f"{text!r} is no file" if Path(text).exists() else f"file {text!r} does not exist")
    return text


def files(_: click.Context, __: click.Parameter, begun: str) -> "list[CompletionItem[str]]":
    """`shell_complete` of an option that may name a file or a folder: the shell knows them."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(begun, type="file")]


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Into the session; what is typed, at whatever level, wins over what the environment says."""
    session = ctx.ensure_object(Session)
    typed = ctx.get_parameter_source(param.name or "") is click.core.ParameterSource.COMMANDLINE
    if value is not None and (typed or getattr(session, param.name or "") is None):
        setattr(session, param.name or "", value)


def _shared(*names: str, **attributes: Any) -> click.Option:
    return click.Option(names, expose_value=False, callback=_keep, **attributes)


def version() -> click.Option:
    """--version, for the root only."""

    def show(context: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted:
            click.echo(f"pilotage {own_version()}")
            context.exit()

    return click.Option(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show, help="Print Pilotage's version."
    )


def everywhere() -> list[click.Option]:
    """Which cluster, which mesh, which day. Kept in the Session, not passed to the verb."""
    return [
        _shared("-c", "--kubeconfig", metavar="FILE", shell_complete=files, help="Kubernetes configuration file."),
        _shared("--context", metavar="NAME", help="Context of the configuration file."),
        _shared("-i", "--istioNamespace", "istio_namespace", metavar="NAMESPACE", help="Namespace of the mesh."),
        _shared(
            "--request-timeout",
            type=duration,
            metavar="DURATION",
            help="Longest wait for one answer of the API server.",
        ),
        _shared(
            "--today",
            type=day,
            metavar="YYYY-MM-DD",
            envvar="PILOTAGE_TODAY",
            show_envvar=True,
            help="The day for which the catalog is read.",
        ),
        _shared(
            "--catalog",
            "catalog_place",
            type=place_of_catalog,
            metavar="FILE|configmap/NAMESPACE/NAME|URL",
            shell_complete=files,
            help="Catalog of releases: a file, key catalog.yaml of a ConfigMap, or a URL with --catalog-key.",
        ),
        _shared(
            "--catalog-key",
            "catalog_key",
            metavar="BASE64",
            help="Public key of ed25519 that signs the catalog; its signature is at URL.sig or FILE.sig.",
        ),
    ]


class _Command(click.Command):
    """A verb: its own options, then the shared ones under a heading of their own. One that wrote tells what is new."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            rest = super().parse_args(ctx, values(self, booleans(self, args)))
            self._refuse_empty(ctx)
            return rest
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # the parser knows none: the verb's own help is what helps
            raise

    def _refuse_empty(self, ctx: click.Context) -> None:
        """Where a script's variable is not set, "" would read as "all" or "any": it is no value."""
        for param in self.params:
            text = param.type is click.STRING and param.name and ctx.params.get(param.name)
            if text == "" and ctx.get_parameter_source(param.name or "") is click.core.ParameterSource.COMMANDLINE:
                raise click.BadParameter("it is empty", ctx, param)

    def invoke(self, ctx: click.Context) -> Any:
        answer = super().invoke(ctx)
        if ctx.params.get("dry_run") is False:  # every verb that writes has the option, and no other
            from pilotage.faces.cli.announce import announce

            announce(ctx.ensure_object(Session))
        return answer

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [param for param in self.get_params(ctx) if not isinstance(param, click.Argument)]  # usage has those
        own = [param for param in options if param.expose_value or param.name == "help"]
        shared = [param for param in options if param not in own]
        for title, params in (("Options", own), ("Everywhere", shared)):
            rows = [row for param in params if (row := param.get_help_record(ctx))]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def command(**attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """`click.command` with the options of `everywhere`. The verb receives the Session first."""

    def wrap(function: Callable[..., Any]) -> click.Command:
        made = click.command(cls=_Command, **attributes)(click.pass_obj(function))
        for param in made.params:
            if isinstance(param, click.Option) and param.type is click.STRING and not param.is_flag:
                param.metavar = param.metavar or (param.name or "").upper()
        made.params.extend(everywhere())
        return made

    return wrap


def output(function: Function) -> Function:
    """-o table|json|yaml, as parameter `output`."""
    choice = click.Choice(["table", "json", "yaml"])
    return click.option("-o", "--output", type=choice, default="table", show_default=True, help="Format.")(function)


def dry_run(function: Function) -> Function:
    """--dry-run, as parameter `dry_run`."""
    return click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing.")(function)


def yes(function: Function) -> Function:
    """-y/--yes, as parameter `yes`."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")(function)


def waiting(default: str) -> Callable[[Function], Function]:
    """--wait/--no-wait and --timeout, as parameters `wait` and `timeout` (seconds)."""

    def wrap(function: Function) -> Function:
        wait = click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it is seen done.")
        limit = click.option(
            "--timeout",
            type=duration,
            metavar="DURATION",
            default=default,
            show_default=True,
            help="Longest wait before giving up.",
        )
        return wait(limit(function))

    return wrap


def one(names: Sequence[str], wanted: str, single: str) -> str:
    """The only positional argument, in istioctl's words where there is none or more. Raises UsageError."""
    if not names:
        raise click.UsageError(f"must provide a {wanted}")
    if len(names) > 1:
        raise click.UsageError(f"must provide a single {single}")
    return names[0]
