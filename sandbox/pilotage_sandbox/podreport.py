"""Tells the API server about real pods: their status, and how kubectl reaches them. Called by `podrun`.

Status goes out level by level: `show` only remembers the latest view, and one task per pod sends it until the API
server has taken it, so that neither a busy nor a restarting API server can make a pod's state wrong for good.
"""

import asyncio
import logging
import sys
import time
from pathlib import Path

import httpx2

from pilotage_sandbox.kube import APPLY, MERGE, Kube, KubeError, Object
from pilotage_sandbox.podlog import ContainerLog
from pilotage_sandbox.podnet import Namespaces
from pilotage_sandbox.podstatus import Place, View, pod_status, timestamp

log = logging.getLogger(__name__)

_KWOK = "kwok.x-k8s.io/v1alpha1"
_RELAY = (sys.executable, "-I", "-S", str(Path(__file__).with_name("relay.py")))
_GONE = (404, 409)  # no such pod, or another one by now under the same name
_RETRY = 1.0  # seconds


class PodReport:
    """One pod's status as last shown. `pod` is replaced by the newest version seen."""

    def __init__(self, kube: Kube, pod: Object):
        self.pod, self.place, self.view = pod, Place(), View()
        self._kube = kube
        self._news = asyncio.Event()

    def show(self, view: View, place: Place | None = None) -> None:
        """Make this the pod's state; `place` where that has changed."""
        self.view, self.place = view, place or self.place
        self._news.set()

    def as_shown(self) -> Object:
        """The pod with the status that is shown now, whether or not it has been sent."""
        return {**self.pod, "status": pod_status(self.pod, self.view, self.place, time.time())}

    async def run(self) -> None:
        """Send what is shown, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self.send()
            except (KubeError, httpx2.TransportError) as error:
                if isinstance(error, KubeError) and error.status in _GONE:
                    return
                log.warning("%s: status not written: %s", self.name, error)
                self._news.set()
                await asyncio.sleep(_RETRY)

    async def send(self) -> None:
        """Write the status once; raises KubeError or httpx2.TransportError."""
        body = {"metadata": {"uid": self.pod["metadata"]["uid"]}, "status": self.as_shown()["status"]}
        answer = await self._kube.request("PATCH", f"{self._path}/status", body, MERGE)
        self.pod["status"] = answer["status"]

    async def event(self, kind: str, reason: str, message: str) -> None:
        """An Event about the pod, as the kubelet's; one that cannot be written is only logged."""
        meta, now = self.pod["metadata"], timestamp(time.time())
        involved = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
        body = {
            "metadata": {"generateName": f"{meta['name']}.", "namespace": meta["namespace"]},
            "involvedObject": involved | {"namespace": meta["namespace"]},
            "type": kind, "reason": reason, "message": message[:1024],
            "source": {"component": "kubelet"}, "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        }  # fmt: skip
        try:
            await self._kube.request("POST", f"/api/v1/namespaces/{meta['namespace']}/events", body)
        except (KubeError, httpx2.TransportError) as error:
            log.warning("%s: event %s not written: %s", self.name, reason, error)

    async def close(self) -> None:
        """The process has ended: last words, then remove the pod. Raises KubeError or httpx2.TransportError."""
        try:
            await self.send()
        except KubeError as error:
            if error.status not in _GONE:
                raise
        await self._close_doors()
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.pod["metadata"]["uid"]}}
        await _delete(self._kube, self._path, body)

    async def open_doors(self, namespaces: Namespaces, files: ContainerLog) -> None:
        """Let kwok serve the pod's logs, and port-forward to its container's ports."""
        container = self.pod["spec"]["containers"][0]
        ports = [entry["containerPort"] for entry in container.get("ports", [])]
        forwards = [{"ports": [port], "command": namespaces.dial([*_RELAY, str(port)])} for port in ports]
        paths = {"logsFile": str(files.current), "previousLogsFile": str(files.previous)}
        logs = [{"containers": [container["name"]], "follow": True, **paths}]
        for kind, path, spec in self._doors({"forwards": forwards}, {"logs": logs}):
            meta = {"name": self.pod["metadata"]["name"], "namespace": self.pod["metadata"]["namespace"]}
            body = {"apiVersion": _KWOK, "kind": kind, "metadata": meta, "spec": spec}
            await self._kube.request("PATCH", f"{path}?fieldManager=pilotage-sandbox&force=true", body, APPLY)

    async def _close_doors(self) -> None:
        for _, path, _ in self._doors({}, {}):
            await _delete(self._kube, path, {})

    def _doors(self, forwards: Object, logs: Object) -> list[tuple[str, str, Object]]:
        meta = self.pod["metadata"]
        base = f"/apis/{_KWOK}/namespaces/{meta['namespace']}"
        return [
            ("PortForward", f"{base}/portforwards/{meta['name']}", forwards),
            ("Logs", f"{base}/logs/{meta['name']}", logs),
        ]

    @property
    def name(self) -> str:
        """namespace/name, for people."""
        return f"{self.pod['metadata']['namespace']}/{self.pod['metadata']['name']}"

    @property
    def _path(self) -> str:
        meta = self.pod["metadata"]
        return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"


async def _delete(kube: Kube, path: str, body: Object) -> None:
    try:
        await kube.request("DELETE", path, body)
    except KubeError as error:
        if error.status not in _GONE:
            raise
