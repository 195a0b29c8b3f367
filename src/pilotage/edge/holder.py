"""Who holds a Lease: the identity written into it, and whether its process is known to have ended. Used by `lease`."""

import hashlib
import os
import secrets
import socket
from pathlib import Path
from typing import Final

_OPERATOR: Final = "operator:"
_VERB: Final = "verb:"
_PROC: Final = Path("/proc")


def operator_identity() -> str:
    """`operator:HOST:NONCE`. In a pod the host is the pod, and says where to look."""
    return f"{_OPERATOR}{socket.gethostname()}:{secrets.token_hex(4)}"


def verb_identity() -> str:
    """`verb:USER@HOST:PID:PLACE-START`; a random word instead of the last where the system tells no more."""
    place, started = _place(), _started(os.getpid())
    mark = f"{place}-{started}" if place and started else secrets.token_hex(4)
    return f"{_VERB}{_user()}@{socket.gethostname()}:{os.getpid()}:{mark}"


def is_operator(holder: str) -> bool:
    return holder.startswith(_OPERATOR)


def describe(holder: str) -> str:
    """`verb:jane@laptop:4711:…` -> `jane@laptop (process 4711)`."""
    if holder.startswith(_OPERATOR):
        return f"the operator {holder.removeprefix(_OPERATOR).split(':')[0]}"
    who, *numbers = holder.removeprefix(_VERB).rsplit(":", 2)
    return f"{who} (process {numbers[0]})" if holder.startswith(_VERB) and len(numbers) == 2 else holder


def is_dead(holder: str) -> bool:
    """A verb of this user, on this machine since its last start, whose process has ended. False where that is not sure.

    Its pid alone would not do: it may be in use again, or mean another process in another container.
    """
    _, *numbers = holder.rsplit(":", 2)
    if not holder.startswith(_VERB) or len(numbers) != 2 or not numbers[0].isdigit():
        return False
    place, _, started = numbers[1].partition("-")
    return bool(place and started) and place == _place() and _started(int(numbers[0])) != started


def _place() -> str:
    """Equal for two processes only where the one sees whether the other lives. "" where the system does not tell."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        if str((_PROC / "self").readlink()) != str(os.getpid()):  # /proc of another pid namespace
            return ""
        links = [_PROC / "self/ns" / name for name in ("pid", "time", "user")]
        spaces = [str(link.readlink()) for link in links if link.is_symlink()]
    except OSError:
        return ""
    return hashlib.sha256(repr((boot, spaces, os.getuid())).encode()).hexdigest()[:12]


def _started(pid: int) -> str:
    """When the process started, in ticks since boot; "" where it has ended."""
    try:
        state, *fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else fields[18]


def _user() -> str:
    return os.environ.get("USER") or os.environ.get("USERNAME") or "someone"
