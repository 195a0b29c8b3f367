"""The command `pilotage-sandbox`. Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 130 Ctrl-C."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click

from pilotage_sandbox import assets, lifecycle, namespaces
from pilotage_sandbox.components import log_file
from pilotage_sandbox.display import progress
from pilotage_sandbox.errors import Refused, Trouble
from pilotage_sandbox.layout import Layout, alive, layout, sandboxes
from pilotage_sandbox.tally import Plan

named = click.option(
    "--name",
    default="default",
    show_default=True,
    envvar="PILOTAGE_SANDBOX",
    help="Which sandbox; several run side by side.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="PILOTAGE_SANDBOX_DATA",
    help="Folder of all sandboxes (default: pilotage/sandboxes in the user's state folder).",
)
@click.pass_context
def cli(ctx: click.Context, data: Path | None) -> None:
    """A real Kubernetes control plane with real istiod on this machine, without containers."""
    ctx.obj = data


@cli.command()
@named
@click.option("--nodes", default=3, show_default=True, type=click.IntRange(1, 250), help="How many nodes.")
@click.option(
    "--kubelet-version",
    default="",
    metavar="VERSION",
    help="What the nodes say they run. From v1.33 on istiod makes native sidecars; by default, plain containers.",
)
def up(name: str, nodes: int, kubelet_version: str) -> None:
    """Start a sandbox and return when it is ready; one that is there already is left as it is."""
    place = _place(name)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # like Ctrl-C: a half-started sandbox is taken down
    with progress() as say:
        started = lifecycle.up(place, lifecycle.Wish(nodes, kubelet_version), say)
    status = place.read_status()
    how = f"is ready after {status['ready_after']:.1f} s" if started else "was already up"
    click.echo(f"Sandbox {place.name} {how}: https://127.0.0.1:{status['port']}")
    click.echo(f"  export KUBECONFIG={place.kubeconfig}")


@cli.command()
@named
def down(name: str) -> None:
    """End a sandbox and remove all it had."""
    place = _place(name)
    there = lifecycle.down(place)
    click.echo(f"Sandbox {place.name} {'is gone' if there else 'was not there'}.")


@cli.command()
@named
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def status(name: str, output: str) -> None:
    """Its components and plug-ins, and how to reach it. Exit code 1 unless all of them are ready."""
    place = _place(name)
    lifecycle.running(place)
    told = place.read_status()
    if output == "json":
        click.echo(json.dumps(told, indent=2))
    else:
        _table(told)
    if told.get("phase") != "ready" or any(row["state"] != "ready" for row in told["components"]):
        sys.exit(1)


@cli.command(name="list")
@click.pass_obj
def list_(data: Path | None) -> None:
    """The sandboxes of this user."""
    for home in sorted(p for p in sandboxes(data).iterdir() if p.is_dir()):
        place = Layout(home)
        phase = place.read_status().get("phase", "starting") if alive(place) else "dead"
        click.echo(f"{place.name}\t{phase}")


@cli.command()
@named
def kubeconfig(name: str) -> None:
    """Print the path of its kubeconfig, as in: export KUBECONFIG=$(pilotage-sandbox kubeconfig)"""
    place = _place(name)
    lifecycle.running(place)
    click.echo(place.kubeconfig)


@cli.command()
@named
@click.argument("component")
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C or the sandbox's end.")
@click.option("--tail", default=200, show_default=True, type=click.IntRange(0), help="How many of the last lines.")
def logs(name: str, component: str, follow: bool, tail: int) -> None:
    """Print the log of a COMPONENT: etcd, kube-apiserver, ..., supervisor, audit."""
    place = _place(name)
    path = log_file(place, component)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in place.logs.glob("*.log")))
        raise Refused(f"no log {component!r}. There are: {known or 'none'}.")
    for line in lifecycle.last_lines(path, tail):
        click.echo(line)
    if follow:
        _follow(place, path)


@cli.command()
@named
@click.option("--service", required=True, metavar="NAMESPACE/NAME", help="Service of type LoadBalancer over gateways.")
@click.option("--drain", default=0.0, help="Seconds that its gateways are configured to drain streams.")
@click.option("--report", default="", metavar="FILE", help="Keep the figures so far here, as JSON, once a second.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def traffic(name: str, service: str, drain: float, report: str, output: str) -> None:
    """Send steady traffic through gateways until SIGTERM or Ctrl-C, then print what came of it.

    300 requests a second over 50 connections, which close when they are asked to and try nothing twice, and 10 streams
    of half a minute each, one after the other. A backend and a route to it are put in the Service's namespace.
    """
    place = _place(name)
    lifecycle.running(place)
    space, _, service = service.partition("/")
    if not service:
        raise click.BadParameter("write it as NAMESPACE/NAME", param_hint="--service")
    plan = Plan(space, service, drain=drain, report=report and str(Path(report).absolute()))
    words = [str(place.inside_kubeconfig), json.dumps(plan.as_dict()), output]
    command = namespaces.inside(place, [sys.executable, "-m", "pilotage_sandbox.traffic", *words])
    os.execvp(command[0], command)


@cli.command(name="assets")
@click.option("--build", is_flag=True, help="Build what is missing.")
def assets_(build: bool) -> None:
    """Print where every program and the charts are."""
    if build:
        with progress() as say:
            assets.ensure(say)
    for name in assets.names():
        click.echo(f"{name}\t{assets.binary(name)}")
    click.echo(f"charts\t{assets.charts_dir()}")


def main() -> None:
    """The entry point: every expected failure is one message and an exit code."""
    try:
        cli(standalone_mode=False)
    except Trouble as trouble:
        click.echo(f"pilotage-sandbox: {trouble}", err=True)
        sys.exit(trouble.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter's last flush would fail
        sys.exit(1)


def _place(name: str) -> Layout:
    """The sandbox of a name, below the folder that --data named."""
    return layout(click.get_current_context().obj, name)


def _table(told: dict[str, Any]) -> None:
    click.echo(f"{told['name']}: {told['phase']}, {told['nodes']} nodes, https://127.0.0.1:{told['port']}")
    click.echo(f"kubeconfig: {told['kubeconfig']}\n")
    click.echo(f"{'NAME':<26}{'KIND':<12}{'STATE':<12}{'AGE':<8}{'RESTARTS':<10}WORDS")
    for row in told["components"]:
        age = f"{time.time() - row['since']:.0f}s"
        line = f"{row['name']:<26}{row['kind']:<12}{row['state']:<12}{age:<8}{row['restarts']:<10}{row['words']}"
        click.echo(line.rstrip())


def _follow(place: Layout, path: Path) -> None:
    with path.open(errors="replace") as file:
        file.seek(0, 2)
        while alive(place):
            for line in file:
                click.echo(line, nl=False)
            time.sleep(0.2)


if __name__ == "__main__":
    main()
