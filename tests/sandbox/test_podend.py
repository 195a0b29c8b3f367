"""How a real pod's process is ended."""

import asyncio
import os
import sys
import time
from ipaddress import IPv4Address

import pytest

from pilotage_sandbox.podend import end
from pilotage_sandbox.podlog import open_pipe
from pilotage_sandbox.podnet import Namespaces

SHELL = "/bin/sh"


class Here(Namespaces):
    """No namespaces of its own."""

    def enter(self, command: "list[str] | tuple[str, ...]") -> list[str]:  # type: ignore[override]
        return list(command)


async def started(script: str) -> tuple[asyncio.subprocess.Process, asyncio.StreamReader]:
    """A shell that has said that it is there, and what it says from then on."""
    said, output = await open_pipe()
    process = await asyncio.create_subprocess_exec(SHELL, "-c", script, start_new_session=True, stdout=output)
    os.close(output)
    assert await said.readline() == b"there\n"
    return process, said


def ended(script: str, container: dict[str, object], grace: float) -> tuple[int, float, bytes]:
    """Exit code, seconds, and what was said meanwhile by a process that is ended."""

    async def story() -> tuple[int, float, bytes]:
        (process, said), began = await started(script), time.monotonic()
        await end(process, container, Here(IPv4Address("127.0.0.1"), process), grace)
        assert process.returncode is not None
        return process.returncode, time.monotonic() - began, await said.read()

    return asyncio.run(asyncio.wait_for(story(), 30))


OBEDIENT = "trap 'echo asked; exit 0' TERM; echo there; while :; do sleep 0.05; done"
DEAF = "trap '' TERM; echo there; while :; do sleep 0.05; done"


def test_a_process_is_asked_first() -> None:
    assert ended(OBEDIENT, {}, 20)[::2] == (0, b"asked\n")


def test_one_that_does_not_listen_is_killed_when_its_grace_is_over() -> None:
    code, seconds, _ = ended(DEAF, {}, 0.5)
    assert (code, seconds >= 0.5) == (-9, True)


@pytest.mark.parametrize(
    "hook",
    [{"sleep": {"seconds": 1}}, {"exec": {"command": [sys.executable, "-c", "import time; time.sleep(1)"]}}],
    ids=["sleep", "exec"],
)
def test_the_hook_comes_before_the_signal(hook: dict[str, object]) -> None:
    code, seconds, said = ended(OBEDIENT, {"lifecycle": {"preStop": hook}}, 20)
    assert (code, said, seconds >= 1) == (0, b"asked\n", True)


def test_a_hook_cannot_outlast_the_grace() -> None:
    code, seconds, said = ended(OBEDIENT, {"lifecycle": {"preStop": {"sleep": {"seconds": 600}}}}, 0.5)
    assert (code, said) == (0, b"asked\n")
    assert seconds >= 0.5


def test_what_the_process_has_started_ends_with_it() -> None:
    """The pipe is held by the child too: it could not be read to its end while that lives."""
    assert ended("sleep 600 & echo there; wait", {}, 20)[2] == b""
