"""A user's mesh configuration: what is wrong with it, what differs, and what may be done with it."""

from typing import Any

import pytest

from pilotage.decide import meshconfig
from pilotage.decide.meshfields import field_tree
from pilotage.domain.errors import Refused
from pilotage.domain.mesh import Revision as Entry
from pilotage.domain.mesh import ServiceMesh, ServiceMeshSpec
from pilotage.domain.names import CREATE_MANAGER
from pilotage.domain.state import Snapshot
from worlds import MESH, revision, world

GOOD = """\
accessLogFile: /dev/stdout
accessLogEncoding: JSON
connectTimeout: 1m30s
defaultConfig:
  concurrency: "2"
  holdApplicationUntilProxyStarts: true
  drainDuration: 45s
  proxyMetadata:
    ANY_KEY: "any value"
  tracing: {sampling: 12.5, zipkin: {address: "zipkin.tracing:9411"}}
extensionProviders:
  - name: otel
    opentelemetry: {service: otel.observability.svc, port: 4317}
localityLbSetting:
discoverySelectors:
  - matchLabels: {istio: enabled}
default_service_export_to: ["*"]
"""


def configs(**texts: str) -> dict[str, str]:
    """`asm_1_30` is the shared one of that revision, `managed_asm_1_30` the managed one."""
    made = {}
    for key, text in texts.items():
        name = key.removeprefix("managed_").replace("_", "-")
        made[f"istio-{name}" if key.startswith("managed_") else f"istio-shared-configmap-{name}"] = text
    return made


def at_start(*, without: bool = False, **texts: str) -> list[str]:
    """Codes of what start of asm-1-31 beside asm-1-30 says."""
    snapshot = world(configs=configs(**texts))
    return [finding.code for finding in meshconfig.preflight(snapshot, "asm-1-30", "asm-1-31", without)]


@pytest.mark.parametrize("text", [GOOD, "", "# nothing yet\n", "{}", "meshMTLS:"])
def test_what_istio_reads_is_fine(text: str) -> None:
    assert meshconfig.validate("cm", text) == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("accessLogFile: x\n\tb: 1", "line 2, column 1: a tab: YAML is indented with spaces"),
        ("defaultConfig:\n  \tconcurrency: 1", "line 2, column 3: a tab: YAML is indented with spaces"),
        ("accessLogFile: 'x", "line 1, column 18: not YAML: found unexpected end of stream"),
        ("a: b: c", "line 1, column 5: not YAML: mapping values are not allowed in this context"),
        ("enableTracing: true\nenableTracing: false", "line 2, column 1: key 'enableTracing' is given twice"),
        ("a: &a [*a]", "line 1, column 1: nested too deep"),
        pytest.param("[" * 100_000, "line 1, column 201: nested too deep", id="many brackets"),
        pytest.param("- " * 100_000, "line 1, column 401: nested too deep", id="many dashes"),
        ("enableTracing: true\n---\na: b", "line 2, column 1: not YAML: but found another document"),
        ("- a", "line 1, column 1: the mesh configuration must be a mapping, not a list"),
        ("just text", "line 1, column 1: the mesh configuration must be a mapping, not 'just text'"),
        (
            "acessLogFile: x",
            "line 1, column 1: acessLogFile is no field that Istio knows, it would be ignored; "
            "did you mean accessLogFile?",
        ),
        (
            "defaultConfig:\n  concurency: 2",
            "line 2, column 3: defaultConfig.concurency is no field that Istio knows, it would be ignored; "
            "did you mean concurrency?",
        ),
        ("zzz: 1", "line 1, column 1: zzz is no field that Istio knows, it would be ignored"),
        ("enableTracing: 'true'", "line 1, column 1: enableTracing must be true or false, not 'true'"),
        ("connectTimeout: 10", "line 1, column 1: connectTimeout must be a duration such as 10s, not 10"),
        ("proxyListenPort: 15001.5", "line 1, column 1: proxyListenPort must be a whole number, not 15001.5"),
        ("proxyListenPort: yes", "line 1, column 1: proxyListenPort must be a whole number, not true"),
        ("accessLogEncoding: XML", "line 1, column 1: accessLogEncoding must be one of TEXT, JSON, not 'XML'"),
        (
            "ingressControllerMode: OFF",  # which YAML reads as false, and so does Istio
            "line 1, column 1: ingressControllerMode must be one of UNSPECIFIED, OFF, DEFAULT, STRICT, not false",
        ),
        ("accessLogFile: 5", "line 1, column 1: accessLogFile must be text, not 5"),
        ("defaultConfig: []", "line 1, column 1: defaultConfig must be a mapping, not a list"),
        ("extensionProviders: {}", "line 1, column 1: extensionProviders must be a list, not a mapping"),
        ("trustDomainAliases: [a, 5]", "line 1, column 25: trustDomainAliases[1] must be text, not 5"),
        ("defaultConfig: {proxyMetadata: {A: 1}}", "column 33: defaultConfig.proxyMetadata.A must be text, not 1"),
        ("defaultConfig: {proxyMetadata: [A]}", "defaultConfig.proxyMetadata must be a mapping, not a list"),
    ],
)
def test_what_istio_would_skip_is_named_with_its_place(text: str, problem: str) -> None:
    (finding,) = meshconfig.validate("istio-shared-configmap-asm-1-31", text)
    assert finding.code == "MeshConfigInvalid"
    assert finding.subject == "istio-shared-configmap-asm-1-31"
    assert finding.message.startswith("istio-shared-configmap-asm-1-31: line ")
    assert finding.message.endswith(problem)


