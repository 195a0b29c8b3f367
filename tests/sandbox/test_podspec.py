"""What a real pod's image tag and environment ask for."""

import os

import pytest

from pilotage_sandbox.kube import Object
from pilotage_sandbox.podspec import (
    Behaviour,
    ConfigError,
    Sources,
    behaviour,
    environment,
    expand,
    field,
    image_tag,
    quantity,
)

NOTHING = Sources({}, {})
POD: Object = {
    "metadata": {"name": "istiod-1", "namespace": "mesh", "labels": {"app.example/x": "y"}},
    "spec": {"serviceAccountName": "istiod", "nodeName": "node-1"},
    "status": {"podIP": "10.0.0.7", "podIPs": [{"ip": "10.0.0.7"}, {"ip": "fd00::7"}]},
}


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("docker.io/istio/pilot:1.31.0", "1.31.0"),
        ("localhost:5000/pilot", ""),
        ("localhost:5000/pilot:1.30.4-crash", "1.30.4-crash"),
        ("istio/pilot:1.31.0@sha256:0123", "1.31.0"),
    ],
)
def test_the_tag_of_an_image_is_found_beside_ports_and_digests(image: str, tag: str) -> None:
    assert image_tag(image) == tag


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("1.31.0", Behaviour()),
        ("1.31.0-distroless", Behaviour()),
        ("1.31.0-crash", Behaviour(crash=True)),
        ("1.31.0-neverready", Behaviour(never_ready=True)),
        ("1.31.0-missing", Behaviour(missing=True)),
        ("1.31.0-slow", Behaviour(pull_seconds=20)),
        ("1.31.0-slow7", Behaviour(pull_seconds=7)),
        ("crash-1.31.0", Behaviour()),
    ],
)
def test_the_end_of_a_tag_chooses_how_an_istiod_fails(tag: str, expected: Behaviour) -> None:
    assert behaviour(f"example/pilot:{tag}") == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [("500m", 0.5), ("2", 2), ("1.5", 1.5), ("2Gi", 2 * 1024**3), ("3M", 3_000_000), ("1e3", 1000), ("1Ki", 1024)],
)
def test_quantities_are_numbers(text: str, value: float) -> None:
    assert float(quantity(text)) == value


def test_every_kind_of_reference_in_an_environment_is_resolved() -> None:
    container = {
        "env": [
            {"name": "PLAIN", "value": "a"},
            {"name": "TWICE", "value": "$(PLAIN)-$(PLAIN)"},
            {"name": "EMPTY"},
            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app.example/x']"}}},
            {"name": "ACCOUNT", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
            {"name": "IPS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIPs"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1"}}},
            {"name": "FROM_MAP", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "k"}}},
            {"name": "FROM_SECRET", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}},
        ],
        "envFrom": [{"prefix": "ALL_", "configMapRef": {"name": "settings"}}],
        "resources": {"limits": {"cpu": "1500m"}},
    }
    assert environment(POD, container, Sources({"settings": {"k": "v"}}, {"keys": {"k": "s"}})) == {
        "PLAIN": "a",
        "TWICE": "a-a",
        "EMPTY": "",
        "NAME": "istiod-1",
        "LABEL": "y",
        "ACCOUNT": "istiod",
        "IPS": "10.0.0.7,fd00::7",
        "CPU": "2",
        "FROM_MAP": "v",
        "FROM_SECRET": "s",
        "ALL_k": "v",
    }


def test_all_labels_are_one_a_line_with_quoted_values() -> None:
    pod = {"metadata": {"labels": {"b": 'say "x"', "a": "1"}}}
    assert field(pod, "metadata.labels") == 'a="1"\nb="say \\"x\\""'
    assert field(pod, "metadata.annotations") == ""


def test_an_image_that_no_webhook_replaced_cannot_be_pulled() -> None:
    assert behaviour("auto").missing


def test_without_a_limit_a_process_is_told_of_all_processors_there_are() -> None:
    ref = {"resourceFieldRef": {"resource": "limits.cpu"}}
    assert environment(POD, {"env": [{"name": "CPU", "valueFrom": ref}]}, NOTHING) == {"CPU": str(os.cpu_count())}


def test_an_optional_reference_to_something_missing_leaves_the_variable_out() -> None:
    ref = {"configMapKeyRef": {"name": "absent", "key": "k", "optional": True}}
    assert environment(POD, {"env": [{"name": "X", "valueFrom": ref}]}, NOTHING) == {}


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}, 'secret "s" not found'),
        ({"envFrom": [{"configMapRef": {"name": "c"}}]}, 'configmap "c" not found'),
    ],
)
def test_a_required_reference_to_something_missing_is_named(container: Object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        environment(POD, container, NOTHING)


def test_an_unknown_reference_in_a_value_stays_as_it_is() -> None:
    assert expand("$(KNOWN) $(UNKNOWN) $$(KNOWN)", {"KNOWN": "x"}) == "x $(UNKNOWN) $(KNOWN)"
