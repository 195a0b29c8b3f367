"""What charts rendered to, kept on disk. Called by `charts`.

To render is a child process and up to half a second of processor time; an engine makes the same of the same chart and
request. So the answer is kept under a digest of all three. A cache: what is missing, broken or not ours is made anew.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from pilotage.edge.chart_source import cache_folder

_MOST: Final = 24  # answers: up to 1.5 MB each


def kept(engine: Path, chart: Path, request: bytes, render: Callable[[], bytes]) -> bytes:
    """The answer kept for `request`, or that of `render`, which is then kept. Raises what `render` raises.

    `engine`: the program or package that renders; another one in its place, by time of change, asks anew.
    """
    folder = cache_folder("rendered")
    place = folder / _digest(engine, chart, request)
    with suppress(OSError):
        if _private(folder):
            return _read(place)
    answer = render()
    with suppress(OSError):  # read-only, full: then it is rendered again next time
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _private(folder):
            _write(place, answer)
    return answer


def _digest(engine: Path, chart: Path, request: bytes) -> str:
    found = hashlib.sha256(f"{engine} {engine.stat().st_mtime_ns}".encode())
    found.update(hashlib.sha256(request).digest())
    for file in sorted(_files(chart)):
        found.update(hashlib.sha256(str(file.relative_to(chart)).encode()).digest())
        found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def _files(chart: Path) -> Iterator[Path]:
    """The archive, or every file of the folder; links are followed, as Helm does."""
    if chart.is_file():
        yield chart
    for folder, _, names in os.walk(chart, followlinks=True):
        yield from (Path(folder, name) for name in names)


def _private(folder: Path) -> bool:
    """Values may hold what is not for everyone, and nobody else may choose what is applied."""
    found = folder.stat()
    return not found.st_mode & 0o077 and found.st_uid == os.getuid()


def _read(place: Path) -> bytes:
    answer = place.read_bytes()
    with suppress(OSError):  # read-only: nothing is written there that it would have to outlast
        os.utime(place)
    return answer


def _write(place: Path, answer: bytes) -> None:
    """Whole or not at all; those beyond _MOST that were read or written longest ago go."""
    with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as fresh:
        fresh.write(answer)
    Path(fresh.name).replace(place)
    by_age = sorted(place.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in by_age[_MOST:]:
        old.unlink(missing_ok=True)
