"""Workloads with proxies, most of them current: what `drift` is measured on. Called by `drift` of the bench.

The bodies are what the sandbox's real injector makes, tried by dry runs; they go past admission, as the crowd's do.
"""

import copy
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from bench.crowd import put, up_and_ready
from bench.place import STABLE, until
from pilotage.domain.errors import Retry
from pilotage.domain.names import PROXY_CONTAINER, REV
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.edge.kube import Kube

SPACES: Final = 50
OF_EACH: Final = 10  # pods of a workload
OVERRIDES: Final = 20  # workloads with an image of their own
_OUTDATED, _NATIVE = 12, 5  # percent of the workloads
_AT_ONCE: Final = 8
_BATCH: Final = 2_000  # pods written at once
_PATIENCE: Final = 600.0  # seconds for the API server to come to know a batch
_PAUSE: Final = 0.5  # seconds between looks
_SINCE: Final = "2026-10-20T00:00:00Z"
_OLD_TAG: Final = "1.30.0-distroless"
_FIRST: Final = 1 << 64  # number of the first of our uids


class Fleet:
    """`home`: the sandbox's folder. Its owners are ConfigMaps: no controller makes or removes pods of those."""

    def __init__(self, kube: Kube, home: Path) -> None:
        self._kube, self._home = kube, home
        self._spaces = [f"fleet-{index:02}" for index in range(SPACES)]
        self._count = 0
        self._bodies: dict[str, Obj] = {}

    def settle(self) -> None:
        """Makes the namespaces, and has pods injected for patterns."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._space, self._spaces))
        account = ObjectRef("v1", "ServiceAccount", self._spaces[0], "default")  # admission lets no pod in before
        until(str(account), lambda: self._kube.get(account) is not None)
        native = {"sidecar.istio.io/nativeSidecar": "true"}
        self._bodies = {"current": self._injected({}), "native": self._injected(native)}
        old = self._bodies["outdated"] = copy.deepcopy(self._bodies["current"])
        for container in (*old["spec"]["containers"], *old["spec"]["initContainers"]):
            name, _, tag = container["image"].rpartition(":")
            container["image"] = f"{name}:{_OLD_TAG}" if tag.endswith("distroless") else container["image"]
        for index in range(OVERRIDES):
            own = {"sidecar.istio.io/proxyImage": f"example/own:{index}"}
            self._bodies[f"own-{index}"] = self._injected(own)

    def grow(self, count: int) -> None:
        """Until there are `count` pods and the API server lists them."""
        for start in range(self._count, count, _BATCH):
            pods = range(start, min(start + _BATCH, count))
            owners = {index // OF_EACH for index in pods}
            lines = [*map(self._owner_line, owners), *map(self._pod_line, pods)]
            put(self._home, "".join(lines))
            self._await(pods[-1])
        self._count = count

    def _space(self, name: str) -> None:
        labels = {REV: STABLE}
        self._kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})

    def _injected(self, annotations: dict[str, str]) -> Obj:
        spec = {"containers": [{"name": "app", "image": "example/app:1"}], "schedulerName": "nobody"}
        meta = {"name": "seed", "namespace": self._spaces[0], "annotations": annotations}
        return self._kube.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}, dry_run=True)

    def _owner_line(self, owner: int) -> str:
        space = self._spaces[owner % SPACES]
        meta = {"name": f"app-{owner:05}", "namespace": space, "uid": _uid(owner), "creationTimestamp": _SINCE}
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}
        return f"/registry/configmaps/{space}/app-{owner:05} {json.dumps(made)}\n"

    def _pod_line(self, index: int) -> str:
        owner, at = divmod(index, OF_EACH)
        space, name = self._spaces[owner % SPACES], f"app-{owner:05}-{at}"
        body = self._bodies[_pattern(owner)]
        controller = {"apiVersion": "v1", "kind": "ConfigMap", "name": f"app-{owner:05}", "controller": True}
        meta = body["metadata"] | {
            "name": name,
            "namespace": space,
            "uid": _uid(_FIRST + index),
            "creationTimestamp": _SINCE,
            "labels": body["metadata"]["labels"] | {"app": f"app-{owner:05}"},
            "ownerReferences": [controller | {"uid": _uid(owner)}],
        }
        pod = {**body, "metadata": meta, "status": up_and_ready(body["spec"])}
        return f"/registry/pods/{space}/{name} {json.dumps(pod)}\n"

    def _await(self, index: int) -> None:
        """Batch by batch: an API server that lags behind etcd answers nothing."""
        until(f"pod {index}", lambda: self._cached(index), _PATIENCE, pause=_PAUSE)

    def _cached(self, index: int) -> bool:
        owner, at = divmod(index, OF_EACH)
        place = f"/api/v1/namespaces/{self._spaces[owner % SPACES]}/pods/app-{owner:05}-{at}?resourceVersion=0"
        try:
            return PROXY_CONTAINER.encode() in self._kube.raw(place)
        except Retry:
            return False


def _pattern(owner: int) -> str:
    """Of the first thousand workloads 20 have an image of their own; of all, 12 % are outdated and 5 % native."""
    if owner < 1_000 and owner % 50 == 49:
        return f"own-{owner // 50}"
    share = owner % 100
    return "outdated" if share < _OUTDATED else "native" if share < _OUTDATED + _NATIVE else "current"


def _uid(number: int) -> str:
    return str(uuid.UUID(int=number + 1))