def test_all_mistakes_are_named_at_once() -> None:
    assert len(meshconfig.validate("cm", "a: 1\nb: 2\nenableTracing: 3\n")) == 3


def test_the_field_tree_is_that_of_the_api() -> None:
    tree = field_tree()
    assert tree.source.startswith("istio.io/api@v1.")
    assert tree.messages[tree.root]["defaultConfig"] == "message:istio.mesh.v1alpha1.ProxyConfig"
    named = {kind.rpartition("message:")[2] for fields in tree.messages.values() for kind in fields.values()}
    assert {name for name in named if name.startswith("istio.")} <= tree.messages.keys()


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (GOOD, GOOD, []),
        ("a: 1\nb: 2", "b: 2\na: 1", []),  # order is nothing
        ("a: 1", "a: 2", [("a", 1, 2)]),
        ("a: {b: 1, c: 2}", "a: {b: 1}", [("a.c", 2, None)]),
        ("", "a: {b: [1]}", [("a.b", None, [1])]),
        (
            "p: [{name: x, port: 1}, {name: y}]",
            "p: [{name: y}, {name: x, port: 2}]",
            [("p[x].port", 1, 2)],
        ),
        ("a: [1, 2]", "a: [2, 1]", [("a", [1, 2], [2, 1])]),
    ],
)
def test_what_differs_is_told_by_path(old: str, new: str, changes: list[tuple[str, Any, Any]]) -> None:
    assert list(meshconfig.diff(old, new)) == changes


def test_what_is_not_yaml_cannot_be_compared() -> None:
    with pytest.raises(Refused, match="mesh configuration: line 2"):
        meshconfig.diff("a: [", "a: 1")


@pytest.mark.parametrize(
    ("texts", "without", "codes"),
    [
        ({}, False, []),  # nobody has one
        ({"asm_1_30": GOOD}, False, ["MeshConfigMissing"]),
        ({"asm_1_30": GOOD}, True, []),  # the user said so
        ({"asm_1_30": GOOD, "asm_1_31": ""}, False, []),  # an empty one is one
        ({"asm_1_30": GOOD, "asm_1_31": "a: 1"}, False, ["MeshConfigInvalid"]),
        ({"asm_1_31": "a: 1"}, False, ["MeshConfigInvalid"]),
        ({"asm_1_30": "a: 1"}, True, ["MeshConfigInvalid"]),  # what would be copied
        ({"asm_1_31": GOOD, "managed_asm_1_31": "accessLogFile: /dev/null"}, False, ["MeshConfigOverridden"]),
        ({"asm_1_31": GOOD, "managed_asm_1_31": "accessLogFile: /dev/stdout"}, False, []),
        ({"asm_1_31": GOOD, "managed_asm_1_31": "trustDomain: x"}, False, []),
    ],
)
def test_start_says_what_becomes_of_the_settings(texts: dict[str, str], without: bool, codes: list[str]) -> None:
    assert at_start(without=without, **texts) == codes


