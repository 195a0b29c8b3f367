"""Webhook configurations, Services and labelled resources of Istio, as the cluster has them. Called by `observe`."""

from collections.abc import Iterable
from concurrent.futures import Executor
from typing import Any, Final

from pilotage.domain.istio import (
    IstioGateway,
    IstioResource,
    Requirement,
    RevisionService,
    Selector,
    Webhook,
    WebhookConfig,
)
from pilotage.domain.names import INJECTOR_SUFFIX, REV
from pilotage.domain.objects import Obj, ObjectRef, annotations_of, labels_of
from pilotage.edge.reads import Reads

_ADMISSION: Final = "admissionregistration.k8s.io/v1"
_VALIDATOR_SUFFIX: Final = "validation.istio.io"
_GROUPS: Final = ("istio.io", "gateway.networking.k8s.io")


def injectors(kube: Reads) -> tuple[WebhookConfig, ...]:
    """MutatingWebhookConfigurations with an injection webhook of Istio, of every revision and tag."""
    return _configs(kube, "MutatingWebhookConfiguration", INJECTOR_SUFFIX)


def validators(kube: Reads) -> tuple[WebhookConfig, ...]:
    """ValidatingWebhookConfigurations with a validation webhook of Istio."""
    return _configs(kube, "ValidatingWebhookConfiguration", _VALIDATOR_SUFFIX)


def _configs(kube: Reads, kind: str, suffix: str) -> tuple[WebhookConfig, ...]:
    parsed = (parse_config(obj) for obj in kube.list(_ADMISSION, kind))
    ours = (each for each in parsed if any(webhook.name.endswith(suffix) for webhook in each.webhooks))
    return tuple(sorted(ours, key=lambda config: config.name))


def parse_config(obj: Obj) -> WebhookConfig:
    """A Mutating- or ValidatingWebhookConfiguration, whoever's."""
    return WebhookConfig(
        obj["kind"],
        obj["metadata"]["name"],
        labels_of(obj),
        annotations_of(obj),
        tuple(_webhook(webhook) for webhook in obj.get("webhooks") or ()),
        obj,
    )


def _webhook(webhook: Obj) -> Webhook:
    client = webhook.get("clientConfig") or {}
    service = client.get("service") or {}
    return Webhook(
        webhook["name"],
        (service["namespace"], service["name"]) if service else None,
        service.get("path", ""),
        client.get("url", ""),
        client.get("caBundle", ""),
        webhook.get("failurePolicy", "Fail"),
        selector_of(webhook.get("namespaceSelector")),
        selector_of(webhook.get("objectSelector")),
    )


def selector_of(selector: Any) -> Selector:
    """matchLabels and matchExpressions; None is an empty one."""
    exact = ((selector or {}).get("matchLabels") or {}).items()
    expressions = (selector or {}).get("matchExpressions") or ()
    return Selector(
        (
            *(Requirement(key, "In", (value,)) for key, value in sorted(exact)),
            *(Requirement(each["key"], each["operator"], tuple(each.get("values") or ())) for each in expressions),
        )
    )


def mesh_services(kube: Reads, namespace: str) -> tuple[Obj, ...]:
    """Metadata of every Service of the mesh namespace."""
    return tuple(kube.list_metadata("v1", "Service", namespace))


def revision_services(services: Iterable[Obj]) -> tuple[RevisionService, ...]:
    """Those that carry label istio.io/rev: of control planes, tags, gateways."""
    metas = ((obj["metadata"], labels_of(obj)) for obj in services)
    return tuple(RevisionService(meta["namespace"], meta["name"], labels) for meta, labels in metas if REV in labels)


def existing(
    kube: Reads, services: Iterable[Obj], configs: Iterable[WebhookConfig], namespace: str
) -> frozenset[tuple[str, str]]:
    """(namespace, name) of the mesh's Services, and of those webhook targets elsewhere that exist."""
    here = {(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in services}
    targets = {webhook.service for config in configs for webhook in config.webhooks if webhook.service}
    elsewhere = (target for target in targets if target[0] != namespace)
    found = {target for target in elsewhere if kube.get(ObjectRef("v1", "Service", *target)) is not None}
    return frozenset(here | found)


def labelled_resources(kube: Reads, pool: Executor) -> tuple[IstioResource, ...]:
    """Istio's and Gateway API's resources that carry label istio.io/rev, by lists of metadata only."""
    served = [one for group in _GROUPS for one in kube.resources(group)]

    def listed(api_version: str, kind: str) -> list[IstioResource]:
        objects = kube.list_metadata(api_version, kind, labels=REV)
        return [_resource(api_version, kind, obj) for obj in objects]

    futures = [pool.submit(listed, api_version, kind) for api_version, kind, *_ in served]
    return tuple(resource for future in futures for resource in future.result())


def istio_gateways(kube: Reads) -> tuple[IstioGateway, ...]:
    """Every Gateway of networking.istio.io."""
    served = [one for one in kube.resources("networking.istio.io") if one[1] == "Gateway"]
    return tuple(_gateway(obj) for api_version, kind, *_ in served for obj in kube.list(api_version, kind))


def _gateway(obj: Obj) -> IstioGateway:
    meta, spec = obj["metadata"], obj.get("spec") or {}
    hosts = (str(host) for server in spec.get("servers") or () for host in server.get("hosts") or ())
    return IstioGateway(meta["namespace"], meta["name"], spec.get("selector") or {}, tuple(dict.fromkeys(hosts)))


def _resource(api_version: str, kind: str, obj: Obj) -> IstioResource:
    meta = obj["metadata"]
    return IstioResource(api_version, kind, meta.get("namespace", ""), meta["name"], labels_of(obj)[REV])
