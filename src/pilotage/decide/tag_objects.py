"""The objects of a revision tag, as istioctl 1.31 makes them. Called by `tags` and `default_tag`.

Facts: istioctl's tag package and the chart templates `revision-tags-mwc`, `revision-tags-svc` and `default`. What
differs on purpose: marks of other owners (Helm, Argo CD, Flux, istioctl's operator) are not copied from the revision's
objects, for their tools would then take the tag for their own.
"""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from pilotage.domain.istio import Requirement, Selector, Webhook
from pilotage.domain.names import (
    DEFAULT_REVISION,
    DEFAULT_VALIDATOR,
    GROUP,
    INJECT,
    INJECTION,
    INJECTOR_SUFFIX,
    MANAGED_BY,
    MANAGER,
    REV,
    SYSTEM_NAMESPACES,
    TAG,
    tag_service,
)
from pilotage.domain.objects import Obj

ADMISSION = "admissionregistration.k8s.io/v1"
_FOREIGN_LABELS = ("app", "release", "helm.sh/chart", "app.kubernetes.io/instance", MANAGED_BY, REV, TAG)
_FOREIGN_MARKS = (f"{GROUP}/", "operator.istio.io", "meta.helm.sh/", "helm.sh/", "argocd.argoproj.io", "fluxcd.io")
_PORTS = (("grpc-xds", 15010, None), ("https-dns", 15012, None), ("https-webhook", 443, 15017))
_MONITORING = ("http-monitoring", 15014, None)


class Source(msgspec.Struct, frozen=True):
    """What a tag takes from the injector of its revision: where it calls, with which CA, and the user's own labels."""

    revision: str
    service: tuple[str, str] | None  # (namespace, name)
    path: str
    url: str
    ca_bundle: str
    reinvocation: str
    labels: dict[str, str]
    annotations: dict[str, str]


def carried(marks: dict[str, str]) -> dict[str, str]:
    """Labels or annotations of the revision's injector that a tag takes over: none that marks an owner."""
    return {
        key: value
        for key, value in marks.items()
        if key not in _FOREIGN_LABELS
        and not key.startswith("kubectl.kubernetes.io/")
        and not any(mark in key for mark in _FOREIGN_MARKS)
    }


def tag_webhooks(source: Source, tag: str, auto_inject: bool) -> tuple[Webhook, ...]:
    """The injection webhooks of a tag: two, and for tag `default` those of pods that name no revision."""
    rows = [row for row in _rows(tag) if auto_inject or row[0] != "auto"]
    return tuple(
        Webhook(f"{prefix}.{INJECTOR_SUFFIX}", source.service, source.path, source.url, source.ca_bundle, "Fail", *both)
        for prefix, *both in rows
    )


def _rows(tag: str) -> list[tuple[str, Selector, Selector]]:
    no_rev, no_injection = Requirement(REV, "DoesNotExist"), Requirement(INJECTION, "DoesNotExist")
    asked, not_declined = Requirement(REV, "In", (tag,)), Requirement(INJECT, "NotIn", ("false",))
    rows = [
        ("rev.namespace", Selector((asked, no_injection)), Selector((not_declined,))),
        ("rev.object", Selector((no_rev, no_injection)), Selector((not_declined, asked))),
    ]
    if tag != DEFAULT_REVISION:
        return rows
    system = Requirement("kubernetes.io/metadata.name", "NotIn", tuple(sorted(SYSTEM_NAMESPACES)))
    silent, unlabelled = Requirement(INJECT, "DoesNotExist"), (no_injection, no_rev)
    enabled, wanted = Requirement(INJECTION, "In", ("enabled",)), Requirement(INJECT, "In", ("true",))
    return [
        *rows,
        ("namespace", Selector((enabled,)), Selector((not_declined,))),
        ("object", Selector(unlabelled), Selector((wanted, no_rev))),
        ("auto", Selector((*unlabelled, system)), Selector((silent, no_rev))),
    ]


