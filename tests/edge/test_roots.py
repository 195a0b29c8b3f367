"""Roots of trust: equal where the certificates are, however they are written."""

import base64

from pilotage.domain.istio import Webhook, WebhookConfig
from pilotage.edge.roots import roots_of

A = "-----BEGIN CERTIFICATE-----\nQUFB\nQUFB\n-----END CERTIFICATE-----\n"
A_ON_ONE_LINE = "# of east\n-----BEGIN CERTIFICATE-----\nQUFBQUFB\n-----END CERTIFICATE-----\n"
B = "-----BEGIN CERTIFICATE-----\nQkJC\n-----END CERTIFICATE-----\n"


def injector(revision: str, bundle: str, tag: str = "") -> WebhookConfig:
    labels = {"istio.io/rev": revision} | ({"istio.io/tag": tag} if tag else {})
    encoded = base64.b64encode(bundle.encode()).decode()
    hook = Webhook("rev.namespace.sidecar-injector.istio.io", ca_bundle=encoded)
    return WebhookConfig("MutatingWebhookConfiguration", f"i-{revision}-{tag}", labels, webhooks=(hook,))


def same(one: str, other: str) -> bool:
    roots = roots_of([injector("old", one), injector("new", other)])
    return roots["old"] == roots["new"]


def test_revisions_with_the_same_certificates_have_one_root() -> None:
    assert same(A, A_ON_ONE_LINE)
    assert same(A + B, B + A)


def test_revisions_with_other_certificates_have_different_roots() -> None:
    assert not same(A, B)
    assert not same(A, A + B)


def test_a_bundle_that_is_empty_or_broken_tells_no_root() -> None:
    assert roots_of([injector("old", ""), injector("new", "-----BEGIN CERTIFICATE-----\n!\n")]) == {}


def test_a_tag_tells_no_root_for_its_bundle_is_a_copy() -> None:
    assert roots_of([injector("old", A, tag="prod")]) == {}
