"""Webhook configurations as rules read them."""

from typing import Any

from pilotage.domain.istio import Requirement
from pilotage.domain.objects import Obj
from pilotage.edge.webhooks import parse_config, revision_services


def config(**webhook: Any) -> Obj:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "istio-sidecar-injector", "labels": {"istio.io/rev": "default"}},
        "webhooks": [{"name": "rev.namespace.sidecar-injector.istio.io", **webhook}],
    }


def test_a_webhook_names_its_service_path_and_bundle() -> None:
    service = {"namespace": "istio-system", "name": "istiod", "path": "/inject", "port": 443}
    [webhook] = parse_config(config(clientConfig={"service": service, "caBundle": "QQ=="})).webhooks
    assert webhook.service == ("istio-system", "istiod")
    assert (webhook.path, webhook.ca_bundle, webhook.failure_policy) == ("/inject", "QQ==", "Fail")


def test_a_webhook_of_a_remote_istiod_has_a_url_and_no_service() -> None:
    [webhook] = parse_config(config(clientConfig={"url": "https://example.org/inject"})).webhooks
    assert (webhook.service, webhook.url, webhook.ca_bundle) == (None, "https://example.org/inject", "")


def test_exact_labels_are_requirements_like_the_others() -> None:
    selector = {
        "matchLabels": {"istio-injection": "enabled"},
        "matchExpressions": [{"key": "istio.io/rev", "operator": "DoesNotExist"}],
    }
    [webhook] = parse_config(config(namespaceSelector=selector, failurePolicy="Ignore")).webhooks
    assert webhook.namespaces.requirements == (
        Requirement("istio-injection", "In", ("enabled",)),
        Requirement("istio.io/rev", "DoesNotExist"),
    )
    assert webhook.pods.requirements == ()
    assert webhook.failure_policy == "Ignore"


def test_a_configuration_may_have_no_webhooks() -> None:
    assert parse_config({**config(), "webhooks": None}).webhooks == ()


def test_only_services_that_name_a_revision_are_revision_services() -> None:
    tagged = {"istio.io/rev": "asm-1-31", "istio.io/tag": "prod"}
    metas = [{"name": "istiod-revision-tag-prod", "labels": tagged}, {"name": "gateway", "labels": {"app": "gw"}}]
    [found] = revision_services([{"metadata": {"namespace": "istio-system", **meta}} for meta in metas])
    assert (found.name, found.revision, found.tag) == ("istiod-revision-tag-prod", "asm-1-31", "prod")
