"""Work in a thread of its own while this process leads: the loop must wait for none of it."""

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar


class Beside(ABC):
    """Runs from when it is entered; `_over` is set when it is left. `thread`: its name."""

    thread: ClassVar[str]

    def __init__(self) -> None:
        self._over = threading.Event()

    @abstractmethod
    def _run(self) -> None:
        """Until `_over`."""

    def __enter__(self) -> None:
        threading.Thread(target=self._run, name=self.thread, daemon=True).start()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
