"""What a pod asks of the node that runs it: environment, arguments, and how its image is to behave. Pure functions.

Called by `container` and `podfiles`. Only what a control plane pod can ask for is understood.

An image tag chooses a failing istiod, so that a failing upgrade can be tried:

| tag ends in | behaviour |
|---|---|
| `-crash` | the process exits 1 at once, with a message |
| `-slow`, `-slow<seconds>` | pulling the image takes 20, or that many, seconds |
| `-neverready` | the process runs, its readiness probe never passes |
| `-missing` | the image cannot be pulled |

So it is for gateways; one that no webhook injected keeps the chart's image `auto`, which cannot be pulled either.
"""

import json
import math
import os
import re
from dataclasses import dataclass
from decimal import Decimal

from pilotage_sandbox.kube import Object

_SUFFIX = re.compile(r"-(?:(crash|neverready|missing)|slow(\d*))$")
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
_UNITS = {"": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3")}
_UNITS |= {unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)}
_UNITS |= {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)}
_SLOW_SECONDS = 20


class ConfigError(Exception):
    """A container cannot be made from its spec; the text says what is missing, as the kubelet would."""


@dataclass(frozen=True)
class Behaviour:
    """How a container behaves by its image's tag; `pull_seconds` is how long the image takes to arrive."""

    crash: bool = False
    never_ready: bool = False
    missing: bool = False
    pull_seconds: int = 0


@dataclass(frozen=True)
class Sources:
    """ConfigMaps and Secrets (data decoded to text) that a container's environment may name, by object name."""

    config_maps: dict[str, dict[str, str]]
    secrets: dict[str, dict[str, str]]


def image_tag(image: str) -> str:
    """The tag of an image reference, '' where it has none."""
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2]


def behaviour(image: str) -> Behaviour:
    """The behaviour that the image's tag asks for."""
    if image == "auto":
        return Behaviour(missing=True)
    found = _SUFFIX.search(image_tag(image))
    if not found:
        return Behaviour()
    name, seconds = found.groups()
    if name is None:
        return Behaviour(pull_seconds=int(seconds or _SLOW_SECONDS))
    return Behaviour(crash=name == "crash", never_ready=name == "neverready", missing=name == "missing")


def quantity(text: str) -> Decimal:
    """A Kubernetes quantity (`500m`, `2Gi`, `3`) as a number."""
    found = re.fullmatch(r"([0-9.]+(?:[eE][-+]?[0-9]+)?)([numkMGTPE]|[KMGTPE]i)?", text)
    if not found:
        raise ConfigError(f"quantity {text!r} cannot be read")
    return Decimal(found[1]) * _UNITS[found[2] or ""]


def field(pod: Object, path: str) -> str:
    """The value of a downward API fieldRef, all labels or annotations one a line; '' where the pod has none."""
    if path in ("metadata.labels", "metadata.annotations"):
        entries = pod["metadata"].get(path.partition(".")[2], {})
        return "\n".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in sorted(entries.items()))
    found = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
    if found:
        return str(pod["metadata"].get(found[1], {}).get(found[2], ""))
    if path == "status.podIPs":
        return ",".join(entry["ip"] for entry in pod.get("status", {}).get("podIPs", []))
    value: object = pod
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return str(value)


def resource_field(container: Object, ref: Object) -> str:
    """The value of a resourceFieldRef; without a limit it is what this machine has, as a kubelet takes the node's."""
    kind, _, name = ref["resource"].partition(".")
    resources = container.get("resources", {})
    text = resources.get(kind, {}).get(name)
    if text is None:
        pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        text = str({"cpu": os.cpu_count() or 1, "memory": pages}.get(name, 0))
    return str(math.ceil(quantity(str(text)) / quantity(str(ref.get("divisor") or "1"))))


def environment(pod: Object, container: Object, sources: Sources) -> dict[str, str]:
    """The container's environment with every reference resolved; raises ConfigError for a missing required one."""
    env: dict[str, str] = {}
    for entry in container.get("envFrom", []):
        env |= _env_from(entry, sources)
    for entry in container.get("env", []):
        value = _value(pod, container, entry, sources)
        if value is not None:
            env[entry["name"]] = expand(value, env)
    return env


def expand(text: str, env: dict[str, str]) -> str:
    """`$(NAME)` replaced by its value, left as it is where unknown; `$$` stands for `$`."""

    def one(found: re.Match[str]) -> str:
        return env.get(found[1], found[0]) if found[1] else "$"

    return _REFERENCE.sub(one, text)


def _value(pod: Object, container: Object, entry: Object, sources: Sources) -> str | None:
    source = entry.get("valueFrom")
    if not source:
        return str(entry.get("value", ""))
    if "fieldRef" in source:
        return field(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return resource_field(container, source["resourceFieldRef"])
    if "configMapKeyRef" in source:
        return _key(source["configMapKeyRef"], "configmap", sources.config_maps)
    if "secretKeyRef" in source:
        return _key(source["secretKeyRef"], "secret", sources.secrets)
    raise ConfigError(f"env {entry['name']}: the sandbox cannot resolve {', '.join(source)}")


def _key(ref: Object, kind: str, objects: dict[str, dict[str, str]]) -> str | None:
    data = objects.get(ref["name"])
    if data is not None and ref["key"] in data:
        return data[ref["key"]]
    if ref.get("optional"):
        return None
    if data is None:
        raise ConfigError(f'{kind} "{ref["name"]}" not found')
    raise ConfigError(f"couldn't find key {ref['key']} in {kind} {ref['name']}")


def _env_from(entry: Object, sources: Sources) -> dict[str, str]:
    kind, objects = ("configMapRef", sources.config_maps) if "configMapRef" in entry else ("secretRef", sources.secrets)
    ref = entry[kind]
    data = objects.get(ref["name"])
    if data is None and not ref.get("optional"):
        raise ConfigError(f'{kind.removesuffix("Ref").lower()} "{ref["name"]}" not found')
    return {entry.get("prefix", "") + name: value for name, value in (data or {}).items()}
