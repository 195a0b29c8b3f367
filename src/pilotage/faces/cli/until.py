"""Waiting: look again while the world must change first, up to a limit."""

import time
from collections.abc import Callable
from typing import TypeVar

from pilotage.domain.errors import Retry, TimedOut

Found = TypeVar("Found")


def until_ready(look: Callable[[], Found], timeout: float) -> Found:
    """What `look` returns once it raises no Retry. Raises TimedOut with the last cause after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        try:
            return look()
        except Retry as cause:
            left = end - time.monotonic()
            if left <= 0:
                raise TimedOut(f"gave up after {timeout:g}s: {cause}") from cause
            time.sleep(min(cause.after, left))
