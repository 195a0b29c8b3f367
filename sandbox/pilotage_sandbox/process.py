"""One component as a child process: started, waited for until ready, started again when it dies.

Used by the supervisor. Nothing here stops a process: the sandbox ends by the end of its PID namespace (see
supervisor.py).
"""

import asyncio
import time
from pathlib import Path

import httpx2

from pilotage_sandbox.board import Board
from pilotage_sandbox.components import Component
from pilotage_sandbox.errors import Trouble

POLL = 0.05
LONGEST_PAUSE = 30.0


class Process:
    """`start` once, `ready` once, then `keep` for ever."""

    def __init__(self, component: Component, log: Path, board: Board) -> None:
        self.component = component
        self._log = log
        self._board = board
        self._child: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._board.state(self.component.name, "starting")
        with self._log.open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                *self.component.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=self.component.inherits,
            )

    async def ready(self, timeout: float = 60.0) -> None:
        """Returns when its URL answers 200. Raises Trouble, naming it, when it ends first, or after `timeout` s."""
        deadline = time.monotonic() + timeout
        # No verification: this is loopback in a namespace of our own, and some of these make up their certificate.
        async with httpx2.AsyncClient(verify=False, trust_env=False, timeout=5.0) as http:
            while not await self._answers(http):
                if self._child is not None and self._child.returncode is not None:
                    raise Trouble(f"{self.component.name} ended with code {self._child.returncode}")
                if time.monotonic() > deadline:
                    raise Trouble(f"{self.component.name} was not ready within {timeout:.0f} s")
                await asyncio.sleep(POLL)
        self._board.state(self.component.name, "ready")

    async def keep(self) -> None:
        """Start it again whenever it ends, after a pause that doubles while it does not live for long."""
        pause = 0.5
        while True:
            assert self._child is not None, "start comes first"
            began = time.monotonic()
            code = await self._child.wait()
            self._board.state(self.component.name, "restarting", f"ended with code {code}")
            pause = 0.5 if time.monotonic() - began > 60 else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause)
            await self.start()
            try:
                await self.ready()
            except Trouble as trouble:
                self._board.state(self.component.name, "failed", str(trouble))

    async def _answers(self, http: httpx2.AsyncClient) -> bool:
        if self.component.ready is None:
            return True
        try:
            return (await http.get(self.component.ready)).status_code == 200
        except httpx2.TransportError:
            return False
