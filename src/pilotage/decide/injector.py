"""What an istiod injects by, read from its ConfigMaps, and the image that follows. Called by `reading` and `drift`.

The rules are those of Istio's pkg/kube/inject and of the templates in its charts.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from pilotage.decide.strictyaml import YamlError, plain
from pilotage.domain.drift import IMAGE_TYPE, PROXY_IMAGE, Kind, ProxyConfig, Settings
from pilotage.domain.errors import Refused
from pilotage.domain.istio import Requirement, Selector
from pilotage.domain.names import MESH_KEY, REV, managed_config, shared_config, suffixed
from pilotage.domain.objects import Obj

_KNOWN_TYPES: Final = ("-distroless", "-debug")
_PLAIN_TYPE: Final = "default"
_IMAGE: Final = re.compile(r"^\s*(?:- )?image:\s*(.+?)\s*$", re.MULTILINE)
_OWN: Final = ".ProxyImage }}"
# Image lines of Istio's own templates; those of the init container change nothing about the proxy.
_ISTIOS: Final = (_OWN, ".ProxyInitImage }}", ".Values.global.proxy.image }}", ".Values.global.proxy_init.image }}")


def injector_config(revision: str) -> str:
    """Name of the injector's own ConfigMap."""
    return suffixed("istio-sidecar-injector", revision)


def settings_of(namespace: str, revision: str, configs: Mapping[str, Mapping[str, str]]) -> Settings:
    """From ConfigMaps of the mesh namespace: name -> data. Raises Refused where they are not there or do not parse."""
    name = injector_config(revision)
    data = configs.get(name)
    fix = f"kubectl get configmap {name} -n {namespace} -o yaml"
    if data is None:
        raise Refused(f"ConfigMap {namespace}/{name} is not there", fix=f"kubectl get configmaps -n {namespace}")
    try:
        values, config = msgspec.json.decode(data["values"]), plain(data["config"])
        image_type, root = _mesh(revision, configs)
        return Settings(
            values,
            config.get("policy") == "enabled",
            _selectors(config.get("neverInjectSelector")),
            _selectors(config.get("alwaysInjectSelector")),
            tuple(config.get("defaultTemplates") or ("sidecar",)),
            {key: tuple(names) for key, names in (config.get("aliases") or {}).items()},
            {key: kind_of(text) for key, text in (config.get("templates") or {}).items()},
            image_type,
            root or namespace,
        )
    except (KeyError, TypeError, AttributeError, RecursionError, msgspec.DecodeError, YamlError) as error:
        raise Refused(f"ConfigMap {namespace}/{name} cannot be understood: {error}", fix=fix) from None


def _mesh(revision: str, configs: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """Image type of the default proxy configuration, and the root namespace. The revision's own beats the shared."""
    image_type = root = ""
    for name in (shared_config(revision), managed_config(revision)):
        mesh = plain((configs.get(name) or {}).get(MESH_KEY, "{}")) or {}
        image_type = ((mesh.get("defaultConfig") or {}).get("image") or {}).get("imageType") or image_type
        root = mesh.get("rootNamespace") or root
    return image_type, root


def _selectors(listed: Any) -> tuple[Selector, ...]:
    """Empty ones match nothing here: Istio leaves them out."""
    made = (
        Selector(
            (
                *(Requirement(key, "In", (value,)) for key, value in sorted((each.get("matchLabels") or {}).items())),
                *(
                    Requirement(line["key"], line["operator"], tuple(line.get("values") or ()))
                    for line in each.get("matchExpressions") or ()
                ),
            )
        )
        for each in listed or ()
    )
    return tuple(selector for selector in made if selector.requirements)


def kind_of(template: str) -> Kind:
    """By its text: Istio's own image lines, none at all, or somebody's."""
    lines = _IMAGE.findall(template)
    if not lines and REV not in template:
        return Kind.SILENT
    istios = lines and all(line.strip("\"'").endswith(_ISTIOS) for line in lines)
    return Kind.PROXY if istios and any(_OWN in line for line in lines) else Kind.CUSTOM


def whole_image(settings: Settings) -> str:
    """`global.proxy.image` where that is an image by itself; "" where it is a name to make one of."""
    named = ((settings.values.get("global") or {}).get("proxy") or {}).get("image") or ""
    return str(named) if "/" in named else ""


def proxy_image(settings: Settings, annotations: Mapping[str, str], image_type: str) -> str:
    """A whole image, with a slash, stands for itself; else hub, name, tag and type make one.

    `image_type`: of the effective ProxyConfig, "" where that says nothing. An annotation without a slash is not read.
    """
    own = settings.values.get("global") or {}
    named = (own.get("proxy") or {}).get("image") or ""
    if "/" in (whole := annotations.get(PROXY_IMAGE, named)):
        return str(whole)
    chosen = annotations.get(IMAGE_TYPE, image_type or own.get("variant") or "")
    return f"{own.get('hub', '')}/{named or 'proxyv2'}:{_typed(str(own.get('tag', '')), chosen)}"


def _typed(tag: str, image_type: str) -> str:
    if not image_type:
        return tag
    bare = next((tag.removesuffix(known) for known in _KNOWN_TYPES if tag.endswith(known)), tag)
    return bare if image_type == _PLAIN_TYPE else f"{bare}-{image_type}"


def proxy_configs(objects: Iterable[Obj]) -> tuple[ProxyConfig, ...]:
    """ProxyConfig resources, oldest first: of several that match, istiod takes the first.

    One with an empty selector is for nobody.
    """
    made = ((obj["metadata"]["namespace"], obj.get("spec") or {}) for obj in sorted(objects, key=_age))
    return tuple(
        ProxyConfig(namespace, labels, (spec.get("image") or {}).get("imageType"))
        for namespace, spec in made
        if (labels := (spec.get("selector") or {}).get("matchLabels") or {}) or spec.get("selector") is None
    )


def _age(obj: Obj) -> tuple[str, str, str]:
    meta = obj["metadata"]
    return meta.get("creationTimestamp", ""), meta["name"], meta["namespace"]


@lru_cache(1024)
def annotated_type(text: str) -> str | None:
    """imageType in annotation proxy.istio.io/config; None where it says nothing, or nothing that istiod could read."""
    try:
        config = plain(text)
        return (config.get("image") or {}).get("imageType") if isinstance(config, dict) else None
    except (YamlError, AttributeError):
        return None
