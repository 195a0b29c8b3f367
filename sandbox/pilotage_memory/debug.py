"""What answers inside a pod: an istiod's debug endpoints and metrics, with every injected pod connected to its istiod.

Called by the HTTP face for a port-forward. A pod's annotation `sandbox.pilotage.dev/ads` makes its proxy fail, as in a
sandbox: `nack` rejects its listeners, `disconnect` stays away.
"""

import json
from collections.abc import Iterator
from typing import Final
from zlib import crc32

from pilotage_memory.controllers.cache import Cache
from pilotage_memory.controllers.objects import POD, SERVICE, annotations_of, deleting, labels_of, selects
from pilotage_memory.inject import serves
from pilotage_memory.istiods import runs
from pilotage_memory.kinds import Obj
from pilotage_memory.sidecar import INJECTED, PROXY

_MODE: Final = "sandbox.pilotage.dev/ads"
_PREFIX: Final = "type.googleapis.com/envoy.config."
_TYPES: Final = (
    f"{_PREFIX}cluster.v3.Cluster",
    f"{_PREFIX}endpoint.v3.ClusterLoadAssignment",
    f"{_PREFIX}listener.v3.Listener",
    f"{_PREFIX}route.v3.RouteConfiguration",
)
_LISTENERS: Final = _TYPES[2]
_REASON: Final = "rejected on purpose: the pod's annotation asks for it"

Answer = tuple[int, bytes]


class Inside:
    """The ports of pods, for port-forwards."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def __call__(self, namespace: str, pod: str, port: int, path: str) -> Answer | None:
        """HTTP status and body; None where nobody listens."""
        istiod = self._cache.get(POD, pod, namespace)
        if istiod is None or not runs(istiod):
            return None
        match port, path.partition("?")[0]:
            case 15014, "/version":
                return 200, f"{_tag(istiod['spec']['containers'][0])}-unknown-unknown".encode()
            case 15014, "/metrics":
                return 200, self._metrics(istiod)
            case ((15014 | 8080), "/debug/syncz"):
                return 200, json.dumps([_row(proxy) for proxy in self._connected(istiod)]).encode()
            case 8080, "/ready":
                return (200, b"") if serves(istiod) else (503, b"not ready\n")
            case ((15014 | 8080), _):
                return 404, b"404 page not found\n"
        return None

    def _connected(self, istiod: Obj) -> Iterator[Obj]:
        """The pods whose proxies have a stream to this istiod."""
        for pod in self._cache.list(POD):
            if (
                pod.get("status", {}).get("phase") == "Running"
                and not deleting(pod)
                and INJECTED in annotations_of(pod)
            ):
                mine = self._istiod_of(pod)
                if mine is not None and mine["metadata"]["uid"] == istiod["metadata"]["uid"]:
                    yield pod

    def _istiod_of(self, pod: Obj) -> Obj | None:
        """One of those behind the address that its proxy was given: always the same, while they stay the same."""
        parts = _host(pod).split(".")
        if annotations_of(pod).get(_MODE) == "disconnect" or len(parts) < 3 or parts[2] != "svc":
            return None
        service = self._cache.get(SERVICE, parts[0], parts[1])
        if service is None:
            return None
        chosen = {"matchLabels": service["spec"].get("selector") or {"": ""}}
        behind = [each for each in self._cache.list(POD, parts[1]) if serves(each) and selects(chosen, labels_of(each))]
        return behind[crc32(pod["metadata"]["uid"].encode()) % len(behind)] if behind else None

    def _metrics(self, istiod: Obj) -> bytes:
        proxies = list(self._connected(istiod))
        versions = [_tag(_proxy(pod)) for pod in proxies]
        rejects = sum(annotations_of(pod).get(_MODE) == "nack" for pod in proxies)
        lines = [f'pilot_info{{version="{_tag(istiod["spec"]["containers"][0])}-unknown-unknown"}} 1']
        lines += [f'pilot_xds{{version="{each}"}} {versions.count(each)}' for each in sorted(set(versions))]
        lines += [f'pilot_total_xds_rejects{{type="{_LISTENERS}"}} {rejects}'] if rejects else []
        return "\n".join([*lines, ""]).encode()


def _row(pod: Obj) -> Obj:
    """As /debug/syncz has it."""
    meta, proxy = pod["metadata"], _proxy(pod)
    told = {kind: {"sent": f"1/{meta['uid']}", "acked": f"1/{meta['uid']}"} for kind in _TYPES}
    if annotations_of(pod).get(_MODE) == "nack":
        told[_LISTENERS] = {"sent": f"1/{meta['uid']}", "acked": "", "lastError": _REASON}
    return {
        "cluster_id": "Kubernetes",
        "proxy": f"{meta['name']}.{meta['namespace']}",
        "proxy_type": "router" if "router" in proxy.get("args", ()) else "sidecar",
        "istio_version": _tag(proxy),
        "resources": told,
    }


def _proxy(pod: Obj) -> Obj:
    spec = pod["spec"]
    both = [*spec["containers"], *(spec.get("initContainers") or ())]
    return next((each for each in both if each["name"] == PROXY), {})


def _host(pod: Obj) -> str:
    """Of the istiod that the proxy was told: its discovery address, else its CA's."""
    env = {each["name"]: each.get("value", "") for each in _proxy(pod).get("env") or ()}
    address = json.loads(env.get("PROXY_CONFIG") or "{}").get("discoveryAddress") or env.get("CA_ADDR", "")
    return str(address).rpartition(":")[0]


def _tag(container: Obj) -> str:
    return str(container.get("image", "")).partition("@")[0].rpartition("/")[2].partition(":")[2]
