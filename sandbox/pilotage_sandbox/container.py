"""The container of a real pod: its process, its probe, its restarts with a growing pause, its graceful end.

Called by `podrun`, once per pod, inside the pod's namespaces. What an image's tag can choose is told in `podspec`.
"""

import asyncio
import os
import time
from dataclasses import dataclass, replace

from pilotage_sandbox import podend, podspec
from pilotage_sandbox.kube import Object
from pilotage_sandbox.podfiles import PodFiles
from pilotage_sandbox.podlog import ContainerLog, open_pipe
from pilotage_sandbox.podnet import Namespaces
from pilotage_sandbox.podreport import PodReport
from pilotage_sandbox.podspec import Behaviour, ConfigError
from pilotage_sandbox.podstatus import View, running, terminated, waiting
from pilotage_sandbox.probes import Probe, Readiness, ask, readiness_probe
from pilotage_sandbox.realpods import Program

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CRASH = ["/bin/sh", "-c", "echo 'the image tag asks for a crash' >&2; exit 1"]
_BACKOFF_FIRST, _BACKOFF_MOST = 1.0, 10.0  # seconds; a kubelet's are 10 and 300
_STABLE = 60.0  # a process that ran this long starts with the first back-off again
_IMPATIENT = 1.0  # seconds between two questions of a probe that has not succeeded yet
_CONFIG_RETRY = 2.0  # seconds between attempts while the environment names something that is missing


@dataclass
class Container:
    """The first container of a pod.

    `server` is where it finds the API server, `program` what its image brings, `grace` the seconds that it has from its
    deletion to SIGKILL.
    """

    report: PodReport
    files: PodFiles
    log: ContainerLog
    server: tuple[str, int]
    program: Program
    grace: float = 0.0

    @property
    def spec(self) -> Object:
        """The container as admitted."""
        spec: Object = self.report.pod["spec"]["containers"][0]
        return spec

    @property
    def behaviour(self) -> Behaviour:
        """What its image's tag asks for."""
        return podspec.behaviour(self.spec["image"])

    async def pull(self) -> None:
        """Wait for the image; one that is missing never comes."""
        image, behaviour = self.spec["image"], self.behaviour
        if behaviour.missing:
            message = f'Failed to pull image "{image}": not found'
            await self.report.event("Warning", "Failed", message)
            while True:
                self.report.show(View(state=waiting("ErrImagePull", message)))
                await asyncio.sleep(_BACKOFF_FIRST)
                self.report.show(View(state=waiting("ImagePullBackOff", f'Back-off pulling image "{image}"')))
                await asyncio.sleep(_BACKOFF_MOST)
        await asyncio.sleep(behaviour.pull_seconds)

    async def run(self, namespaces: Namespaces) -> None:
        """One start after another, for ever; cancelled, the process gets SIGTERM and `grace`."""
        backoff = _BACKOFF_FIRST
        while True:
            began = time.time()
            try:
                process, said = await self._start(namespaces)
            except ConfigError as error:
                await self.report.event("Warning", "Failed", str(error))
                self._show(state=waiting("CreateContainerConfigError", str(error)))
                await asyncio.sleep(_CONFIG_RETRY)
                continue
            copy = asyncio.create_task(self.log.copy(said))
            await self._watch_over(process, namespaces, copy, began)
            backoff = _BACKOFF_FIRST if time.time() - began > _STABLE else backoff
            await self._back_off(backoff)
            backoff = min(backoff * 2, _BACKOFF_MOST)

    async def _start(self, namespaces: Namespaces) -> tuple[asyncio.subprocess.Process, asyncio.StreamReader]:
        host, port = self.server
        env = {"PATH": _PATH, "HOSTNAME": self.report.pod["metadata"]["name"], "HOME": "/"}
        env |= {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(port)}
        env |= dict(self.program.environment)
        env |= podspec.environment(self.report.as_shown(), self.spec, await self.files.sources(self.spec))
        words = [*(self.spec.get("command") or [self.program.entrypoint]), *self.spec.get("args", [])]
        command = _CRASH if self.behaviour.crash else [podspec.expand(word, env) for word in words]
        said, output = await open_pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *namespaces.enter(command), env=env, start_new_session=True,
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
        finally:
            os.close(output)
        return process, said

    async def _watch_over(
        self, process: asyncio.subprocess.Process, namespaces: Namespaces, copy: "asyncio.Task[None]", began: float
    ) -> None:
        """From the process's start to its end, whoever ends it; `copy` writes down what it says."""
        self._show(state=running(began), ran=True)
        probe = asyncio.create_task(self._probe(str(namespaces.address)))
        try:
            await process.wait()
        finally:  # cancelled too: the pod is being deleted
            probe.cancel()
            await podend.end(process, self.spec, namespaces, self.grace)
            await asyncio.wait([copy], timeout=2)
            code = process.returncode or 0
            self._show(state=terminated(code, self.log.tail() if code else "", began, time.time()))

    async def _probe(self, address: str) -> None:
        """Keep the container's readiness true."""
        probe = readiness_probe(self.spec)
        if probe is None:
            self._show(ready=True)
            return
        readiness, told = Readiness(probe), ""
        await asyncio.sleep(probe.delay)
        while True:
            wrong = await self._ask(probe, address)
            if wrong and wrong != told:
                await self.report.event("Warning", "Unhealthy", wrong)
            told = wrong
            if readiness.answer(not wrong) != self.report.view.ready:
                self._show(ready=readiness.ready)
            await asyncio.sleep(probe.period if readiness.ready else min(probe.period, _IMPATIENT))

    async def _ask(self, probe: Probe, address: str) -> str:
        if self.behaviour.never_ready:
            return "Readiness probe failed: the image tag asks for a pod that is never ready"
        return await ask(probe, address)

    async def _back_off(self, seconds: float) -> None:
        view, meta = self.report.view, self.report.pod["metadata"]
        who = f"{self.spec['name']} in pod {meta['name']}_{meta['namespace']}({meta['uid']})"
        await self.report.event("Warning", "BackOff", f"Back-off restarting failed container {who}")
        state = waiting("CrashLoopBackOff", f"back-off {seconds:g}s restarting failed container={who}")
        self.report.show(replace(view, state=state, last=view.state))
        await asyncio.sleep(seconds)
        self.report.view = replace(self.report.view, restarts=view.restarts + 1)  # shown with the start that follows

    def _show(self, state: Object | None = None, *, ready: bool = False, ran: bool = False) -> None:
        view = self.report.view
        self.report.show(replace(view, state=state or view.state, ready=ready, ran=view.ran or ran))