def injector_object(source: Source, tag: str, name: str, webhooks: tuple[Webhook, ...]) -> Obj:
    """MutatingWebhookConfiguration of a tag, whole: service, caBundle and `istio.io/rev` move in one write."""
    return {
        "apiVersion": ADMISSION,
        "kind": "MutatingWebhookConfiguration",
        "metadata": _metadata(source, tag, name, {"app": "sidecar-injector"}),
        "webhooks": [_injecting(source, webhook) for webhook in webhooks],
    }


def _injecting(source: Source, webhook: Webhook) -> Obj:
    core: Obj = {
        "name": webhook.name,
        "clientConfig": _client(source, source.path, source.url),
        "sideEffects": "None",
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        "failurePolicy": "Fail",
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": raw_selector(webhook.namespaces),
        "objectSelector": raw_selector(webhook.pods),
    }
    return core | ({"reinvocationPolicy": source.reinvocation} if source.reinvocation else {})


def validator_object(source: Source, failure_policy: str = "") -> Obj:
    """`istiod-default-validator`, pointed at tag `default`'s revision. istiod owns `failurePolicy`: "" omits it."""
    groups = [f"{group}.istio.io" for group in ("security", "networking", "telemetry", "extensions")]
    url = urlunsplit(urlsplit(source.url)._replace(path="/validate")) if source.url else ""
    rule = {"operations": ["CREATE", "UPDATE"], "apiGroups": groups, "apiVersions": ["*"], "resources": ["*"]}
    webhook: Obj = {
        "name": "validation.istio.io",
        "clientConfig": _client(source, "/validate", url),
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "objectSelector": raw_selector(Selector((Requirement(REV, "DoesNotExist"),))),
    }
    return {
        "apiVersion": ADMISSION,
        "kind": "ValidatingWebhookConfiguration",
        "metadata": _metadata(source, DEFAULT_REVISION, DEFAULT_VALIDATOR, {"app": "istiod", "istio": "istiod"}),
        "webhooks": [webhook | ({"failurePolicy": failure_policy} if failure_policy else {})],
    }


def service_object(source: Source, tag: str, namespace: str) -> Obj:
    """Service of a tag. istiod reads it to know the tag; it is no endpoint of proxies or webhooks."""
    unnamed = source.revision == DEFAULT_REVISION
    labels = {REV: source.revision, TAG: tag, "app": "istiod", "istio": "pilot"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": tag_service(tag), "namespace": namespace, "labels": labels | _common()},
        "spec": {
            "ports": [_port(*port) for port in (*_PORTS, _MONITORING)],
            "selector": {"app": "istiod"} | ({"istio": "pilot"} if unnamed else {REV: source.revision}),
        },
    }


def raw_selector(selector: Selector) -> Obj:
    lines = [
        {"key": line.key, "operator": line.operator} | ({"values": list(line.values)} if line.values else {})
        for line in selector.requirements
    ]
    return {"matchExpressions": lines} if lines else {}


def _metadata(source: Source, tag: str, name: str, own: dict[str, str]) -> Obj:
    labels = carried(source.labels) | _common() | own | {REV: source.revision, TAG: tag}
    annotations = carried(source.annotations)
    return {"name": name, "labels": labels} | ({"annotations": annotations} if annotations else {})


def _common() -> dict[str, str]:
    return {"app.kubernetes.io/name": "istiod", "app.kubernetes.io/part-of": "istio", MANAGED_BY: MANAGER}


def _client(source: Source, path: str, url: str) -> Obj:
    bundle = {"caBundle": source.ca_bundle} if source.ca_bundle else {}
    if source.service is None:
        return {"url": url} | bundle
    namespace, name = source.service
    return {"service": {"namespace": namespace, "name": name, "path": path, "port": 443}} | bundle


def _port(name: str, port: int, target: int | None) -> dict[str, Any]:
    return {"name": name, "port": port, "protocol": "TCP"} | ({"targetPort": target} if target else {})
