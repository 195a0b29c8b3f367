"""Every rule of the preflight on both clusters: one world where it bites, one where it does not."""

import importlib.resources
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from harness import CANARY, MESH, STABLE, Cluster, deployment, namespace
from inmemory import BOTH, either
from pilotage.decide.preflight import RULES
from scenery import Edit, Scene, canary_start, codes, findings, injector, may, mesh_config, obj, staged, user


@pytest.fixture(scope="module", params=BOTH)
def mesh(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with either(request.param, "sc-before-start") as made:
        made.enable().must()
        yield made


class World(NamedTuple):
    """What is added to a healthy mesh and asked for, and the findings that come of it beside those of the day."""

    rule: str
    sentence: str
    scene: Scene = ()
    words: tuple[str, ...] = ()
    found: frozenset[str] = frozenset()


def bites(rule: str, sentence: str, found: str, *scene: Any, words: str = "") -> World:
    return World(rule, sentence, scene, tuple(words.split()), frozenset(found.split()))


def passes(rule: str, sentence: str, *scene: Any, words: str = "") -> World:
    return World(rule, sentence, scene, tuple(words.split()))


EARLIER = "--today 2026-09-30"  # before the end of asm-1-30 is near: no findings of the day


def resource(**patch: Any) -> Edit:
    """An edit of the ServiceMesh. Nobody acts on it: no operator runs here."""
    return Edit("servicemesh/default", {"spec": patch})


def door(space: str) -> Edit:
    return resource(gateways=[{"name": "sc-door", "type": "External", "namespace": space}])


def quota(**hard: str) -> Any:
    return obj(
        "ResourceQuota", "sc-quota", space=MESH, spec={"hard": {key.replace("_", "."): hard[key] for key in hard}}
    )


def istiod(space: str, revision: str) -> Any:
    """Another's control plane; it does not run."""
    made = deployment(space, f"istiod-{revision}", replicas=0, image="docker.io/istio/pilot:1.31.1")
    made["metadata"]["labels"] = {"app": "istiod", "istio.io/rev": revision}
    return made


def suspended_job(space: str, name: str, **labels: Any) -> Any:
    pod = deployment(space, name, **labels)["spec"]["template"]
    pod["spec"]["restartPolicy"] = "Never"
    spec = {"schedule": "0 0 * * *", "suspend": True, "jobTemplate": {"spec": {"template": pod}}}
    return obj("CronJob", name, space=space, version="batch/v1", spec=spec)


NODES = ("node-1", "node-2", "node-3")
CORDONED = [Edit(f"node/{name}", {"spec": {"unschedulable": True}}) for name in NODES]
GREEDY = {"resources": {"requests": {"cpu": "9000"}}}
SHARED = "accessLogFile: /dev/stdout\n"
ADDON = {"metadata": {"labels": {"kubernetes.azure.com/managedby": "aks"}}}

WORLDS = [
    bites("mesh_not_enabled", "a mesh that is being disabled", "MeshNotEnabled", resource(mode="Disabled")),
    passes("mesh_not_enabled", "a healthy mesh"),
    bites("target_against_rules", "a minor that nobody knows", "UnknownRevision", words="--revision asm-1-99"),
    bites("target_against_rules", "a minor of three digits", "UnknownRevision", words="--revision asm-1-100"),
    bites("target_against_rules", "a minor of one digit", "UnknownRevision", words="--revision asm-1-9"),
    bites(
        "target_against_rules",
        "an older minor",
        "TargetNotOffered KubernetesIncompatible",
        words="--revision asm-1-29",
    ),
    bites("target_against_rules", "the minor that is there", "TargetNotOffered", words="--revision asm-1-30"),
    bites(
        "target_against_rules",
        "the same minor under another name",
        "TargetNotOffered",
        words="--revision other --version 1.30.4",
    ),
    bites(
        "target_against_rules",
        "a third revision beside a canary",
        "CanaryInProgress TargetNotOffered",
        resource(revisions=[{"name": STABLE}, {"name": "early", "version": "1.31.0"}]),
        words="--revision asm-1-31",
    ),
    bites(
        "target_against_rules", "a minor not made for this Kubernetes", "KubernetesIncompatible", words="--catalog OLD"
    ),
    passes("target_against_rules", "the next minor under a name of its own", words="--revision next --version 1.31.1"),
    bites(
        "installed_out_of_support",
        "the old one is out of support",
        "Unsupported",
        words="--today 2026-12-01",
    ),
    bites("installed_out_of_support", "its end is near", "SupportEnding", words="--today 2026-11-22"),
    passes("installed_out_of_support", "it is supported for months", words=EARLIER),
    bites("mesh_config", "only the old revision has one", "MeshConfigMissing", mesh_config(STABLE, SHARED)),
    bites("mesh_config", "an unknown field", "MeshConfigInvalid", mesh_config(CANARY, "accessLogFiel: /dev/stdout\n")),
    bites(
        "mesh_config", "a tab", "MeshConfigInvalid", mesh_config(CANARY, "defaultConfig:\n\tholdApplication: true\n")
    ),
    bites("mesh_config", "no YAML at all", "MeshConfigInvalid", mesh_config(CANARY, "a: [1\n")),
    passes("mesh_config", "both have one", mesh_config(STABLE, SHARED), mesh_config(CANARY, SHARED)),
    passes("mesh_config", "it will be copied", mesh_config(STABLE, SHARED), words="--copy-mesh-config"),
    passes("mesh_config", "it is meant to be without", mesh_config(STABLE, SHARED), words="--without-mesh-config"),
    bites(
        "webhook_overlap",
        "a tag named as the revision",
        "WebhookOverlap",
        injector("sc-overlap", STABLE, rev=STABLE, tag=STABLE),
    ),
    passes("webhook_overlap", "a tag of another name", injector("sc-tag", "prod", rev=STABLE, tag="prod")),
    bites(
        "unknown_revision_label",
        "a namespace of a revision that is gone",
        "UnknownRevisionLabel",
        namespace("sc-a", rev="asm-1-29"),
    ),
    bites(
        "unknown_revision_label",
        "a Deployment at 0 replicas labelled for nothing",
        "UnknownRevisionLabel",
        namespace("sc-b"),
        deployment("sc-b", "web", replicas=0, rev="nothing"),
    ),
    bites(
        "unknown_revision_label",
        "so is a suspended CronJob",
        "UnknownRevisionLabel",
        namespace("sc-c"),
        suspended_job("sc-c", "nightly", rev="nothing"),
    ),
    passes("unknown_revision_label", "the revision that is about to come", namespace("sc-d", rev=CANARY)),
    passes(
        "unknown_revision_label",
        "a tag that is there",
        injector("sc-known", "prod", rev=STABLE, tag="prod"),
        namespace("sc-e", rev="prod"),
    ),
    passes(
        "unknown_revision_label",
        "the namespace's label beats the template's",
        namespace("sc-f", rev=STABLE),
        deployment("sc-f", "web", replicas=0, rev="nothing"),
    ),
    bites(
        "injection_label_conflict",
        "istio-injection beside istio.io/rev",
        "InjectionLabelConflict",
        namespace("sc-g", rev=STABLE, istio_injection="enabled"),
    ),
    passes("injection_label_conflict", "istio-injection alone", namespace("sc-h", istio_injection="enabled")),
    bites("capacity_short", "all nodes are cordoned", "CapacityShort", *CORDONED),
    bites("capacity_short", "a canary larger than any node", "CapacityShort", resource(values=GREEDY)),
    passes("capacity_short", "one node takes it", *CORDONED[1:]),
    bites("quota_short", "a quota of one pod", "QuotaShort", quota(pods="1")),
    bites("quota_short", "a quota of memory that is used up", "QuotaShort", quota(requests_memory="1Mi")),
    passes("quota_short", "a roomy quota", quota(pods="50", requests_memory="900Gi")),
    bites(
        "foreign_gateway",
        "another's Service of that name",
        "ForeignGateway",
        namespace("sc-l"),
        obj("Service", "sc-door", space="sc-l", spec={"ports": [{"port": 80}]}),
        door("sc-l"),
    ),
    passes("foreign_gateway", "nothing of that name", namespace("sc-m"), door("sc-m")),
    bites(
        "gateway_namespace_labelled",
        "gateways where the namespace chooses the revision",
        "GatewayNamespaceLabelled",
        namespace("sc-n", rev=STABLE),
        door("sc-n"),
    ),
    passes("gateway_namespace_labelled", "gateways in a namespace that is not there yet", door("sc-o")),
    bites(
        "foreign_control_plane",
        "another's istiod of that name",
        "ForeignControlPlane",
        namespace("sc-i"),
        istiod("sc-i", CANARY),
    ),
    bites(
        "foreign_control_plane",
        "another's object where ours would be",
        "ForeignControlPlane",
        obj("ConfigMap", f"istio-{CANARY}", space=MESH, data={"mesh": "{}"}),
    ),
    passes("foreign_control_plane", "another's istiod of another name", namespace("sc-j"), istiod("sc-j", "theirs")),
    bites("addon_present", "the provider manages the namespace", "AddonPresent", Edit(f"namespace/{MESH}", ADDON)),
    passes("addon_present", "it manages another namespace", Edit("namespace/kube-public", ADDON)),
    bites(
        "retired_registry",
        "images of a home that closes",
        "RetiredRegistry",
        resource(artifacts={"hub": "gcr.io/istio-release"}),
    ),
    passes("retired_registry", "images of the new home", resource(artifacts={"hub": "docker.io/istio"})),
]


@pytest.fixture(scope="module")
def old_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog in which Istio 1.31 was not made for this cluster's Kubernetes."""
    packaged = (importlib.resources.files("pilotage") / "data" / "catalog.yaml").read_text()
    catalog = yaml.safe_load(packaged)
    catalog["minors"][0]["kubernetes"] = ["1.34", "1.35"]
    path = tmp_path_factory.mktemp("catalog") / "catalog.yaml"
    path.write_text(yaml.safe_dump(catalog, sort_keys=False))
    return path


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: f"{world.rule}-{world.sentence}".replace(" ", "-"))
def test_a_rule_bites_where_it_should_and_only_there(mesh: Cluster, old_catalog: Path, world: World) -> None:
    words = [str(old_catalog) if word == "OLD" else word for word in world.words]
    today = [] if "--today" in words else EARLIER.split()
    with staged(mesh, *world.scene):
        result = canary_start(mesh, *words, *today)
    assert codes(result) == world.found, findings(result)


