"""What no watch tells, asked at most every few seconds and remembered meanwhile. Used by `store`."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Asked:
    """Thread-safe; two that ask the same at once may both be sent. What an answer raises is not remembered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Hashable, float, Any]] = {}
        self._since: dict[str, tuple[Hashable, float]] = {}

    def age(self, name: str, about: Hashable) -> float:
        """Seconds for which `about` was never told to be another."""
        now = time.monotonic()
        with self._lock:
            there, since = self._since.get(name, (None, now))
            if there != about:
                since = now
            self._since[name] = (about, since)
        return now - since

    def once(self, name: str, about: Hashable, seconds: float, ask: Callable[[], T]) -> T:
        """The answer of `ask` to question `name` about `about`; it holds for `seconds`, or until `about` differs."""
        with self._lock:
            there = self._known.get(name)
        if there is not None and there[0] == about and time.monotonic() < there[1]:
            answer: T = there[2]
            return answer
        fresh = ask()
        with self._lock:
            self._known[name] = (about, time.monotonic() + seconds, fresh)
        return fresh
