"""`pilotage operator`: the loop for ever, under the Lease, until it is told to stop."""

import gc
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import click

from pilotage.faces.cli import options
from pilotage.faces.cli.session import Session
from pilotage.faces.operator import loop
from pilotage.faces.operator.logs import Format, Log
from pilotage.faces.operator.metrics import Metrics
from pilotage.faces.operator.pulse import Pulse
from pilotage.faces.operator.report import Exchanges, Report
from pilotage.faces.operator.server import Place, place, serving
from pilotage.faces.own_version import own_version

_GARBAGE: Final = 700  # objects until cycles among them are looked for: Python's own measure for what runs for ever
_TURN: Final = 0.0005  # seconds until a thread that computes lets another go on, for a look has dozens of such turns


def _place(_: click.Context, __: click.Parameter, text: str) -> Place | None:
    return place(text)


@options.command()
@click.option(
    "--listen",
    metavar="HOST:PORT|off",
    default="127.0.0.1:8085",
    show_default=True,
    envvar="PILOTAGE_LISTEN",
    show_envvar=True,
    callback=_place,
    help="Where /healthz, /readyz and /metrics are served.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="One event per line on stderr; json where that is no terminal.",
)
def operator(session: Session, listen: Place | None, log_format: Format | None) -> None:
    """Run the loop for ever: install, mend and remove as the ServiceMesh says. Stops on SIGTERM and Ctrl-C.

    It may be killed at any moment: progress is what is seen in the cluster.
    """
    gc.set_threshold(_GARBAGE)
    metrics, pulse, log = Metrics(own_version()), Pulse(), Log(log_format)
    session.kube.transport.observer = Exchanges(metrics, pulse)
    facts = {"server": session.kube.server, "version": own_version()}
    with _until_told(log), _taking_turns(), ExitStack() as stack:
        if listen is not None:
            facts["listens"] = str(stack.enter_context(serving(listen, metrics, pulse)))
        log.say("started", **facts)
        loop.run(session, Report(log, metrics, pulse))


@contextmanager
def _taking_turns() -> Iterator[None]:
    """What is computed over all pods beside the loop must not hold it up."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def _until_told(log: Log) -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does, and both are no failure."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        log.say("stopped")
    finally:
        signal.signal(signal.SIGTERM, before)
