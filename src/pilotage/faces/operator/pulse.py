"""Whether the operator lives: its loop turns, and the API server answers. Told by `report`, asked by `server`."""

import time
from collections.abc import Callable
from typing import Final

# At rest the loop looks every three minutes; the longest look has several requests at their deadlines, or pulls charts.
STILL: Final = 300.0
# A leader renews its Lease every few seconds, a standby looks at it: nobody is silent for so long by itself.
SILENT: Final = 60.0


class Pulse:
    """Thread-safe: each field is written whole. `clock` in seconds, of any origin."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turned = clock()
        self._answered: float | None = None
        self._unanswered = clock()

    def turn(self) -> None:
        """The loop begins something: a step, a write, a rest."""
        self._turned = self._clock()

    def heard(self, code: int) -> None:
        """A request to the API server ended; 0: without an answer. Any answer will do, a refusal too."""
        if code:
            self._answered = self._clock()
        else:
            self._unanswered = self._clock()

    def still(self) -> str:
        """Why the process should be restarted, "" if it should not."""
        seconds = self._clock() - self._turned
        return f"the loop has not moved for {seconds:.0f} s" if seconds > STILL else ""

    def deaf(self) -> str:
        """Why the operator could not do its work now, "" if it could. Leading or standing by makes no difference."""
        if self._answered is None:
            return "the API server has not answered yet"
        seconds = self._clock() - self._answered
        if self._unanswered > self._answered or seconds > SILENT:
            return f"the API server has not answered for {seconds:.0f} s"
        return ""
