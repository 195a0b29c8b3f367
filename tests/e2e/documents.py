"""Documents that are executed: their commands, in order, in one bash, with the output that they promise.

A ```sh block holds commands. A ```console block holds commands after `$ `, and below each what it prints: these lines
must be seen, in this order, while others may be left out. A command that is to fail says so: `# exit 3`.
"""

import re
import subprocess
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

_BLOCK = re.compile(r"(?ms)^```(sh|console)\n(.*?)^```$")
_CODE = re.compile(r"# exit (\d+)$")
_END = "@@ that was it:"
# What differs each time: the time before progress off a terminal, names of pods, ages, how many replicas there are yet.
_CHARS = "[bcdfghjklmnpqrstvwxz2456789]"
_VARYING = (
    (re.compile(r"^\d\d:\d\d:\d\d "), ""),
    (re.compile(rf"-{_CHARS}{{4,10}}-{_CHARS}{{5}}\b"), "-POD"),
    (re.compile(r"\b(?:\d+[dhms])+\b"), "AGE"),
    (re.compile(r"\b([12])/\1\b"), "ALL"),
    (re.compile(r"\b0/[12]\b"), "NONE"),
)


class Step(NamedTuple):
    """One command of a document, the exit code it is to have, and the lines it promises."""

    command: str
    code: int
    promised: tuple[str, ...]


def steps(text: str) -> list[Step]:
    """All of a document's, in its order."""
    return [step for kind, block in _BLOCK.findall(text) for step in _steps(block.splitlines(), kind == "console")]


def section(path: Path, heading: str) -> str:
    """The text under a heading, up to the next of any level."""
    found = re.search(rf"(?ms)^#+ {re.escape(heading)}$(.*?)(?=^#+ |\Z)", path.read_text())
    assert found, f"{path.name} has no heading {heading!r}"
    return found[1]


def _steps(lines: list[str], console: bool) -> list[Step]:
    found: list[Step] = []
    for line in filter(str.strip, lines):
        if console and not line.startswith("$ "):
            found[-1] = found[-1]._replace(promised=(*found[-1].promised, line))
            continue
        command = line.removeprefix("$ ")
        code = _CODE.search(command)
        found.append(Step(command, int(code[1]) if code else 0, ()))
    return found


class Shell:
    """A bash that keeps what was exported, as the reader's does. No terminal, and nobody who could answer."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._bash = subprocess.Popen(
            ["bash", "-o", "pipefail"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=folder,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bash.kill()
        self._bash.communicate()

    def run(self, command: str) -> tuple[int, str]:
        """Exit code and output, both streams as they come."""
        assert self._bash.stdin
        assert self._bash.stdout
        self._bash.stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n{_END} %s\\n' $?\n")
        self._bash.stdin.flush()
        seen: list[str] = []
        for line in self._bash.stdout:
            if line.startswith(_END):
                return int(line.removeprefix(_END)), "".join(seen)
            seen.append(line)
        raise AssertionError(f"bash ended in: {command}\n{''.join(seen)}")


def missing(promised: tuple[str, ...], output: str) -> str:
    """The first promised line that is not there in its place; "" if all are."""
    wanted = _plain(promised)
    for line in _plain(output.splitlines()):
        if wanted and line == wanted[0]:
            del wanted[0]
    return wanted[0] if wanted else ""


def _plain(lines: tuple[str, ...] | list[str]) -> list[str]:
    """Without what differs each time; of equal lines in a row only one is left."""
    found: list[str] = []
    for line in lines:
        for pattern, word in _VARYING:
            line = pattern.sub(word, line)
        line = " ".join(line.split())
        if line and line != "..." and [line] != found[-1:]:
            found.append(line)
    return found
