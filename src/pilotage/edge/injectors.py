"""All that decides on the next proxy of a pod, as the cluster has it: small lists, all at once. Called for `drift`."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

from pilotage.domain.errors import Denied
from pilotage.domain.istio import WebhookConfig
from pilotage.domain.objects import Obj, labels_of
from pilotage.edge import webhooks
from pilotage.edge.reads import Reads

Found = TypeVar("Found")
_AT_ONCE: Final = 4


class Facts(NamedTuple):
    """`configs`: mesh namespace -> ConfigMap -> data. `unknown`: what may not be read -> why."""

    injectors: tuple[WebhookConfig, ...]
    namespaces: dict[str, dict[str, str]]
    configs: dict[str, dict[str, dict[str, str]]]
    proxy_configs: list[Obj]
    unknown: dict[str, str]


def look(kube: Reads) -> Facts:
    """Raises as `Kube` does, but for 403: then that fact is in `unknown`."""
    unknown: dict[str, str] = {}

    def told(name: str, future: Future[Found], otherwise: Found) -> Found:
        try:
            return future.result()
        except Denied as denied:
            unknown[name] = str(denied)
            return otherwise

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        listed = pool.submit(kube.list_metadata, "v1", "Namespace")
        proxies = pool.submit(kube.list, "networking.istio.io/v1beta1", "ProxyConfig")
        injectors = told("injectors", pool.submit(webhooks.injectors, kube), ())
        asked = {space: pool.submit(_configs(kube, space)) for space in _mesh_namespaces(injectors)}
        configs = {space: told(f"configmaps of {space}", future, {}) for space, future in asked.items()}
        namespaces = {obj["metadata"]["name"]: labels_of(obj) for obj in told("namespaces", listed, [])}
        return Facts(injectors, namespaces, configs, told("proxyconfigs", proxies, []), unknown)


def _mesh_namespaces(injectors: Iterable[WebhookConfig]) -> set[str]:
    """Where the istiods are that webhooks call."""
    hooks = (hook for config in injectors for hook in config.webhooks)
    return {hook.service[0] for hook in hooks if hook.service}


def _configs(kube: Reads, namespace: str) -> Callable[[], dict[str, dict[str, str]]]:
    def ask() -> dict[str, dict[str, str]]:
        listed = kube.list("v1", "ConfigMap", namespace)
        return {obj["metadata"]["name"]: obj.get("data") or {} for obj in listed}

    return ask
