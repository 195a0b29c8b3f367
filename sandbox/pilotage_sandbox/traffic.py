"""Live traffic through gateways: a backend, a steady client, long-lived streams, and the figures of all.

Run by `pilotage-sandbox traffic`, inside a sandbox's network: `python -m pilotage_sandbox.traffic KUBECONFIG PLAN`. It
puts the backend's Service and its route in the gateways' namespace, waits until the first answer came through, and
then counts until SIGTERM or SIGINT. Every fifth connection speaks HTTP/2. Nothing is tried twice.
"""

import asyncio
import contextlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from pilotage_sandbox import network, routes
from pilotage_sandbox.errors import Trouble
from pilotage_sandbox.httpwire import Address, Answer, Broken, Connection, Http1, Http2, connect
from pilotage_sandbox.kube import APPLY, Kube, KubeError
from pilotage_sandbox.layout import write
from pilotage_sandbox.tally import Plan, Tally, table

_PATIENCE = 120.0  # seconds until the first answer
_ANSWER_SECONDS = 10.0  # that a request, or a tick of a stream, may take
_LIFE = 60  # requests after which a client leaves a connection by itself: new gateways would not be seen otherwise
_PAUSE = 0.5  # seconds before a stream that broke is opened again
_OWNER = "kubernetes.io/service-name"


