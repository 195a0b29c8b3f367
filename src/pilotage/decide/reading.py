"""What injection reads of a pod, and the proxy that follows. Pods with the same `Reading` get the same proxy.

Called by `drift`. Decisions are in istiod's order (pkg/kube/inject: injectRequired, selectTemplates, ProxyImage).
"""

from collections.abc import Iterable, Mapping

import msgspec

from pilotage.decide.injection import place_of, why_no_settings
from pilotage.decide.injector import annotated_type, proxy_image, whole_image
from pilotage.decide.selectors import injecting, is_injector, matches
from pilotage.domain.drift import (
    AUTO,
    IMAGE_TYPE,
    PROXY_CONFIG,
    PROXY_IMAGE,
    TEMPLATES,
    Asked,
    Expected,
    Injection,
    Interest,
    Kind,
    Pairs,
    Place,
    ProxyConfig,
    Settings,
)
from pilotage.domain.istio import Selector, Webhook, WebhookConfig
from pilotage.domain.names import INJECT, SYSTEM_NAMESPACES

Labels = Mapping[str, str]
_BLIND = ("injectors", "namespaces")  # without these nobody knows which istiod injects a pod


class Reading(msgspec.Struct, frozen=True):
    """`places`: control planes whose webhooks match, in the order they are called. `why`: it cannot be computed.

    `own` holds what else a try depends on: a custom template may read everything. `opted_out`: no proxy where the
    namespace's other pods get one.
    """

    places: tuple[Place, ...] = ()
    templates: tuple[str, ...] = ()
    image: str = ""  # pinned: by annotation, or an istio-proxy container of its own
    image_type: str = ""  # of the effective ProxyConfig
    annotations: Pairs = ()  # that choose the image otherwise
    managed: bool = False
    opted_out: bool = False
    why: str = ""
    own: tuple[str, Pairs, Pairs] | None = None


def interest_of(injection: Injection) -> Interest:
    """The labels that webhooks, policies and ProxyConfigs select by, and the templates that are Istio's own."""
    hooks = [hook for config in injection.injectors for hook in config.webhooks if is_injector(hook)]
    selectors = [*(hook.pods for hook in hooks)]
    for settings in injection.settings.values():
        selectors += [*settings.never, *settings.always]
    keys = {line.key for selector in selectors for line in selector.requirements}
    keys.update(key for config in injection.proxy_configs for key in config.labels)
    every = list(injection.settings.values())
    names = {name for settings in every for name in (*settings.templates, *settings.aliases)}
    plain = frozenset(name for name in names if all(_plain(settings, (name,)) for settings in every))
    default_plain = all(_plain(settings, settings.defaults) for settings in every)
    return Interest(frozenset({INJECT, *keys}), plain, default_plain, bool(injection.unknown))


def reading(asked: Asked, injection: Injection) -> Reading:
    """What injection reads of such a pod, resolved."""
    labels = dict(asked.labels)
    if asked.managed is not None:
        return _gateway(asked, injection)
    if asked.host_network or asked.namespace in SYSTEM_NAMESPACES:
        return Reading(opted_out=asked.host_network and bool(_hooks(injection, asked.namespace, {})))
    blind = next((f"{fact}: {why}" for fact, why in injection.unknown.items() if fact in _BLIND), "")
    if blind:
        return _untold(Reading(), asked, f"cannot read {blind}")
    hooks = _hooks(injection, asked.namespace, labels)
    if not hooks:
        return Reading(opted_out=labels.get(INJECT) == "false" and bool(_hooks(injection, asked.namespace, {})))
    return _chosen(asked, injection, tuple(place_of(*hook) for hook in hooks))


def expected(read: Reading, injection: Injection) -> Expected:
    """The proxy that follows, computed."""
    if read.why:
        return Expected(why=read.why)
    if not read.places:
        return Expected()
    settings = injection.settings[read.places[0]]
    if not read.managed and not any(settings.templates[name] is Kind.PROXY for name in read.templates):
        return Expected()
    _, revision = read.places[0]
    return Expected(revision, read.image or proxy_image(settings, dict(read.annotations), read.image_type))


def _hooks(injection: Injection, namespace: str, labels: Labels) -> tuple[tuple[WebhookConfig, Webhook], ...]:
    space = {"kubernetes.io/metadata.name": namespace} | injection.namespaces.get(namespace, {})
    return injecting(injection.injectors, space, labels)


