"""Many injected pods that nobody runs, made in seconds: written into etcd, bound to no node, Running by their status.

Their bodies are what the sandbox's real injector makes (tried by a dry run): they cost to read what real ones cost.
They name a scheduler that is not there: the sandbox's own would note at each, for minutes, that no node has room.
"""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from bench.place import STABLE, until
from pilotage.domain.errors import Retry
from pilotage.domain.names import REV
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.edge.kube import Kube

_AT_ONCE: Final = 8  # writers
_PAUSE: Final = 0.5  # seconds between looks: the crowd is being written meanwhile
_SEED: Final = "crowd-seed"
_NAME: Final = "crowd-5d4f8c7b9"
_SINCE: Final = "2026-10-20T00:00:00Z"


class Crowd:
    """`spaces` namespaces, over which `grow` spreads pods. `home`: the sandbox's folder."""

    def __init__(self, kube: Kube, home: Path, spaces: int) -> None:
        self._kube, self._home = kube, home
        self._spaces = [f"crowd-{index:03}" for index in range(spaces)]
        self._count = 0
        self._body: Obj = {}

    def settle(self) -> None:
        """Makes the namespaces, and has a pod injected for a pattern."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._space, [_SEED, *self._spaces]))
        self._body = self._injected()

    def grow(self, count: int) -> None:
        """Until there are `count` pods and the API server lists them."""
        lines = "".join(f"{key} {json.dumps(pod)}\n" for key, pod in self._pods(count))
        put(self._home, lines)
        self._count = count
        until(f"{count} pods", lambda: self._cached(count - 1), pause=_PAUSE)

    def _space(self, name: str) -> None:
        labels = {REV: STABLE} if name == _SEED else {"team": name}
        self._kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})

    def _injected(self) -> Obj:
        account = ObjectRef("v1", "ServiceAccount", _SEED, "default")  # admission lets no pod in before
        until(str(account), lambda: self._kube.get(account) is not None, pause=_PAUSE)
        spec = {"containers": [{"name": "app", "image": "example/app:1"}], "schedulerName": "nobody"}
        meta = {"name": "seed", "namespace": _SEED, "labels": {"app": "crowd", "pod-template-hash": "5d4f8c7b9"}}
        return self._kube.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}, dry_run=True)

    def _pods(self, count: int) -> Iterator[tuple[str, Obj]]:
        owner = self._owner()
        for index in range(self._count, count):
            space, name = self._place(index)
            own = {"name": name, "namespace": space, "uid": str(uuid.UUID(int=index)), "creationTimestamp": _SINCE}
            pod = {**self._body, "metadata": {**self._body["metadata"], **own, "ownerReferences": [owner]}}
            yield f"/registry/pods/{space}/{name}", {**pod, "status": up_and_ready(pod["spec"])}

    def _owner(self) -> Obj:
        """A node, as of a static pod: pods of an owner that is not there are collected as garbage."""
        [node, *_] = self._kube.list("v1", "Node")
        meta = node["metadata"]
        return {"apiVersion": "v1", "kind": "Node", "name": meta["name"], "uid": meta["uid"], "controller": True}

    def _cached(self, index: int) -> bool:
        """Whether the API server has come to know the pod by its own watch of etcd."""
        space, name = self._place(index)
        try:
            return bool(self._kube.raw(f"/api/v1/namespaces/{space}/pods/{name}?resourceVersion=0"))
        except Retry:
            return False

    def _place(self, index: int) -> tuple[str, str]:
        return self._spaces[index % len(self._spaces)], f"{_NAME}-{index:05}"


def put(home: Path, lines: str) -> None:
    """Into the etcd of the sandbox in folder `home`; lines as `etcdput` takes them."""
    # The sandbox's network is entered by its first process in its namespaces.
    outer = (home / "pid").read_text().strip()
    inner = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()[0]
    user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    inside = ["nsenter", "--target", inner, "--net", *user]
    subprocess.run([*inside, sys.executable, "-m", "bench.etcdput"], input=lines, text=True, check=True)


def up_and_ready(spec: Obj) -> Obj:
    """Ready, and all containers too. Without an address: the sandbox would connect a proxy for each."""

    def up(container: Obj) -> Obj:
        state = {"running": {"startedAt": _SINCE}}
        told = {"name": container["name"], "image": container["image"], "imageID": "", "state": state}
        return {**told, "ready": True, "restartCount": 0, "started": True}

    ready = [{"type": kind, "status": "True"} for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")]
    lists = {"containerStatuses": [up(each) for each in spec["containers"]]}
    lists |= {"initContainerStatuses": [up(each) for each in spec.get("initContainers", [])]}
    return {"phase": "Running", "conditions": ready, **lists}
