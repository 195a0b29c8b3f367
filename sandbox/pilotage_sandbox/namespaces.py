"""From outside: makes the namespaces, starts the supervisor in them, and ends it. Called by the CLI,
which also runs traffic inside.

util-linux's `unshare` makes them: Python can only from 3.12 on, and `--kill-child` ties the supervisor's life to the
`unshare` process above it, which stays in the host's PID namespace and waits until the kernel has cleared the
sandbox's.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from pilotage_sandbox.errors import Refused
from pilotage_sandbox.layout import Layout, write

UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
ROOTLESS = ("--map-root-user",)


def allowed() -> tuple[str, ...]:
    """The command that makes our namespaces, tried on a bridge and a mount. Raises Refused, naming what needs them."""
    for program in ("unshare", "ip"):
        if shutil.which(program) is None:
            package = {"unshare": "util-linux", "ip": "iproute2"}[program]
            raise Refused(f"the program `{program}` is missing: install the package {package}.")
    probe = "ip link add probe type bridge && mount -t tmpfs tmpfs /run"
    last = ""
    for command in (UNSHARE, (*UNSHARE, *ROOTLESS)):
        tried = subprocess.run([*command, "sh", "-c", probe], capture_output=True, text=True, check=False)
        if tried.returncode == 0:
            return command
        last = tried.stderr.strip().splitlines()[-1] if tried.stderr.strip() else f"exit code {tried.returncode}"
    raise Refused(
        f"this user may not make network namespaces here ({last}), and a sandbox is made of them: without, no real"
        " istiod pods, no injection and no connected proxies can be tried. Run as root, or allow user namespaces"
        " (in a container: the capabilities SYS_ADMIN and NET_ADMIN)."
    )


def launch(command: tuple[str, ...], place: Layout, listener: int, lock: int) -> "subprocess.Popen[bytes]":
    """Start the supervisor, detached, holding the lock. Its own output goes to logs/supervisor.log."""
    with (place.logs / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, sys.executable, "-m", "pilotage_sandbox.supervisor", str(place.home), str(listener)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(listener, lock),
            start_new_session=True,
            cwd="/",
        )
    write(place.pid, str(process.pid))
    return process


def inside(place: Layout, command: list[str]) -> list[str]:
    """The command line that runs `command` in the network of a living sandbox, as one process that signals reach."""
    inner = _inner(place)
    words = ["nsenter", f"--target={inner}", "--net"]
    if not Path(f"/proc/{inner}/ns/user").samefile("/proc/self/ns/user"):
        words += ["--user", "--preserve-credentials"]
    return [*words, "--", *command]


def end(place: Layout) -> None:
    """Kill the sandbox's PID 1, and with it everything inside. The caller waits for the lock, free when all is gone.

    Only to be called while the lock is held by another: then the recorded process is still the one we started.
    """
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
        os.kill(_inner(place), signal.SIGKILL)


def _inner(place: Layout) -> int:
    """The sandbox's PID 1 as the host numbers it, or while there is none the process that will make it."""
    outer = int(place.pid.read_text())
    children = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
    return int(children[0]) if children else outer
