"""Whether a pod could be injected twice, and webhooks that cannot answer."""

from typing import Any

import pytest
from msgspec.structs import replace

from pilotage.decide.overlap import overlap_findings, overlaps, webhook_findings
from pilotage.decide.tag_objects import Source, tag_webhooks
from pilotage.domain.istio import Requirement, Selector, WebhookConfig
from worlds import deployment, injector, namespace, revision, service, tag, validator, world

REV = "istio.io/rev"
NEVER = Selector((Requirement("istio.io/deactivated", "In", ("never-match",)),))


def auto_default(rev: str) -> WebhookConfig:
    """Tag `default` set with auto-injection."""
    hooks = tag_webhooks(
        Source(rev, ("istio-system", f"istiod-{rev}"), "/inject", "", "Y2E=", "", {}, {}), "default", True
    )
    made: WebhookConfig = tag("default", rev)[0]
    return replace(made, webhooks=hooks)


def deactivated(config: WebhookConfig) -> WebhookConfig:
    return replace(config, webhooks=tuple(replace(hook, namespaces=NEVER, pods=NEVER) for hook in config.webhooks))


@pytest.mark.parametrize(
    ("sentence", "things", "twice"),
    [
        ("two revisions and two tags", (revision("a"), revision("b"), tag("prod", "a"), tag("next", "b")), False),
        ("an unnamed installation and a revision", (revision("default"), revision("b")), False),
        ("a default tag and revisions", (revision("a"), revision("b"), tag("default", "b")), False),
        ("a default tag with auto-injection", (revision("a"), auto_default("a")), False),
        ("an unnamed installation and a default tag", (revision("default"), revision("b"), tag("default", "b")), True),
        (
            "the same, once it is deactivated",
            (deactivated(injector("default")), revision("b"), tag("default", "b")),
            False,
        ),
        ("a tag with the name of a revision", (revision("a"), revision("b"), tag("a", "b")), True),
        ("one tag in two objects", (revision("a"), tag("prod", "a"), tag("prod", "a", mesh="other")), True),
        ("a revision installed twice", (revision("a"), injector("a", mesh="other")), True),
    ],
)
def test_at_most_one_webhook_matches_any_pod(sentence: str, things: tuple[Any, ...], twice: bool) -> None:
    assert bool(overlap_findings(world(*things))) is twice, sentence


def test_the_finding_names_the_objects_the_labels_who_is_hit_and_the_fix() -> None:
    here = world(
        revision("default"),
        revision("b"),
        tag("default", "b"),
        namespace("shop", injection="enabled"),
        namespace("bank"),
    )
    findings = overlap_findings(here)
    finding = findings[0]
    assert finding.subject == "istio-revision-tag-default istio-sidecar-injector"
    assert "istio-revision-tag-default and istio-sidecar-injector inject the same pod" in finding.message
    assert "shop" in finding.message
    assert finding.fix == "pilotage tag set default --revision b --overwrite"


def test_only_namespaces_whose_pods_would_be_injected_twice_are_hit() -> None:
    things = (revision("a"), revision("b"), tag("a", "b"), namespace("shop", rev="b"), namespace("bank"))
    (finding,) = overlap_findings(world(*things))
    assert "no namespace is hit now" in finding.message
    (finding,) = overlap_findings(world(*things, deployment("bank", "web", rev="a")))
    assert "namespaces hit: bank" in finding.message


@pytest.mark.parametrize("ours", [True, False], ids=["managed", "external"])
@pytest.mark.parametrize("name", ["hand-made", "zz-hand-made"])
def test_of_a_revision_and_a_copy_of_its_injector_the_copy_is_to_go(ours: bool, name: str) -> None:
    labels = {"pilotage.dev/managed": "true"} if ours else {}
    rest = [thing for thing in revision("a") if thing != injector("a")]
    own, copy = injector("a", labels=labels), replace(injector("a"), name=name)
    listed = sorted((own, copy), key=lambda config: config.name)  # as an API server does
    (finding,) = overlap_findings(world(*rest, *listed))
    assert finding.fix == f"kubectl delete mutatingwebhookconfiguration {name}"


def test_namespaces_are_looked_at_with_the_labels_they_have() -> None:
    odd = Selector((Requirement("team", "In", ("x",)),))
    extra = replace(injector("b"), webhooks=(replace(injector("b").webhooks[0], namespaces=odd, pods=Selector()),))
    here = world(injector("a"), extra, namespace("shop", rev="a", labels={"team": "x"}), namespace("bank", rev="a"))
    (found,) = overlaps(here)
    assert found.namespaces == ("shop",)


@pytest.mark.parametrize(
    ("sentence", "things", "fix"),
    [
        (
            "a tag moves to a revision that is there",
            (tag("prod", "gone"), revision("b")),
            "pilotage tag set prod --revision b --overwrite",
        ),
        ("a tag of nothing goes", (tag("prod", "gone"),), "pilotage tag remove prod"),
        (
            "a revision's leftover goes",
            (validator("gone"),),
            "kubectl delete validatingwebhookconfiguration istio-validator-gone-istio-system",
        ),
    ],
)
def test_a_webhook_whose_service_is_gone_is_dangling(sentence: str, things: tuple[Any, ...], fix: str) -> None:
    (finding,) = webhook_findings(world(*things))
    assert (finding.code, finding.fix) == ("WebhookDangling", fix), sentence


def test_a_webhook_without_a_bundle_is_found_under_its_revision() -> None:
    here = world(service("istiod-a"), injector("a", ca_bundle=""))
    (finding,) = webhook_findings(here)
    assert (finding.code, finding.subject) == ("CABundleEmpty", "a")


def test_webhooks_that_answer_or_were_deactivated_are_no_finding() -> None:
    assert not webhook_findings(world(revision("a"), tag("prod", "a")))
    assert not webhook_findings(world(deactivated(injector("default"))))
