"""Readiness probes of real pods: one HTTP request, and when its answers make a container Ready or not.

Called by `container`. A probe asks the pod's own address, as a kubelet does; a container without one is ready at once.
Until the first success it is asked at least once a second, so that a sandbox is up sooner than a cluster would be.
"""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass

from pilotage_sandbox.kube import Object


@dataclass(frozen=True)
class Probe:
    """An httpGet probe; times in seconds."""

    port: int
    path: str
    tls: bool
    delay: float
    period: float
    timeout: float
    failures: int
    successes: int


@dataclass
class Readiness:
    """What a row of answers says: not ready until `successes` in a row, ready until `failures` in a row."""

    probe: Probe
    ready: bool = False
    _row: int = 0  # how many answers in a row contradict `ready`

    def answer(self, ok: bool) -> bool:
        """Take one answer; returns whether the container is ready now."""
        self._row = 0 if ok == self.ready else self._row + 1
        if self._row >= (self.probe.failures if self.ready else self.probe.successes):
            self.ready, self._row = not self.ready, 0
        return self.ready


def readiness_probe(container: Object) -> Probe | None:
    """The container's httpGet readiness probe with the API's defaults; None where it has none."""
    spec = container.get("readinessProbe", {})
    http = spec.get("httpGet")
    if not http:
        return None
    port = http["port"]
    if isinstance(port, str):
        port = next(entry["containerPort"] for entry in container.get("ports", []) if entry.get("name") == port)
    return Probe(
        port=int(port),
        path=http.get("path", "/"),
        tls=http.get("scheme") == "HTTPS",
        delay=spec.get("initialDelaySeconds", 0),
        period=spec.get("periodSeconds", 10),
        timeout=spec.get("timeoutSeconds", 1),
        failures=spec.get("failureThreshold", 3),
        successes=spec.get("successThreshold", 1),
    )


async def ask(probe: Probe, address: str) -> str:
    """Ask once; '' for a success (200 to 399), else what was wrong, in the kubelet's words."""
    try:
        async with asyncio.timeout(probe.timeout):
            status = await _status(probe, address)
    except TimeoutError:
        return "Readiness probe failed: context deadline exceeded"
    except (OSError, ValueError, IndexError) as error:
        return f"Readiness probe failed: {error}"
    return "" if 200 <= status < 400 else f"Readiness probe failed: HTTP probe failed with statuscode: {status}"


async def _status(probe: Probe, address: str) -> int:
    reader, writer = await asyncio.open_connection(address, probe.port, ssl=_any_certificate() if probe.tls else None)
    try:
        request = f"GET {probe.path} HTTP/1.1\r\nHost: {address}:{probe.port}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _any_certificate() -> ssl.SSLContext:
    """A kubelet does not verify the certificate of what it probes."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