class Traffic:
    """One run."""

    def __init__(self, plan: Plan, kube: Kube):
        self.plan, self.kube, self.tally = plan, kube, Tally(plan.drain)
        self.address: Address = ("", 0)
        self._begun = time.monotonic()

    async def run(self) -> None:
        """Let it flow until cancelled."""
        await self._routes()
        await self._first_answer()
        self._begun = time.monotonic()
        tasks = [self._requests(number) for number in range(self.plan.connections)]
        tasks += [self._streams(number) for number in range(self.plan.streams)]
        tasks += [self._gateways(), self._keep_report()]
        await asyncio.gather(*tasks)

    def report(self) -> dict[str, Any]:
        """The figures until now."""
        self.tally.elapsed = self._now()
        return self.tally.report()

    def _now(self) -> float:
        return time.monotonic() - self._begun

    async def _routes(self) -> None:
        """Backend and route in place, and the load balancer's address known."""
        path = f"/api/v1/namespaces/{self.plan.namespace}/services/{self.plan.service}"
        service = await self.kube.request("GET", path)
        for where, body in routes.objects(self.plan.namespace, service["spec"]["selector"]):
            await self.kube.request("PATCH", f"{where}?fieldManager=pilotage-sandbox&force=true", body, APPLY)
        while not (told := service["status"].get("loadBalancer", {}).get("ingress")):
            await asyncio.sleep(_PAUSE)
            service = await self.kube.request("GET", path)
        self.address = (told[0]["ip"], self.plan.port)

    async def _first_answer(self) -> None:
        async with asyncio.timeout(_PATIENCE):
            for kind in (Http1, Http2):
                while True:
                    try:
                        connection = await connect(kind, self.address, routes.HOST)
                        _judged(await connection.get("/"))
                        connection.close()
                        break
                    except Broken:
                        await asyncio.sleep(_PAUSE)

    async def _requests(self, number: int) -> None:
        """One connection's share of the steady rate, on time: a slow answer delays only what it must."""
        interval = self.plan.connections / self.plan.rate
        due = self._now() + interval * number / self.plan.connections
        kind, connection, left = _kind(number), None, 1 + number % _LIFE
        while True:
            await asyncio.sleep(due - self._now())
            due += interval
            connection = await self._request(kind, connection)
            left = left - 1 or _LIFE
            if left == _LIFE and connection is not None:
                connection.close()

    async def _request(self, kind: type[Http1] | type[Http2], connection: Connection | None) -> Connection | None:
        """One request; returns the connection if it can be used again."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                if connection is None or connection.closing:
                    connection = await self._connect(kind, connection)
                gateway = _judged(await connection.get("/"))
            self.tally.answered(gateway, time.monotonic() - began)
        except (Broken, TimeoutError) as error:
            self.tally.failures.append((self._now(), str(error) or f"no answer in {_ANSWER_SECONDS:g} s"))
            if connection is not None:
                connection.close()
            return None
        return connection

    async def _connect(self, kind: type[Http1] | type[Http2], before: Connection | None = None) -> Connection:
        if before is not None:
            self.tally.asked_to_close += before.asked_to_close
            before.close()
        self.tally.connections += 1
        return await connect(kind, self.address, routes.HOST)

    async def _streams(self, number: int) -> None:
        """One stream after another, each as long as it lasts."""
        while True:
            gateway, why = await self._stream(_kind(number))
            if why:
                self.tally.breaks.append((self._now(), gateway, why))
                await asyncio.sleep(_PAUSE)

    async def _stream(self, kind: type[Http1] | type[Http2]) -> tuple[str, str]:
        """Read one stream: through which gateway it went, and why it broke, '' where it did not."""
        gateway = ""
        connection: Connection | None = None
        try:
            connection = await self._connect(kind)
            pieces = connection.lines(f"/stream/{self.plan.stream_seconds}")
            while True:
                piece = await asyncio.wait_for(anext(pieces), _ANSWER_SECONDS)
                if isinstance(piece, Answer):
                    gateway = _judged(piece)
                    self.tally.streams += 1
        except (Broken, TimeoutError) as error:
            return gateway, str(error) or f"silent for {_ANSWER_SECONDS:g} s"
        except StopAsyncIteration:
            self.tally.streams_whole += 1
            return gateway, ""
        finally:
            if connection is not None:
                connection.close()

    async def _gateways(self) -> None:
        """Note when each gateway pod begins to leave."""
        selector = f"labelSelector={_OWNER}%3D{self.plan.service}"
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self.plan.namespace}/endpointslices"
        known: set[str] = set()
        async for change in self.kube.follow(path, selector):
            here = set()
            for endpoint in change.object.get("endpoints") or []:
                name = endpoint.get("targetRef", {}).get("name", "")
                here.add(name)
                if endpoint.get("conditions", {}).get("terminating"):
                    self.tally.left(name, self._now())
            if change.kind == "MODIFIED":
                for name in known - here:
                    self.tally.left(name, self._now())
            known |= here

    async def _keep_report(self) -> None:
        while True:
            if self.plan.report:
                write(Path(self.plan.report), json.dumps(self.report()))
            await asyncio.sleep(1)


def _judged(answer: Answer) -> str:
    """The gateway that an answer of the backend came through. Raises Broken for all other answers."""
    if "x-backend" not in answer.headers:
        raise Broken(f"{answer.status}, not from the backend")
    return answer.headers.get("x-gateway", "")


def _kind(number: int) -> type[Http1] | type[Http2]:
    return Http2 if number % 5 == 4 else Http1


async def main(kubeconfig: Path, plan: Plan) -> dict[str, Any]:
    """Let it flow; the figures. Raises Trouble where no answer ever came."""
    backend = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pilotage_sandbox.backend", str(network.BRIDGE_ADDRESS), str(routes.PORT),
        stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip
    kube = Kube(kubeconfig)
    traffic = Traffic(plan, kube)
    work = asyncio.create_task(traffic.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await work
    except TimeoutError as error:
        raise Trouble(f"no answer came through {plan.namespace}/{plan.service} in {_PATIENCE:g} s") from error
    except KubeError as error:
        raise Trouble(str(error)) from error
    finally:
        if backend.returncode is None:
            backend.kill()
        await backend.wait()
        await kube.close()
    return traffic.report()


if __name__ == "__main__":
    try:
        figures = asyncio.run(main(Path(sys.argv[1]), Plan(**json.loads(sys.argv[2]))))
    except Trouble as trouble:
        sys.exit(f"pilotage-sandbox: {trouble}")
    print(json.dumps(figures) if "json" in sys.argv[3:] else "\n".join(table(figures)))
