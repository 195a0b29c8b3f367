"""Flags that `istioctl tag` takes from its root: a script in which only the word was replaced has them too."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from pilotage.faces.cli.options import duration
from pilotage.faces.cli.session import Session

Function = TypeVar("Function", bound=Callable[..., Any])
_TAKEN = "Taken for istioctl's sake: not needed."


def _deadline(context: click.Context, _: click.Parameter, seconds: float | None) -> None:
    if seconds is not None:
        context.ensure_object(Session).request_timeout = seconds


def root_flags(function: Function) -> Function:
    """-n, --kubeclient-timeout and --vklog. Not --as: Pilotage acts as nobody else."""
    for option in (
        click.option("--vklog", metavar="LEVEL", expose_value=False, help=_TAKEN),
        click.option(
            "--kubeclient-timeout",
            type=duration,
            metavar="DURATION",
            expose_value=False,
            callback=_deadline,
            help="istioctl's word for --request-timeout.",
        ),
        click.option("-n", "--namespace", expose_value=False, help=_TAKEN),
    ):
        function = option(function)
    return function
