"""Waiting: look again while the world must change first, up to a limit."""

import time
from collections.abc import Callable
from typing import TypeVar

from pilotage.domain.errors import Retry, TimedOut, Unreachable

Found = TypeVar("Found")
_PAUSE = 1.0  # seconds until an API server that did not answer is asked again


def until_ready(look: Callable[[], Found], timeout: float) -> Found:
    """What `look` returns once the world lets it. Raises TimedOut with the last cause after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        try:
            return look()
        except (Retry, Unreachable) as cause:
            left = end - time.monotonic()
            if left <= 0:
                raise TimedOut(f"gave up after {timeout:g}s: {cause}") from cause
            time.sleep(min(cause.after if isinstance(cause, Retry) else _PAUSE, left))
