"""Where a sandbox keeps its things, and how one is told alive from dead. Used by the CLI, the supervisor and tests.

A sandbox is one folder. Its `lock` is held (flock) by the supervisor and by the `unshare` process above it, and by
nobody else: the kernel gives it back when the last of them is gone, however it went. So "locked" is "alive", with no
process id to mistake.
"""

import fcntl
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pilotage_sandbox.errors import Refused


@dataclass(frozen=True, slots=True)
class Spec:
    """What `up` asks of the supervisor; written to spec.json, paths absolute."""

    name: str
    nodes: int
    kubelet_version: str
    port: int  # of 127.0.0.1, on the host
    binaries: dict[str, str]
    charts: str
    bootstrap: str
    kwok_files: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The folder of one sandbox and the files in it."""

    home: Path

    @property
    def name(self) -> str:
        return self.home.name

    @property
    def lock(self) -> Path:
        """Beside the folder, not in it: cleaning the folder must not let a second `up` in."""
        return self.home.with_name(f".{self.home.name}.lock")

    @property
    def spec(self) -> Path:
        return self.home / "spec.json"

    @property
    def status(self) -> Path:
        return self.home / "status.json"

    @property
    def pid(self) -> Path:
        return self.home / "pid"

    @property
    def pki(self) -> Path:
        return self.home / "pki"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def config(self) -> Path:
        return self.home / "config"

    @property
    def audit(self) -> Path:
        """JSON lines, every write of every user (see configs.AUDIT_POLICY)."""
        return self.logs / "audit.log"

    @property
    def kubeconfig(self) -> Path:
        return self.home / "kubeconfig"

    @property
    def inside_kubeconfig(self) -> Path:
        return self.config / "inside.kubeconfig"

    def create(self) -> None:
        """An empty folder, whatever a dead sandbox of the name left. The caller holds the lock."""
        self.clear()
        for folder in (self.home, self.pki, self.logs, self.config):
            folder.mkdir(mode=0o700)

    def clear(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)

    def read_status(self) -> dict[str, Any]:
        """The last status the supervisor wrote, {} before the first."""
        try:
            return dict(json.loads(self.status.read_text()))
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def read_spec(self) -> Spec:
        return Spec(**json.loads(self.spec.read_text()))

    def write_spec(self, spec: Spec) -> None:
        write(self.spec, json.dumps(asdict(spec), indent=1))


def write(path: Path, text: str) -> None:
    """Replace a file whole, readable by its owner only: a reader never sees half of it."""
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.replace(path)


def sandboxes(data: Path | None) -> Path:
    """The folder of all sandboxes: `data`, or the user's state folder; made with mode 0700."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    folder = (data or state / "pilotage" / "sandboxes").absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Refused(f"cannot make the folder {folder}: {error.strerror}. Name another one with --data.") from error
    return folder


def layout(data: Path | None, name: str) -> Layout:
    """Raises Refused for a name that is no plain word."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name):
        raise Refused(f"{name!r} is no name for a sandbox: up to 32 of a-z, 0-9 and -, like my-sandbox.")
    return Layout(sandboxes(data) / name)


def take(lock: Path) -> int | None:
    """The lock as an inheritable file descriptor, or None while a living sandbox holds it."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if lock.exists() and os.path.samestat(os.fstat(descriptor), lock.stat()):
            return descriptor
        os.close(descriptor)  # a `down` removed it between our open and our lock


def alive(place: Layout) -> bool:
    """Is there a supervisor (or an `up` that is about to start one)?"""
    if not place.lock.exists():
        return False
    descriptor = take(place.lock)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False
