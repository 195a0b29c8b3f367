"""Which pods are real processes, and what their images would bring. Called by `pods`, `podrun` and `configs`.

An istiod is told by its label, a gateway by the annotation that asks for Istio's template of gateways: whoever installs
one by the chart writes it. All others are kwok's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pilotage_sandbox.kube import Object

APPS = ("istiod",)
"""Values of the pod label `app` whose pods are istiods."""
TEMPLATES, GATEWAY = "inject.istio.io/templates", "gateway"
"""Annotation, and its value on a gateway's pod."""
SELECTORS = (f"app in ({','.join(APPS)})", "sidecar.istio.io/inject=true")
"""Label selectors that between them find every real pod, and others."""

_BINARIES = "/usr/local/bin"
_FOR_RELEASED_ENVOYS = (("PILOT_ENABLE_METADATA_EXCHANGE", "false"), ("PILOT_ENABLE_ALPN_FILTER", "false"))
"""Of istiod: only Istio's own build of Envoy has the filters that it would otherwise send to every gateway."""


@dataclass(frozen=True)
class Program:
    """What an image brings: the command it runs by itself, files as (file outside, path inside), environment."""

    entrypoint: str
    files: tuple[tuple[Path, str], ...]
    environment: tuple[tuple[str, str], ...] = ()


def is_real(pod: Object) -> bool:
    """Whether the sandbox runs this pod as a process."""
    meta = pod["metadata"]
    return meta.get("labels", {}).get("app") in APPS or _gateway(pod)


def program_of(pod: Object, binaries: Mapping[str, Path], bootstrap: Path) -> Program:
    """What runs in a real pod; `bootstrap` is the template of Envoy's first configuration."""
    if not _gateway(pod):
        return replace(_program("pilot-discovery", binaries), environment=_FOR_RELEASED_ENVOYS)
    proxy = _program("pilot-agent", binaries, "envoy")
    template = (bootstrap, "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json")
    return Program(proxy.entrypoint, (*proxy.files, template))


def _program(name: str, binaries: Mapping[str, Path], *more: str) -> Program:
    files = tuple((binaries[each], f"{_BINARIES}/{each}") for each in (name, *more))
    return Program(f"{_BINARIES}/{name}", files)


def _gateway(pod: Object) -> bool:
    return bool(pod["metadata"].get("annotations", {}).get(TEMPLATES) == GATEWAY)
