"""What istiod's injection adds to a pod, as far as anybody reads it. Pure. Called by `inject`.

Names, annotations, environment and the places of containers are those that a real istiod 1.31 gave; probes, security
contexts and volumes beyond their names are left out.
"""

import json
from typing import Any, Final, NamedTuple

from pilotage_memory.kinds import Obj
from pilotage_memory.store import clone

PROXY: Final = "istio-proxy"
INJECTED: Final = "sidecar.istio.io/status"
REVISION: Final = "istio.io/rev"
_INIT: Final = "istio-init"
_INJECT: Final = "sidecar.istio.io/inject"
_OVERRIDES: Final = "proxy.istio.io/overrides"
_VOLUMES: Final = (
    "workload-socket",
    "credential-socket",
    "workload-certs",
    "istio-envoy",
    "istio-data",
    "istio-podinfo",
    "istio-token",
    "istiod-ca-cert",
    "istio-ca-crl",
)
_UNTOUCHED: Final = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})


class Injector(NamedTuple):
    """One istiod's: its revision and namespace, the `values` of its ConfigMap, whether nodes take native sidecars."""

    revision: str
    namespace: str
    values: dict[str, Any]
    native: bool

    @property
    def host(self) -> str:
        suffix = "" if self.revision == "default" else f"-{self.revision}"
        return f"istiod{suffix}.{self.namespace}.svc"


def wants_proxy(pod: Obj) -> bool:
    """What istiod itself asks, after a webhook has chosen the pod."""
    meta = pod["metadata"]
    asked = (meta.get("labels") or {}).get(_INJECT, (meta.get("annotations") or {}).get(_INJECT, ""))
    host = pod["spec"].get("hostNetwork", False)
    return not host and meta["namespace"] not in _UNTOUCHED and asked not in ("false", "no", "off", "n")


def injected(pod: Obj, injector: Injector) -> Obj:
    """The pod with a proxy of this revision; one that had another's gets this one's in its place."""
    made = clone(pod)
    meta, spec = made["metadata"], made["spec"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    if INJECTED in annotations:
        _strip(spec)
    elif own := [each for each in spec["containers"] if each["name"] == PROXY]:
        annotations = annotations | {_OVERRIDES: json.dumps({"containers": [_kept(each) for each in own]})}
    gateway = annotations.get("inject.istio.io/templates") == "gateway"
    native = not gateway and annotations.get("sidecar.istio.io/nativeSidecar", str(injector.native).lower()) == "true"
    apps = [each["name"] for each in spec["containers"] if each["name"] != PROXY]
    proxy = _proxy(made, injector, "router" if gateway else "sidecar")
    if gateway:
        _replace(spec["containers"], proxy)
    else:
        init = {"name": _INIT, "image": proxy["image"], "args": ["istio-iptables"]} | _resources(injector)
        spec["initContainers"] = [init, *(spec.get("initContainers") or [])]
        if native:
            spec["initContainers"].insert(1, proxy | {"restartPolicy": "Always"})
        else:
            _replace(spec["containers"], proxy)
    _add_volumes(spec)
    name = labels.get("app.kubernetes.io/name") or labels.get("app") or _workload(meta)
    meta["labels"] = {
        "security.istio.io/tlsMode": "istio",
        "service.istio.io/canonical-name": name,
        "service.istio.io/canonical-revision": labels.get("version", "latest"),
    } | labels
    told: Obj = {"initContainers": [] if gateway else [_INIT, *([PROXY] if native else [])]}
    told |= {"containers": [] if native else [PROXY], "volumes": list(_VOLUMES), "imagePullSecrets": None}
    first = {"kubectl.kubernetes.io/default-container": apps[0]} if apps else {}
    meta["annotations"] = first | annotations
    meta["annotations"] |= {REVISION: injector.revision, INJECTED: json.dumps(told | {"revision": injector.revision})}
    return made


def proxy_image(values: dict[str, Any], annotations: dict[str, str]) -> str:
    """A whole image in `global.proxy.image` stands for itself; else hub, name, tag and variant make one."""
    own = values.get("global") or {}
    named = annotations.get("sidecar.istio.io/proxyImage") or (own.get("proxy") or {}).get("image", "proxyv2")
    if "/" in named:
        return str(named)
    variant = annotations.get("sidecar.istio.io/proxyImageType") or own.get("variant") or ""
    return f"{own.get('hub', '')}/{named}:{own.get('tag', '')}" + (f"-{variant}" if variant else "")


def _proxy(pod: Obj, injector: Injector, role: str) -> Obj:
    meta = pod["metadata"]
    address = f"{injector.host}:15012"
    config = json.dumps({"discoveryAddress": address})
    env = [{"name": "CA_ADDR", "value": address}, {"name": "PROXY_CONFIG", "value": config}]
    env.append({"name": "ISTIO_META_CLUSTER_ID", "value": "Kubernetes"})
    image = proxy_image(injector.values, meta.get("annotations") or {})
    args = ["proxy", role, "--domain", "$(POD_NAMESPACE).svc.cluster.local"]
    return {"name": PROXY, "image": image, "args": args, "env": env} | _resources(injector)


def _resources(injector: Injector) -> Obj:
    asked = ((injector.values.get("global") or {}).get("proxy") or {}).get("resources")
    return {"resources": clone(asked)} if asked else {}


def _replace(containers: list[Obj], proxy: Obj) -> None:
    """A container of that name is completed, as a gateway's chart leaves its image `auto`."""
    for index, each in enumerate(containers):
        if each["name"] == PROXY:
            image = proxy["image"] if each.get("image", "auto") == "auto" else each["image"]
            containers[index] = proxy | each | {"image": image, "env": [*(each.get("env") or ()), *proxy["env"]]}
            return
    containers.append(proxy)


def _kept(own: Obj) -> Obj:
    """A container of the pod's own as istiod notes it, to lay it over the next proxy too."""
    return {key: value for key, value in own.items() if (key, value) != ("image", "auto")}


def _add_volumes(spec: Obj) -> None:
    have = spec.get("volumes") or []
    names = {volume["name"] for volume in have}
    spec["volumes"] = [*have, *({"name": name, "emptyDir": {}} for name in _VOLUMES if name not in names)]


def _strip(spec: Obj) -> None:
    for field in ("containers", "initContainers"):
        spec[field] = [each for each in spec.get(field) or () if each["name"] not in (PROXY, _INIT)]


def _workload(meta: Obj) -> str:
    return str(meta.get("generateName") or meta["name"]).rstrip("-")
