"""Who a pod's proxy is to istiod: its node, and the istiod its injected configuration names. Pure functions.

Called by `crowd`. The node id and metadata are those a real `pilot-agent` makes from the same environment, as far as
istiod reads them: what it makes depends on namespace, labels, version, proxy configuration and `ISTIO_META_*`.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

from pilotage_sandbox import podspec
from pilotage_sandbox.kube import Object
from pilotage_sandbox.realpods import is_real

ANNOTATION = "sandbox.pilotage.dev/ads"
Mode = Literal["", "nack", "disconnect"]

_INJECTED = "sidecar.istio.io/status"
_META, _META_JSON = "ISTIO_META_", "ISTIO_METAJSON_"


@dataclass(frozen=True)
class Proxy:
    """A proxy that should be connected: pod uid, node id and metadata, its istiod's host, how it is to behave."""

    uid: str
    node_id: str
    metadata: dict[str, Any]
    istiod: str
    mode: Mode = ""


def proxy_of(pod: Object) -> Proxy | None:
    """The proxy of a running, injected pod that is no process of its own; None for every other pod."""
    meta, status = pod["metadata"], pod.get("status", {})
    if _INJECTED not in meta.get("annotations", {}) or is_real(pod):
        return None
    if meta.get("deletionTimestamp") or status.get("phase") != "Running" or not status.get("podIP"):
        return None
    container = proxy_container(pod)
    if container is None:
        return None
    env = _environment(pod, container)
    istiod = _istiod(env)
    if not istiod:
        return None
    role = "router" if "router" in container.get("args", [])[:2] else "sidecar"
    domain = f"{meta['namespace']}.svc.cluster.local"
    node_id = f"{role}~{status['podIP']}~{meta['name']}.{meta['namespace']}~{domain}"
    return Proxy(meta["uid"], node_id, _metadata(pod, container, env), istiod, mode_of(meta))


def proxy_container(pod: Object) -> Object | None:
    """The container istio-proxy, in `containers` or, as native sidecar, in `initContainers`."""
    spec = pod["spec"]
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        if container["name"] == "istio-proxy":
            return dict(container)
    return None


def mode_of(meta: Object) -> Mode:
    """What the pod's annotation asks of its stream; a word that is not known asks for nothing."""
    word = meta.get("annotations", {}).get(ANNOTATION, "")
    return word if word in ("nack", "disconnect") else ""


def _environment(pod: Object, container: Object) -> dict[str, str]:
    """The environment but for ConfigMaps and Secrets: injection names none."""
    elsewhere = {"configMapKeyRef", "secretKeyRef"}
    env = [entry for entry in container.get("env", []) if not elsewhere & entry.get("valueFrom", {}).keys()]
    return podspec.environment(pod, {**container, "env": env, "envFrom": []}, podspec.Sources({}, {}))


def _istiod(env: dict[str, str]) -> str:
    """Host of the discovery address, as the agent finds it: PROXY_CONFIG first, then the CA's address."""
    config = _json(env.get("PROXY_CONFIG", ""))
    address = config.get("discoveryAddress") if isinstance(config, dict) else None
    return str(address or env.get("CA_ADDR", "")).rpartition(":")[0]


def _metadata(pod: Object, container: Object, env: dict[str, str]) -> dict[str, Any]:
    meta = pod["metadata"]
    found: dict[str, Any] = {name.removeprefix(_META): value for name, value in env.items() if name.startswith(_META)}
    found |= {name.removeprefix(_META_JSON): _json(value) for name, value in env.items() if name.startswith(_META_JSON)}
    found |= {
        "NAME": meta["name"],
        "NAMESPACE": meta["namespace"],
        "SERVICE_ACCOUNT": pod["spec"].get("serviceAccountName", "default"),
        "INSTANCE_IPS": pod["status"]["podIP"],
        "LABELS": {**meta.get("labels", {})},
        "ANNOTATIONS": {**meta.get("annotations", {})},
        "ISTIO_VERSION": podspec.image_tag(container["image"]),
        "PROXY_CONFIG": _json(env.get("PROXY_CONFIG", "{}")),
        "ENVOY_STATUS_PORT": 15021,
        "ENVOY_PROMETHEUS_PORT": 15090,
    }
    if "POD_PORTS" in found:
        found["POD_PORTS"] = found["POD_PORTS"].strip()
    return found


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {}