def test_a_user_who_may_not_look_at_nodes_is_told_what_is_not_known(mesh: Cluster) -> None:
    everything = may("*", "pods,namespaces,services,configmaps,serviceaccounts,resourcequotas,pods/portforward", "")
    groups = "apps,batch,autoscaling,policy,coordination.k8s.io,apiextensions.k8s.io,admissionregistration.k8s.io"
    rest = may("*", "*", f"{groups},rbac.authorization.k8s.io,networking.istio.io,pilotage.dev,discovery.k8s.io")
    blind = user(mesh, "sc-blind", everything, rest)
    result = canary_start(mesh, "--kubeconfig", blind, *EARLIER.split())
    assert codes(result) == {"PermissionMissing"}
    assert {finding["subject"] for finding in findings(result)} == {"nodes", "roles of istiod"}  # it reads nodes too


def test_a_user_who_may_only_look_is_told_every_right_that_is_missing(mesh: Cluster) -> None:
    reader = user(mesh, "sc-reader", may("get,list,watch"))
    result = canary_start(mesh, "--kubeconfig", reader, *EARLIER.split())
    assert codes(result.must(3)) == {"PermissionMissing"}
    missing = {finding["subject"] for finding in findings(result)}
    assert {f"deployments.apps in namespace {MESH}", f"configmaps in namespace {MESH}", "roles of istiod"} <= missing


def test_all_that_stands_against_a_start_is_said_at_once(mesh: Cluster) -> None:
    scene = (*CORDONED, mesh_config(STABLE, SHARED), namespace("sc-k", rev="asm-1-29"), quota(pods="1"))
    with staged(mesh, *scene):
        result = canary_start(mesh, *EARLIER.split()).must(3)
    assert codes(result) == {"CapacityShort", "MeshConfigMissing", "UnknownRevisionLabel", "QuotaShort"}


def test_nothing_was_written_by_all_these(mesh: Cluster) -> None:
    spec = mesh.get("servicemesh", "default")["spec"]
    assert [entry["name"] for entry in spec["revisions"]] == [STABLE]
    assert not mesh.names("deployments", MESH, f"istio.io/rev={CANARY}")


def test_every_rule_has_a_world_where_it_bites_and_one_where_it_does_not() -> None:
    for rule in RULES:
        answers = {bool(world.found) for world in WORLDS if world.rule == rule.__name__}
        by_rights = rule.__name__ in ("unread_facts", "permission_missing")  # the two tests with users above
        assert by_rights or answers == {True, False}, rule.__name__
