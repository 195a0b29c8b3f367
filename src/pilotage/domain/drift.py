"""Which proxy runs where, and what injection reads to make the next one. `edge` fills these, `decide` compares."""

from enum import StrEnum
from typing import Final

import msgspec

from pilotage.domain.istio import Selector, WebhookConfig
from pilotage.domain.names import INJECT
from pilotage.domain.objects import Obj

Pairs = tuple[tuple[str, str], ...]
Place = tuple[str, str]  # a control plane: mesh namespace, revision

PROXY_IMAGE: Final = "sidecar.istio.io/proxyImage"
IMAGE_TYPE: Final = "sidecar.istio.io/proxyImageType"
PROXY_CONFIG: Final = "proxy.istio.io/config"
TEMPLATES: Final = "inject.istio.io/templates"
OVERRIDES: Final = "proxy.istio.io/overrides"
MANAGED_GATEWAY: Final = "gateway.networking.k8s.io/gateway-name"
AUTO: Final = "auto"  # image of a container that leaves it to injection
# Annotations that decide on revision and image where templates are Istio's own: pkg/kube/inject of Istio.
DECIDING: Final = (INJECT, PROXY_IMAGE, IMAGE_TYPE, PROXY_CONFIG, TEMPLATES)


class Interest(msgspec.Struct, frozen=True):
    """What of a pod somebody reads. A pod that asks for templates outside `plain` is read whole: they may read all."""

    labels: frozenset[str] = frozenset({INJECT})
    plain: frozenset[str] = frozenset()
    default_plain: bool = True
    everything: bool = False


class Asked(msgspec.Struct, frozen=True):
    """What a pod tells injection, as far as `Interest` goes. Equal ones get equal proxies."""

    namespace: str
    labels: Pairs = ()
    annotations: Pairs = ()
    host_network: bool = False
    own_image: str = ""  # of an istio-proxy container of its own; AUTO where that leaves it to injection
    managed: str | None = (
        None  # recorded revision of a Gateway API gateway, which istiod makes whole, without injection
    )


class Running(msgspec.Struct, frozen=True):
    """Pods of one workload that asked the same and have the same proxy; `image` "" where they have none."""

    asked: Asked
    kind: str
    name: str
    revision: str = ""
    image: str = ""
    native: bool = False  # istio-proxy is an init container
    pods: tuple[str, ...] = ()


class Kind(StrEnum):
    """What an injection template does to image and revision."""

    PROXY = "proxy"  # Istio's own lines choose the image
    SILENT = "silent"  # says nothing of either
    CUSTOM = "custom"  # somebody's own: only a try tells


class Settings(msgspec.Struct, frozen=True):
    """What an istiod injects by: its ConfigMaps."""

    values: Obj
    enabled: bool = True  # policy
    never: tuple[Selector, ...] = ()
    always: tuple[Selector, ...] = ()
    defaults: tuple[str, ...] = ("sidecar",)
    aliases: dict[str, tuple[str, ...]] = {}
    templates: dict[str, Kind] = {}
    image_type: str = ""  # of the mesh configuration
    root: str = ""  # namespace whose ProxyConfig without selector is for all


class ProxyConfig(msgspec.Struct, frozen=True):
    """One ProxyConfig resource; None for `image_type` where it says nothing of it."""

    namespace: str
    labels: dict[str, str] = {}
    image_type: str | None = None


class Injection(msgspec.Struct, frozen=True):
    """All that decides on the next proxy of a pod. `unknown`: look-up -> why it failed; never read as empty."""

    injectors: tuple[WebhookConfig, ...] = ()
    namespaces: dict[str, dict[str, str]] = {}
    settings: dict[Place, Settings] = {}
    proxy_configs: tuple[ProxyConfig, ...] = ()  # oldest first
    unknown: dict[str, str] = {}


class Expected(msgspec.Struct, frozen=True):
    """What injection would give now. `revision` "" is no proxy. `why` says why that is not known."""

    revision: str = ""
    image: str = ""
    why: str = ""
    proven: bool = False  # by a dry run, else computed