def test_a_missing_one_names_the_exact_next_command() -> None:
    snapshot = world(configs=configs(asm_1_30=GOOD))
    (finding,) = meshconfig.preflight(snapshot, "asm-1-30", "asm-1-31", False)
    assert "pilotage mesh-config copy --from asm-1-30 --to asm-1-31" in finding.fix
    assert "pilotage upgrade start --revision asm-1-31 --copy-mesh-config" in finding.fix


def test_an_overridden_setting_is_named() -> None:
    managed = "defaultConfig: {drainDuration: 5s}"
    snapshot = world(configs=configs(asm_1_31=GOOD, managed_asm_1_31=managed))
    (finding,) = meshconfig.preflight(snapshot, "asm-1-30", "asm-1-31", False)
    assert finding.message == "istio-asm-1-31 wins over istio-shared-configmap-asm-1-31 for defaultConfig.drainDuration"


def test_a_copy_is_written_once_and_belongs_to_the_user() -> None:
    action = meshconfig.copy(world(configs=configs(asm_1_30=GOOD)), "asm-1-30", "asm-1-31")
    assert action.manager == CREATE_MANAGER
    assert action.body["metadata"] == {"name": "istio-shared-configmap-asm-1-31", "namespace": MESH}
    assert action.body["data"] == {"mesh": GOOD}


@pytest.mark.parametrize(
    ("snapshot", "target", "words"),
    [
        (world(), "asm-1-31", "asm-1-30 has no mesh configuration"),
        (world(configs=configs(asm_1_30=GOOD, asm_1_31="{}")), "asm-1-31", "has a mesh configuration already"),
        (world(configs=configs(asm_1_30=GOOD)), "asm-1-30", "both source and target"),
        (world(unknown={"configs": "forbidden"}), "asm-1-31", "configs could not be read: forbidden"),
    ],
)
def test_a_copy_that_would_lose_something_is_refused(snapshot: Snapshot, target: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        meshconfig.copy(snapshot, "asm-1-30", target)


def test_a_copy_over_another_is_made_when_asked_for() -> None:
    snapshot = world(configs=configs(asm_1_30=GOOD, asm_1_31="{}"))
    assert meshconfig.copy(snapshot, "asm-1-30", "asm-1-31", overwrite=True).body["data"] == {"mesh": GOOD}


def test_that_of_a_removed_revision_may_be_deleted() -> None:
    snapshot = world(revision("asm-1-31"), configs=configs(asm_1_30=GOOD, asm_1_31=GOOD))
    action = meshconfig.delete(snapshot, "asm-1-30")
    assert str(action.ref) == f"ConfigMap {MESH}/istio-shared-configmap-asm-1-30"
    assert "asm-1-30" in action.why


@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        (world(revision("asm-1-30"), configs=configs(asm_1_30=GOOD)), "asm-1-30 is installed"),
        (
            world(mesh=ServiceMesh(ServiceMeshSpec([Entry("asm-1-30")])), configs=configs(asm_1_30=GOOD)),
            "asm-1-30 is installed",  # asked for, not there yet
        ),
        (world(), "there is no ConfigMap istio-system/istio-shared-configmap-asm-1-30"),
        (world(configs=configs(asm_1_30=GOOD), unknown={"control_planes": "forbidden"}), "control planes could not"),
    ],
)
def test_one_in_use_or_maybe_in_use_is_not_deleted(snapshot: Snapshot, words: str) -> None:
    with pytest.raises(Refused, match=words):
        meshconfig.delete(snapshot, "asm-1-30")


@pytest.mark.parametrize(("place", "fix"), [("mesh", "kubectl edit configmap -n mesh cm, "), ("", "edit cm, ")])
def test_where_an_invalid_configuration_is_edited_is_named(place: str, fix: str) -> None:
    (finding,) = meshconfig.validate("cm", "nonsense: 1\n", place)
    assert finding.fix.startswith(fix)
