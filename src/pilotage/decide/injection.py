"""Raw lists -> `Injection`: who injects, by which settings. Called by `drift`'s faces; `reading` asks it for places."""

from collections.abc import Iterable, Mapping

from pilotage.decide.injector import injector_config, proxy_configs, settings_of
from pilotage.decide.selectors import is_injector, served_by
from pilotage.domain.drift import Injection, Place, Settings
from pilotage.domain.errors import Refused
from pilotage.domain.istio import Webhook, WebhookConfig
from pilotage.domain.objects import Obj

Configs = Mapping[str, Mapping[str, Mapping[str, str]]]  # namespace -> ConfigMap -> data


def injection_of(
    injectors: tuple[WebhookConfig, ...],
    namespaces: dict[str, dict[str, str]],
    configs: Configs,
    resources: Iterable[Obj],
    unknown: Mapping[str, str],
) -> Injection:
    """`resources`: ProxyConfigs as they are. A ConfigMap that is not understood is one more unknown."""
    settings: dict[Place, Settings] = {}
    failed = dict(unknown)
    for namespace, revision in _places(injectors):
        try:
            if namespace in configs and f"configmaps of {namespace}" not in unknown:
                settings[namespace, revision] = settings_of(namespace, revision, configs[namespace])
        except Refused as refused:
            failed[f"configmap {namespace}/{injector_config(revision)}"] = str(refused)
    return Injection(injectors, namespaces, settings, proxy_configs(resources), failed)


def places(injection: Injection) -> tuple[Place, ...]:
    """Control planes that inject."""
    return _places(injection.injectors)


def _places(injectors: Iterable[WebhookConfig]) -> tuple[Place, ...]:
    hooks = ((config, hook) for config in injectors for hook in config.webhooks if is_injector(hook))
    return tuple(sorted({place_of(config, hook) for config, hook in hooks}))


def place_of(config: WebhookConfig, webhook: Webhook) -> Place:
    """The control plane that a webhook calls; the namespace is "" where it is called by URL."""
    return (webhook.service[0] if webhook.service else "", served_by(config, webhook))


def why_no_settings(injection: Injection, place: Place) -> str:
    """Why it is not known what a control plane injects by."""
    namespace, revision = place
    if not namespace:
        return f"istiod of {revision} is called by URL: its ConfigMap is in another cluster"
    name = f"{namespace}/{injector_config(revision)}"
    told = (injection.unknown.get(fact) for fact in (f"configmaps of {namespace}", f"configmap {name}"))
    return next((why for why in told if why), f"ConfigMap {name} is not there")
