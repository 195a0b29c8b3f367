"""What the operator says on stderr: a line per event, JSON for machines or text for people. Called by `report`."""

import json
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal

import click

from pilotage.domain.errors import MeshError, NoCluster, Refused, Retry, Unreachable

Format = Literal["text", "json"]

_NEXT = (
    (NoCluster, "kubectl config get-contexts"),
    (Unreachable, "kubectl get --raw /readyz"),
    (Retry, "pilotage status"),
)


class Level(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Log:
    """Thread-safe: a line is one write."""

    def __init__(self, shape: Format | None) -> None:
        """Without a shape JSON, but text where a person reads: on a terminal."""
        self._json = shape == "json" if shape else not sys.stderr.isatty()

    def say(self, event: str, level: Level = Level.INFO, /, **facts: str) -> None:
        """Facts without a value are left out."""
        known = {key: value for key, value in facts.items() if value}
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self._json:
            line = json.dumps({"time": time, "level": level, "event": event} | known, ensure_ascii=False)
        else:
            words = (f"{key}={value!r}" for key, value in known.items())
            line = " ".join((time, level, event, *words))
        click.echo(line, err=True)

    def fail(self, event: str, error: MeshError) -> None:
        """What failed, and the next command. What mends itself is a warning."""
        level = Level.WARNING if isinstance(error, Retry) else Level.ERROR
        self.say(event, level, error=type(error).__name__, message=str(error), next=next_command(error))


def next_command(error: MeshError) -> str:
    """The error's own, else what tells whether its cause is gone."""
    own = error.fix if isinstance(error, Refused) else ""
    return own or next((command for kind, command in _NEXT if isinstance(error, kind)), "pilotage check")