def _chosen(asked: Asked, injection: Injection, places: tuple[Place, ...]) -> Reading:
    """Of a pod that webhooks match."""
    places = tuple(dict.fromkeys(places))
    bare = Reading(places)
    if len(places) > 1:
        names = " and ".join(revision for _, revision in places)
        return _untold(bare, asked, f"webhooks of {names} both match it")
    settings = injection.settings.get(places[0])
    if settings is None:
        return _untold(bare, asked, why_no_settings(injection, places[0]))
    labels, annotations = dict(asked.labels), dict(asked.annotations)
    if not _required(settings, labels, annotations):
        return Reading(opted_out=labels.get(INJECT, annotations.get(INJECT)) == "false")
    templates = _templates(settings, annotations)
    strange = [name for name in templates if name not in settings.templates]
    if strange:
        return _untold(bare, asked, f"it asks for template {strange[0]}, which {places[0][1]} does not have")
    if not _plain(settings, templates):
        return _untold(bare, asked, f"template {', '.join(templates)} is not Istio's own")
    return _imaged(Reading(places, templates), asked, injection, settings)


def _imaged(bare: Reading, asked: Asked, injection: Injection, settings: Settings) -> Reading:
    """With what decides on the image: its own container, then annotations, then ProxyConfigs."""
    annotations = {key: value for key, value in asked.annotations if key in (PROXY_IMAGE, IMAGE_TYPE)}
    if asked.own_image not in ("", AUTO):
        return msgspec.structs.replace(bare, image=asked.own_image)
    if "/" in annotations.get(PROXY_IMAGE, ""):
        return msgspec.structs.replace(bare, image=annotations[PROXY_IMAGE])
    if PROXY_IMAGE not in annotations and whole_image(settings):
        return bare
    blind = injection.unknown.get("proxyconfigs")
    if blind and IMAGE_TYPE not in annotations:
        return _untold(bare, asked, f"cannot read proxyconfigs: {blind}")
    chosen = "" if IMAGE_TYPE in annotations else image_type(asked, injection.proxy_configs, settings)
    pairs = tuple(sorted(annotations.items()))
    return msgspec.structs.replace(bare, annotations=pairs, image_type=chosen)


def image_type(asked: Asked, configs: Iterable[ProxyConfig], settings: Settings) -> str:
    """Of the effective ProxyConfig: the workload's own resource, annotation, namespace, root namespace, mesh."""
    labels = dict(asked.labels)
    listed = list(configs)
    workload = [
        each.image_type
        for each in listed
        if each.namespace == asked.namespace and each.labels and each.labels.items() <= labels.items()
    ]
    namespace, root = (
        [each.image_type for each in listed if each.namespace == name and not each.labels]
        for name in (asked.namespace, settings.root)
    )
    annotated = annotated_type(dict(asked.annotations).get(PROXY_CONFIG, ""))
    told = (*workload[:1], annotated, *namespace[:1], *root[:1], settings.image_type)
    return next((each for each in told if each), "")


def _required(settings: Settings, labels: Labels, annotations: Labels) -> bool:
    """What istiod itself decides once a webhook has called it: the label beats the annotation, both beat selectors."""
    asked = labels.get(INJECT, annotations.get(INJECT, ""))
    if asked in ("true", "false"):
        return asked == "true"
    if _any(settings.never, labels):
        return False
    return _any(settings.always, labels) or settings.enabled


def _any(selectors: Iterable[Selector], labels: Labels) -> bool:
    return any(matches(selector, labels) for selector in selectors)


def _templates(settings: Settings, annotations: Labels) -> tuple[str, ...]:
    named = annotations[TEMPLATES].split(",") if TEMPLATES in annotations else settings.defaults
    return tuple(each for name in named for each in settings.aliases.get(name.strip(), (name.strip(),)))


def _plain(settings: Settings, names: Iterable[str]) -> bool:
    """Whether these templates, aliases resolved, are Istio's own."""
    resolved = (each for name in names for each in settings.aliases.get(name, (name,)))
    return all(settings.templates.get(name, Kind.CUSTOM) is not Kind.CUSTOM for name in resolved)


def _gateway(asked: Asked, injection: Injection) -> Reading:
    """istiod of the revision that is recorded on its pods renders it, with the image that injection would give."""
    places = [place for place in injection.settings if place[1] == asked.managed]
    if len(places) != 1:
        failed = next((why for fact, why in injection.unknown.items() if fact.startswith("configmap")), "")
        why = failed or f"there is no injector ConfigMap of revision {asked.managed}, which made this gateway"
        return Reading(why=why, managed=True)
    settings = injection.settings[places[0]]
    return msgspec.structs.replace(_imaged(Reading((places[0],)), asked, injection, settings), managed=True)


def _untold(bare: Reading, asked: Asked, why: str) -> Reading:
    """Not to be computed. What a try depends on is all that is known of the pod."""
    own = (asked.namespace, asked.labels, asked.annotations)
    image = asked.own_image if asked.own_image != AUTO else ""
    return msgspec.structs.replace(bare, why=why, own=own, image=image)
