"""Bringing a sandbox up and taking it down, from outside. Called by the CLI and by tests."""

import os
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from pilotage_sandbox import assets, components, namespaces
from pilotage_sandbox.errors import Refused, Trouble
from pilotage_sandbox.gotools import Say
from pilotage_sandbox.layout import Layout, Spec, alive, take

READY_SECONDS = 120.0
GONE_SECONDS = 20.0
TAIL = 12
POLL = 0.05


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user may choose about a new sandbox."""

    nodes: int = 3
    kubelet_version: str = ""  # kwok's own when empty


def up(place: Layout, wish: Wish, say: Say) -> bool:
    """Returns when the sandbox is ready: True if it was started now, False if it was there already.

    Raises Refused or Trouble. An interruption or a failure leaves nothing running; a failure leaves the logs.
    """
    lock = take(place.lock)
    if lock is None:
        _wait_ready(place, None, say)
        return False
    try:
        try:
            process = _launch(place, wish, lock, say)
        finally:
            os.close(lock)
        _wait_ready(place, process, say)
    except KeyboardInterrupt:
        down(place)
        raise
    except Trouble:
        os.close(_end(place))
        raise
    return True


def down(place: Layout) -> bool:
    """End it and remove its folder. False if there was nothing. Raises Trouble if it does not end in time."""
    there = alive(place) or place.home.exists()
    lock = _end(place)
    place.clear()
    place.lock.unlink()
    os.close(lock)
    return there


def _launch(place: Layout, wish: Wish, lock: int, say: Say) -> "subprocess.Popen[bytes]":
    command = namespaces.allowed()
    place.clear()  # before a build of minutes: nobody shall read a dead sandbox's status meanwhile
    binaries = assets.ensure(say)
    place.create()
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        place.write_spec(_spec(place, wish, binaries, listener.getsockname()[1]))
        say("starting the control plane")
        return namespaces.launch(command, place, listener.fileno(), lock)


def _end(place: Layout) -> int:
    """End it if it is there, and return its lock, which is ours then."""
    deadline = time.monotonic() + GONE_SECONDS
    while (lock := take(place.lock)) is None:
        namespaces.end(place)
        if time.monotonic() > deadline:
            raise Trouble(f"sandbox {place.name} has not ended within {GONE_SECONDS:.0f} s; its process: {place.pid}")
        time.sleep(POLL)
    return lock


def _spec(place: Layout, wish: Wish, binaries: dict[str, Path], port: int) -> Spec:
    return Spec(
        name=place.name,
        nodes=wish.nodes,
        kubelet_version=wish.kubelet_version,
        port=port,
        binaries={name: str(path) for name, path in binaries.items()},
        charts=str(assets.charts_dir()),
        bootstrap=str(assets.bootstrap_template()),
        kwok_files=str(assets.kwok_files()),
    )


def _wait_ready(place: Layout, process: "subprocess.Popen[bytes] | None", say: Say) -> None:
    """Until the status says ready; `process` is the one we started, None when somebody else did."""
    deadline = time.monotonic() + READY_SECONDS
    while (status := place.read_status()).get("phase") != "ready":
        gone = process.poll() is not None if process else not alive(place)
        if gone or status.get("phase") == "failed":
            raise Trouble(_story(place, status))
        if time.monotonic() > deadline:
            raise Trouble(f"not ready within {READY_SECONDS:.0f} s\n{_story(place, status)}")
        waiting = [row["name"] for row in status.get("components", []) if row["state"] != "ready"]
        if process or status:
            say(f"starting the control plane: {', '.join(waiting) or 'the nodes'}")
        time.sleep(POLL)


def _story(place: Layout, status: dict[str, object]) -> str:
    """Which component failed and its last words, for a person."""
    rows = status.get("components", [])
    assert isinstance(rows, list)
    failed = next((row["name"] for row in rows if row["state"] in ("failed", "restarting")), "supervisor")
    lines = last_lines(components.log_file(place, failed), TAIL)
    return f"sandbox {place.name} did not start: {status.get('message') or failed + ' failed'}\n" + "\n".join(
        [f"last lines of {components.log_file(place, failed)}:", *lines]
    )


def last_lines(path: Path, number: int) -> list[str]:
    """The end of a log; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 200_000))
            return file.read().decode(errors="replace").splitlines()[-number:]
    except FileNotFoundError:
        return []


def running(place: Layout) -> None:
    """Raises Refused unless the sandbox is alive."""
    if not alive(place):
        died = "has died" if place.home.exists() else "is not there"
        raise Refused(f"sandbox {place.name} {died}. Start it with: pilotage-sandbox up --name {place.name}")
