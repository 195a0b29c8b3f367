"""What a real pod's process says, in the format of container logs (CRI), where `kubectl logs` reads it.

Called by `podrun`, one file per start of the container; the file before it stays as the previous one.
"""

import asyncio
import os
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

_TAIL_LINES = 5  # of a failed process, shown as its termination message
_CHUNK = 65536


async def open_pipe() -> tuple[asyncio.StreamReader, int]:
    """A pipe's end to read, and the descriptor of its other end, which the caller closes once a process has it.

    A process with one of asyncio's own pipes has ended for asyncio when all that hold the pipe have, its children too.
    """
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    ours, theirs = os.pipe()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb"))
    return reader, theirs


class ContainerLog:
    """The log files of one container below `folder`: `current`, and `previous` after a restart."""

    def __init__(self, folder: Path, container: str):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.current = folder / f"{container}.log"
        self.previous = folder / f"{container}.previous.log"
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)

    async def copy(self, stream: asyncio.StreamReader) -> None:
        """Write everything the stream says to a new `current` file, until it ends."""
        if self.current.exists():
            self.current.replace(self.previous)
        self._tail.clear()
        rest = b""
        with os.fdopen(os.open(self.current, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
            while chunk := await stream.read(_CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                self._write(file, lines)
            if rest:
                self._write(file, [rest])

    def tail(self) -> str:
        """The last lines written."""
        return "\n".join(self._tail)

    def _write(self, file: IO[bytes], lines: list[bytes]) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode()
        for line in lines:
            file.write(b"%s stdout F %s\n" % (now, line))
            self._tail.append(line.decode(errors="replace"))
        file.flush()
