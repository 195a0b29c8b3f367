"""PID 1 of a sandbox: starts everything inside the namespaces, keeps it running, and by its death ends it all.

Started by namespaces.launch as `python -m pilotage_sandbox.supervisor HOME LISTENER`. There is no shutdown: when this
process ends, however it ends, the kernel kills every other process of its PID namespace, and the network and mount
namespaces go with the last of them. `down` and a crash are therefore the same path, and an API server that outlives
its etcd (which would hang for a minute) cannot be.
"""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from pilotage_sandbox import certs, components, configs, egress, kubeconfigs, network, nodes, services
from pilotage_sandbox.board import Board
from pilotage_sandbox.components import Component
from pilotage_sandbox.context import Context, Plugin
from pilotage_sandbox.errors import Trouble
from pilotage_sandbox.kube import Kube
from pilotage_sandbox.layout import Layout
from pilotage_sandbox.plugins import PLUGINS
from pilotage_sandbox.process import Process

log = logging.getLogger("supervisor")


class Supervisor:
    """One sandbox from its first process to its last."""

    def __init__(self, place: Layout, listener: int) -> None:
        self.place, self.listener = place, listener
        self.spec = place.read_spec()
        self.board = Board(place)
        self.table = services.ServiceTable()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Up to ready, then for ever; raises Trouble when a component fails on the way."""
        write_credentials(self.place, self.spec.name, self.spec.port)
        configs.write_configs(self.place.config, Path(self.spec.kwok_files))
        kube = await self._control_plane()
        self.background("services", services.watch(kube, self.table))
        await asyncio.gather(
            self._component(components.kube_controller_manager(self.place, self._program("kube-controller-manager"))),
            self._component(components.kube_scheduler(self.place, self._program("kube-scheduler"))),
            self._crowd(kube),
        )
        for name, plugin in PLUGINS:
            self.background(name, self._plugin(name, plugin))
        self.board.phase("ready")
        await asyncio.Event().wait()

    async def _control_plane(self) -> Kube:
        """etcd, the API server, and the two ways through it: from the host, and out to pods."""
        await self._component(components.etcd(self.place, self._program("etcd")))
        self.background("egress", egress.serve(self.table))
        await asyncio.gather(
            self._component(components.frontdoor(self.listener)),
            self._component(components.kube_apiserver(self.place, self._program("kube-apiserver"))),
        )
        return Kube(self.place.inside_kubeconfig)

    async def _crowd(self, kube: Kube) -> None:
        for definition in configs.kwok_crds(Path(self.spec.kwok_files)):
            await kube.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        await nodes.register(kube, self.spec.nodes, self.spec.kubelet_version)
        await self._component(components.kwok(self.place, self._program("kwok")))
        await nodes.schedulable(kube)

    async def _component(self, component: Component) -> None:
        process = Process(component, components.log_file(self.place, component.name), self.board)
        await process.start()
        try:
            await process.ready()
        except Trouble:
            self.board.state(component.name, "failed")
            raise
        self.background(component.name, process.keep())

    async def _plugin(self, name: str, plugin: Plugin) -> None:
        """Run it for ever; a failure is shown in the status and in our log, and it is started again."""
        pause = 1.0
        while True:
            self.board.state(name, "ready", kind="plug-in")
            began = time.monotonic()
            try:
                await plugin(self._context())
                words = "returned, though a plug-in must not"
            except Exception as error:  # noqa: BLE001  whatever a plug-in throws must not end the sandbox
                log.exception("plug-in %s failed", name)
                words = f"{type(error).__name__}: {error}"
            pause = 1.0 if time.monotonic() - began > 60 else min(pause * 2, 30.0)
            self.board.state(name, "restarting", words, kind="plug-in")
            await asyncio.sleep(pause)

    def background(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """A task that must not end while the sandbox lives: if one does, it is a bug, and the sandbox ends loudly."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.critical("%s ended", task.get_name(), exc_info=task.exception())
            self.board.phase("failed", f"{task.get_name()} ended: {task.exception()}")
            signal.raise_signal(signal.SIGTERM)

    def _program(self, name: str) -> str:
        return self.spec.binaries[name]

    def _context(self) -> Context:
        return Context(
            name=self.spec.name,
            data=self.place.home,
            logs=self.place.logs,
            kubeconfig=self.place.inside_kubeconfig,
            api_host=str(network.BRIDGE_ADDRESS),
            api_port=network.API_PORT,
            bridge=network.BRIDGE,
            bridge_address=network.BRIDGE_ADDRESS,
            pod_network=network.PODS,
            real_pods=network.REAL_PODS,
            services=self.table,
            binaries={name: Path(path) for name, path in self.spec.binaries.items()},
            charts=Path(self.spec.charts),
            bootstrap=Path(self.spec.bootstrap),
            report=self.board.words,
        )


def write_credentials(place: Layout, name: str, port: int) -> None:
    """Certificates of everybody, and the kubeconfigs that use them."""
    authority = certs.Authority(place.pki)
    for file, (user, groups) in components.USERS.items():
        authority.client(file, user, groups)
    authority.server("apiserver", components.API_NAMES)
    authority.server("kubelet", [str(network.node_address(1))])
    authority.key_pair("service-account")
    for file in components.USERS:
        own = place.inside_kubeconfig if file == "pilotage-sandbox" else place.config / f"{file}.kubeconfig"
        kubeconfigs.inside(own, components.API_SERVER, place.pki, file)
    kubeconfigs.outside(place.kubeconfig, f"https://127.0.0.1:{port}", place.pki, name)


async def _until_told(supervisor: Supervisor) -> None:
    """Run until SIGTERM or SIGINT, which PID 1 would otherwise not even notice."""
    work = asyncio.create_task(supervisor.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    await work


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    place = Layout(Path(sys.argv[1]))
    network.prepare()
    supervisor = Supervisor(place, int(sys.argv[2]))
    try:
        asyncio.run(_until_told(supervisor))
    except asyncio.CancelledError:
        return 0
    except Exception as error:
        log.exception("the sandbox cannot start")
        supervisor.board.phase("failed", str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
