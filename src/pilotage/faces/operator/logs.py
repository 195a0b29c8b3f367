"""What the operator says on stderr: one line per event."""

from datetime import UTC, datetime

import click


def log(event: str, **facts: str) -> None:
    """One line: time, event, key=value. Facts without a value are left out."""
    words = " ".join(f"{key}={value!r}" for key, value in facts.items() if value)
    click.echo(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {event} {words}".rstrip(), err=True)
