"""Go, as far as assets.py needs it: what a go.mod pins, where a module's files are, one build with progress."""

import contextlib
import fcntl
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pilotage_sandbox.errors import Refused, Trouble

Say = Callable[[str], None]


def pinned(group: Path, module: str) -> str:
    """The version of `module` in the group's go.mod. Raises Refused where there is no tools folder."""
    try:
        text = (group / "go.mod").read_text()
    except FileNotFoundError as error:
        raise Refused(
            f"{group / 'go.mod'} is missing: run from a checkout of Pilotage, installed with pip install -e ./sandbox."
        ) from error
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(module)}\s+(v\S+)", text, re.MULTILINE)
    if found is None:
        raise Trouble(f"{group / 'go.mod'} does not name {module}.")
    return found[1]


def module_folder(group: Path, module: str) -> Path:
    """The module's source in Go's module cache, downloaded if need be."""
    answer = _run(group, "mod", "download", "-json", module)
    return Path(json.loads(answer)["Dir"])


@contextlib.contextmanager
def building(cache: Path) -> Iterator[None]:
    """One build at a time per user: a second `up` waits and then finds what the first has built."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(group: Path, package: str, stamp: str, target: Path, say: Say) -> None:
    """Build into `target`, whole or not at all. `say` hears how many packages are compiled and for how long."""
    total = len(_run(group, "list", "-deps", package).split())
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(target.name + ".new")
    flags = ["-v", "-trimpath", "-ldflags", f"-s -w {stamp}".rstrip(), "-o", str(new)]
    started, lines = time.monotonic(), []
    say(f"{total} packages, those compiled before are quick")
    with subprocess.Popen([_go(), "build", *flags, package], cwd=group, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                lines.append(line.rstrip())
                say(f"{len(lines)} of at most {total} packages compiled, {time.monotonic() - started:.0f} s")
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise Trouble(f"go build {package} failed:\n" + "\n".join(lines[-8:]))
    new.replace(target)


def _run(group: Path, *arguments: str) -> str:
    done = subprocess.run([_go(), *arguments], cwd=group, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Trouble(f"go {' '.join(arguments)} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _go() -> str:
    go = shutil.which("go")
    if go is None:
        raise Refused("Go is needed to build the programs. Install it, or name a folder of them in PILOTAGE_ASSETS.")
    return go
