"""Which revision would inject a pod."""

import pytest

from pilotage.decide.selectors import (
    asked_name,
    injecting,
    matches,
    revision_of_name,
    selected_revision,
)
from pilotage.domain.istio import Requirement, Selector
from worlds import deployment, injector, namespace, revision, tag, world

REV, INJECTION, INJECT = "istio.io/rev", "istio-injection", "sidecar.istio.io/inject"


@pytest.mark.parametrize(
    ("sentence", "operator", "values", "labels", "expected"),
    [
        ("In takes one of its values", "In", ("a", "b"), {"k": "b"}, True),
        ("In does not take another value", "In", ("a",), {"k": "c"}, False),
        ("In does not take an absent key", "In", ("a",), {}, False),
        ("NotIn does not take one of its values", "NotIn", ("a",), {"k": "a"}, False),
        ("NotIn takes another value", "NotIn", ("a",), {"k": "b"}, True),
        ("NotIn takes an absent key", "NotIn", ("a",), {}, True),
        ("Exists takes any value, the empty one too", "Exists", (), {"k": ""}, True),
        ("Exists does not take an absent key", "Exists", (), {}, False),
        ("DoesNotExist takes an absent key", "DoesNotExist", (), {"other": "x"}, True),
        ("DoesNotExist does not take the empty value", "DoesNotExist", (), {"k": ""}, False),
        ("an operator nobody knows takes nothing", "Near", ("a",), {"k": "a"}, False),
    ],
)
def test_a_requirement_holds_as_in_kubernetes(
    sentence: str, operator: str, values: tuple[str, ...], labels: dict[str, str], expected: bool
) -> None:
    assert matches(Selector((Requirement("k", operator, values),)), labels) is expected, sentence


def test_no_requirement_matches_everything_and_several_must_all_hold() -> None:
    assert matches(Selector(), {"any": "thing"})
    both = Selector((Requirement("k", "In", ("a",)), Requirement("m", "Exists")))
    assert not matches(both, {"k": "a"})


@pytest.mark.parametrize(
    ("sentence", "space", "pod", "expected"),
    [
        ("a namespace labelled for a revision gets it", {REV: "asm-1-30"}, {}, "asm-1-30"),
        ("a namespace labelled for a tag gets what it points at", {REV: "prod-stable"}, {}, "asm-1-31"),
        ("the namespace's label beats the pod's", {REV: "asm-1-30"}, {REV: "asm-1-31"}, "asm-1-30"),
        ("a pod may ask where its namespace says nothing", {}, {REV: "asm-1-31"}, "asm-1-31"),
        ("a pod may ask for a tag", {}, {REV: "prod-stable"}, "asm-1-31"),
        ("a pod that declines gets nothing", {REV: "asm-1-30"}, {INJECT: "false"}, None),
        ("nobody asks", {}, {}, None),
        ("a label for what is not there gets nothing", {REV: "asm-1-9"}, {}, None),
        ("istio-injection hides the revision label", {REV: "asm-1-30", INJECTION: "disabled"}, {}, None),
        ("istio-injection=enabled gets nothing without a default", {INJECTION: "enabled"}, {}, None),
    ],
)
def test_a_new_pod_is_injected_by_the_selected_revision(
    sentence: str, space: dict[str, str], pod: dict[str, str], expected: str | None
) -> None:
    here = world(
        revision("asm-1-30"), revision("asm-1-31"), tag("prod-stable", "asm-1-31"), namespace("shop", labels=space)
    )
    assert selected_revision(here, "shop", pod) == expected, sentence


def test_the_default_tag_serves_namespaces_with_istio_injection_enabled() -> None:
    here = world(revision("asm-1-30"), tag("default", "asm-1-30"), namespace("shop", injection="enabled"))
    assert selected_revision(here, "shop", {}) == "asm-1-30"


def test_system_namespaces_are_never_injected() -> None:
    here = world(revision("asm-1-30"), namespace("kube-system", rev="asm-1-30"))
    assert selected_revision(here, "kube-system", {}) is None


def test_an_injector_without_a_revision_label_is_known_by_its_service() -> None:
    config = injector("asm-1-30")
    here = world(
        namespace("shop", rev="asm-1-30"), injectors=(type(config)(config.kind, "x", webhooks=config.webhooks),)
    )
    assert selected_revision(here, "shop", {}) == "asm-1-30"


def test_webhooks_come_in_the_order_of_their_objects_names() -> None:
    found = injecting((injector("b"), injector("a")), {REV: "b"}, {})
    assert [config.name for config, _ in found] == ["istio-sidecar-injector-b"]
    twice = (*tag("b", "a")[:1], injector("b"))
    assert [config.name for config, _ in injecting(twice, {REV: "b"}, {})] == [
        "istio-revision-tag-b",
        "istio-sidecar-injector-b",
    ]


@pytest.mark.parametrize(
    ("sentence", "space", "pod", "expected"),
    [
        ("the namespace asks", {REV: "a"}, {REV: "b"}, "a"),
        ("the pod asks", {}, {REV: "b"}, "b"),
        ("enabled asks for default", {INJECTION: "enabled", REV: "a"}, {}, "default"),
        ("disabled asks for nothing", {INJECTION: "disabled", REV: "a"}, {REV: "b"}, None),
        ("inject=true alone asks for default", {}, {INJECT: "true"}, "default"),
        ("inject=true with a revision asks for that", {}, {INJECT: "true", REV: "b"}, "b"),
        ("inject=false asks for nothing", {REV: "a"}, {INJECT: "false"}, None),
    ],
)
def test_labels_ask_for_a_name_whether_it_is_there_or_not(
    sentence: str, space: dict[str, str], pod: dict[str, str], expected: str | None
) -> None:
    assert asked_name(space, pod) == expected, sentence


def test_a_name_stands_for_a_revision_or_for_what_its_tag_points_at() -> None:
    here = world(revision("default"), revision("asm-1-31"), tag("prod", "asm-1-31"), tag("default", "asm-1-31"))
    assert revision_of_name(here, "asm-1-31") == "asm-1-31"
    assert revision_of_name(here, "prod") == "asm-1-31"
    assert revision_of_name(here, "default") == "asm-1-31"
    assert revision_of_name(here, "gone") is None


def test_the_builders_make_the_world_they_say() -> None:
    here = world(revision("asm-1-30"), deployment("shop", "web", on="asm-1-30", pods=2))
    assert [pod.revision for pod in here.pods] == ["asm-1-30", "asm-1-30"]
    assert {proxy.name for proxy in here.istiods[0].proxies} == {"web-1.shop", "web-2.shop"}
