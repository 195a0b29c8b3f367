"""Helm's engine, in a child process of its own: asked by `charts`, kept warm by the operator.

It takes about 75 MB, more with large charts, and to load it takes five times as long as to render. So it is no part of
this process; all charts of one mesh are rendered by one child; and an operator, which must be prompt, has a fresh one
wait for it. A child ends with its standard input: when this process does, however that ends.
"""

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Final

_CHILD: Final = (sys.executable, "-m", "pilotage.edge.charts_child")
PATIENCE: Final = 120.0  # seconds; a pull over a slow line, a render takes less than one
LAST_WORDS: Final = 2000  # characters of what a program said at its end


class EngineFailed(Exception):
    """No answer: the child ended, or took too long. What is wrong with a chart is an answer."""


class Engine:
    """Thread-safe: one request at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._practice = b""  # the last request that may be made again

    def ask(self, request: bytes, *, again: bool = False) -> bytes:
        """The answer to a line of JSON, as `charts_child` has it. `again`: to ask it once more changes nothing.

        Raises EngineFailed.
        """
        with self._lock:
            self._practice = request if again else self._practice
            if self._child is not None and self._child.ended:  # killed while it waited, for want of memory say
                self._end()
            child = self._child = self._child or _Child()
            try:
                return child.ask(request)
            except EngineFailed:
                self._end()
                raise

    def warm(self) -> None:
        """A fresh child is loading, or waits, from now on: one that has rendered holds what it needed for that.

        It practises on the last request: the first rendering takes twice as long as the second.
        """
        with self._lock:
            if self._child is None or self._child.used or self._child.ended:
                self._end()
                self._child = _Child()
                self._child.practise(self._practice)

    def close(self) -> None:
        """Ends the child; the next request starts another one."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
        self._child = None


class _Child:
    def __init__(self) -> None:
        self.used = False
        self._practises = False
        self._said = _memory()
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(_CHILD, stdin=pipe, stdout=pipe, stderr=self._said)  # noqa: S603

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def practise(self, request: bytes) -> None:
        """Its answer is for nobody; it is read when the child is asked."""
        if request:
            self._practises = self._send(request)

    def ask(self, request: bytes) -> bytes:
        self.used = True
        late = threading.Timer(PATIENCE, self._process.kill)
        late.start()
        try:
            answer = self._exchange(request)
        finally:
            late.cancel()
        if not answer.endswith(b"\n"):
            raise EngineFailed(self._last_words())
        return answer

    def _exchange(self, request: bytes) -> bytes:
        assert self._process.stdout is not None
        if self._practises:  # first, for neither can write much that the other does not read
            self._process.stdout.readline()
            self._practises = False
        return self._process.stdout.readline() if self._send(request) else b""

    def _send(self, request: bytes) -> bool:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(request + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def _last_words(self) -> str:
        code = self._process.wait()
        if code == -9:
            return f"no answer within {PATIENCE:g} s, or killed"
        self._said.seek(0)
        return self._said.read().decode(errors="replace").strip()[-LAST_WORDS:] or f"exit code {code}"

    def end(self) -> None:
        """It may be in the middle of loading: what it would still do is for nobody."""
        self._process.kill()
        self._process.communicate()
        self._said.close()


def _memory() -> IO[bytes]:
    """For what it says on its way; nothing is kept where nothing can be written."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return Path(os.devnull).open("r+b")
