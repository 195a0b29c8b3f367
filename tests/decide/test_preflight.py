"""Every rule of the preflight in one world where it bites and one where it does not, all at once and one by one."""

from datetime import date
from typing import Any

import msgspec
import pytest

from pilotage.decide import preflight as rules
from pilotage.decide.labels import injection_label_conflicts
from pilotage.decide.preflight import RULES, Request, preflight
from pilotage.domain.cluster import Container, Namespace, Node, Quota
from pilotage.domain.findings import Verb
from pilotage.domain.istio import ControlPlane
from pilotage.domain.mesh import Gateway, GatewayType, Mode, Owner, ServiceMesh, ServiceMeshSpec
from pilotage.domain.mesh import Revision as Entry
from pilotage.domain.names import AKS_ADDON_LABEL, MESH_KEY, OWNER_LABEL, WITHOUT_MESH_CONFIG
from pilotage.domain.objects import Obj, ObjectRef, ref_of
from pilotage.domain.roles import Right
from pilotage.domain.state import Revision, Snapshot
from pilotage.domain.version import Version
from pilotage.edge.catalog import packaged_catalog
from worlds import MESH, NOW, deployment, namespace, pod, revision, tag, workload, world

CATALOG = packaged_catalog()
TARGET = Revision("asm-1-31", Version(1, 31, 1))
GIB = 2**30


def rendered(replicas: int = 2, cpu: str = "500m", memory: str = "2Gi", **template: Any) -> tuple[Obj, ...]:
    """The canary's Deployment and ConfigMap, as its chart gives them."""
    container = {"name": "discovery", "resources": {"requests": {"cpu": cpu, "memory": memory}}}
    spec = {"replicas": replicas, "template": {"spec": {"containers": [container]} | template}}
    meta = {"namespace": MESH, "labels": {"app": "istiod"}}
    return (
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta | {"name": "istiod-asm-1-31"}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": meta | {"name": "istio-asm-1-31"},
            "data": {MESH_KEY: ""},
        },
    )


def doors() -> tuple[Obj, ...]:
    """The canary's gateway in its own namespace, and the Service."""
    deployment, _ = rendered(cpu="100m", memory="128Mi")
    meta = {"namespace": "istio-ingress", "name": "edge-asm-1-31"}
    service = {"type": "LoadBalancer", "ports": [{"port": 80}, {"port": 443}]}
    return (
        deployment | {"metadata": meta},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta | {"name": "edge"}, "spec": service},
    )


START = Request(TARGET, objects=rendered())
DOORS = Request(TARGET, objects=rendered(), gateways=doors())
ENABLE = Request(TARGET, Verb.ENABLE, rendered())
MESH_30 = ServiceMesh(ServiceMeshSpec([Entry("asm-1-30")]))
WITH_GATEWAY = {
    "mesh": ServiceMesh(ServiceMeshSpec([Entry("asm-1-30")], gateways=[Gateway("edge", GatewayType.EXTERNAL)]))
}
TAKEN = {ObjectRef("v1", "Service", "istio-ingress", "edge"): {"metadata": {"name": "edge"}}}
NODE = Node("node-1", cpu=4000, memory=8 * GIB, pods=110)


def mesh(*things: Any, **facts: Any) -> Snapshot:
    """A healthy mesh on asm-1-30 with one large node, and what a test adds or replaces."""
    stable = (namespace("shop", rev="asm-1-30"), deployment("shop", "web", on="asm-1-30"), revision("asm-1-30"))
    defaults = {"catalog": CATALOG, "mesh": MESH_30, "nodes": (NODE,)}
    snapshot = world(*stable, *things, **(defaults | facts))
    planes = tuple(msgspec.structs.replace(plane, managed=True) for plane in snapshot.control_planes)
    return msgspec.structs.replace(snapshot, control_planes=facts.get("control_planes", planes))


def named(rule: str, snapshot: Snapshot, request: Request = START) -> list[str]:
    """Codes that the one rule gives."""
    return [finding.code for finding in getattr(rules, rule)(snapshot, request)]


def with_pods(**images: str) -> Snapshot:
    return mesh(*(pod("shop", name, containers=(Container("istio-proxy", image),)) for name, image in images.items()))


def blocking(snapshot: Snapshot, request: Request = START) -> list[str]:
    return [finding.code for finding in preflight(snapshot, request) if finding.blocks(request.verb)]


def test_nothing_blocks_an_upgrade_of_a_healthy_mesh() -> None:
    assert blocking(mesh()) == []


def test_nothing_blocks_the_first_install_on_an_empty_cluster() -> None:
    assert preflight(world(catalog=CATALOG, nodes=(NODE,)), ENABLE) == ()


def test_an_interrupted_start_of_the_same_revision_is_not_blocked() -> None:
    spec = ServiceMeshSpec([Entry("asm-1-30"), Entry("asm-1-31")])
    assert blocking(mesh(revision("asm-1-31"), mesh=ServiceMesh(spec))) == []


def test_all_findings_come_at_once() -> None:
    broken = mesh(
        namespace("lost", rev="asm-1-29"),
        namespace("both", rev="asm-1-30", injection="enabled"),
        catalog=CATALOG,
        kubernetes=Version(1, 31),
        configs={"istio-shared-configmap-asm-1-30": "a: 1"},
        nodes=(),
        denied=(Right("create", "apps", "deployments", "istio-system"),),
    )
    codes = {finding.code for finding in preflight(broken, START)}
    assert codes >= {
        "KubernetesIncompatible",
        "MeshConfigMissing",
        "MeshConfigInvalid",
        "UnknownRevisionLabel",
        "InjectionLabelConflict",
        "CapacityShort",
        "PermissionMissing",
    }


def test_a_finding_is_said_once() -> None:
    found = preflight(mesh(unknown={"pods": "forbidden", "workloads": "forbidden"}), START)
    assert len(found) == len(set(found))


DISABLED = ServiceMesh(ServiceMeshSpec([Entry("asm-1-30")], mode=Mode.DISABLED))
WAIVED = ServiceMesh(ServiceMeshSpec([Entry("asm-1-30")]), annotations={WITHOUT_MESH_CONFIG: "asm-1-31"})
CANARY = ServiceMesh(ServiceMeshSpec([Entry("asm-1-30"), Entry("canary", "1.31.0")]))
THEIRS = ControlPlane("asm-1-31", "other", "istiod-asm-1-31", Version(1, 31), owner="Helm release istiod")
SHARED = "istio-shared-configmap-asm-1-30"
IN_THE_WAY = {ref_of(obj): obj for obj in rendered()}
OURS = {ref: obj | {"metadata": obj["metadata"] | {"labels": {OWNER_LABEL: "true"}}} for ref, obj in IN_THE_WAY.items()}
EXTERNAL = Request(Revision("asm-1-31", Version(1, 31, 1), managed=False))
GCR = "gcr.io/istio-release/proxyv2:1.30.0"

_TABLE = [
    ("mesh_not_enabled", mesh(mesh=None), START, ["MeshNotEnabled"]),
    ("mesh_not_enabled", mesh(mesh=DISABLED), START, ["MeshNotEnabled"]),
    ("mesh_not_enabled", mesh(), START, []),
    ("mesh_not_enabled", mesh(mesh=None), ENABLE, []),
    ("unread_facts", mesh(unknown={"nodes": "forbidden"}), START, ["PermissionMissing"]),
    ("unread_facts", mesh(unknown={"roots": "not looked at"}), START, []),
    ("permission_missing", mesh(denied=(Right("create", "apps", "deployments"),)), START, ["PermissionMissing"]),
    ("permission_missing", mesh(), START, []),
    ("target_against_rules", mesh(), START, []),
    ("target_against_rules", mesh(), Request(Revision("asm-1-40", Version(1, 40))), ["UnknownRevision"]),
    ("target_against_rules", mesh(), Request(Revision("asm-1-30", Version(1, 30, 5))), ["TargetNotOffered"]),
    ("target_against_rules", mesh(mesh=CANARY), START, ["CanaryInProgress", "TargetNotOffered"]),
    ("target_against_rules", mesh(kubernetes=Version(1, 31)), START, ["KubernetesIncompatible"]),
    ("target_against_rules", mesh(kubernetes=Version(0, 0), unknown={"kubernetes": "no"}), START, []),
    ("target_against_rules", world(catalog=CATALOG), ENABLE, []),
    ("installed_out_of_support", mesh(), START, ["SupportEnding"]),
    ("installed_out_of_support", mesh(now=NOW.replace(day=1, month=12)), START, ["Unsupported"]),
    ("installed_out_of_support", mesh(now=NOW.replace(month=9)), START, []),
    ("installed_out_of_support", world(catalog=CATALOG), ENABLE, []),
    ("mesh_config", mesh(configs={SHARED: "{}"}), START, ["MeshConfigMissing"]),
    ("mesh_config", mesh(configs={SHARED: "{}"}), Request(TARGET, without_mesh_config=True), []),
    ("mesh_config", mesh(configs={SHARED: "{}"}, mesh=WAIVED), START, []),
    ("mesh_config", mesh(configs={"istio-shared-configmap-asm-1-31": "a: 1"}), START, ["MeshConfigInvalid"]),
    ("mesh_config", mesh(), START, []),
    ("webhook_overlap", mesh(tag("asm-1-30", "asm-1-30")), START, ["WebhookOverlap"]),
    ("webhook_overlap", mesh(tag("prod", "asm-1-30")), START, []),
    ("unknown_revision_label", mesh(namespace("a", rev="asm-1-29")), START, ["UnknownRevisionLabel"]),
    ("unknown_revision_label", mesh(namespace("a", rev="prod")), START, ["UnknownRevisionLabel"]),
    ("unknown_revision_label", mesh(namespace("a", rev="prod"), tag("prod", "asm-1-30")), START, []),
    ("unknown_revision_label", mesh(namespace("a", rev="asm-1-31")), START, []),  # start brings it
    ("unknown_revision_label", mesh(namespace("a", rev="prod", terminating=True)), START, []),
    ("unknown_revision_label", mesh(namespace("kube-system", rev="prod")), START, []),
    ("unknown_revision_label", mesh(namespace("a", rev="x"), unknown={"injectors": "no"}), START, []),
    ("unknown_revision_label", mesh(namespace("a"), deployment("a", "b", rev="x")), START, ["UnknownRevisionLabel"]),
    (
        "unknown_revision_label",
        mesh(namespace("a"), workload("CronJob", "a", "b", rev="x")),
        START,
        ["UnknownRevisionLabel"],
    ),
    ("unknown_revision_label", mesh(namespace("a"), workload("Job", "a", "b", rev="x", finished=True)), START, []),
    ("unknown_revision_label", mesh(namespace("a"), workload("Pod", "a", "b", rev="x")), START, []),
    ("unknown_revision_label", mesh(deployment("shop", "b", rev="x")), START, []),  # the namespace decides
    ("unknown_revision_label", mesh(namespace("a"), deployment("a", "b", rev="asm-1-30")), START, []),
    (
        "injection_label_conflict",
        mesh(namespace("a", rev="asm-1-30", injection="enabled")),
        START,
        ["InjectionLabelConflict"],
    ),
    (
        "injection_label_conflict",
        mesh(namespace("a", rev="asm-1-30", injection="disabled")),
        START,
        ["InjectionLabelConflict"],
    ),
    ("injection_label_conflict", mesh(namespace("a", injection="enabled")), START, []),
    ("capacity_short", mesh(nodes=()), START, ["CapacityShort"]),
    ("capacity_short", mesh(nodes=(Node("n", 900, 8 * GIB, 110),)), START, ["CapacityShort"]),
    ("capacity_short", mesh(nodes=(Node("n", 900, 8 * GIB, 110), Node("m", 900, 8 * GIB, 110))), START, []),
    ("capacity_short", mesh(nodes=(Node("n", 4000, 3 * GIB, 110),)), START, ["CapacityShort"]),
    ("capacity_short", mesh(nodes=(Node("n", 4000, 8 * GIB, 1),)), START, ["CapacityShort"]),
    ("capacity_short", mesh(nodes=(Node("n", 4000, 8 * GIB, 110, schedulable=False),)), START, ["CapacityShort"]),
    ("capacity_short", mesh(nodes=(Node("n", 4000, 8 * GIB, 110, taints=("gpu",)),)), START, ["CapacityShort"]),
    ("capacity_short", mesh(pod("x", "big", node="node-1", cpu=3500)), START, ["CapacityShort"]),
    ("capacity_short", mesh(pod("x", "big", node="node-1", cpu=3500, phase="Succeeded")), START, []),
    ("capacity_short", mesh(nodes=(), unknown={"nodes": "forbidden"}), START, []),  # unread_facts speaks
    ("capacity_short", mesh(nodes=()), EXTERNAL, []),
    ("capacity_short", mesh(), START, []),
    ("quota_short", mesh(Quota(MESH, "q", {"requests.cpu": (2000, 1500)})), START, ["QuotaShort"]),
    ("quota_short", mesh(Quota(MESH, "q", {"memory": (4 * GIB, 1)})), START, ["QuotaShort"]),
    ("quota_short", mesh(Quota(MESH, "q", {"pods": (2, 1)})), START, ["QuotaShort"]),
    ("quota_short", mesh(Quota(MESH, "q", {"configmaps": (5, 5)})), START, ["QuotaShort"]),
    ("quota_short", mesh(Quota(MESH, "q", {"count/deployments.apps": (1, 1)})), START, ["QuotaShort"]),
    ("quota_short", mesh(Quota(MESH, "q", {"count/deployments.apps": (1, 1)}), live=OURS), START, []),  # made already
    ("quota_short", mesh(Quota(MESH, "q", {"requests.cpu": (2000, 1000), "pods": (4, 2), "x": (1, 1)})), START, []),
    ("quota_short", mesh(Quota("istio-ingress", "q", {"pods": (2, 1)})), DOORS, ["QuotaShort"]),
    ("quota_short", mesh(Quota("istio-ingress", "q", {"pods": (9, 7), "cpu": (1000, 0)})), DOORS, []),
    ("quota_short", mesh(Quota("istio-ingress", "q", {"pods": (1, 1)})), START, []),
    ("quota_short", mesh(Quota("istio-ingress", "q", {"services.loadbalancers": (1, 1)})), DOORS, ["QuotaShort"]),
    ("quota_short", mesh(Quota("istio-ingress", "q", {"services.nodeports": (2, 1)})), DOORS, ["QuotaShort"]),
    ("quota_short", mesh(Quota("other", "q", {"pods": (1, 1)})), DOORS, []),
    ("foreign_gateway", mesh(live=TAKEN, **WITH_GATEWAY), START, ["ForeignGateway"]),
    ("foreign_gateway", mesh(**WITH_GATEWAY), START, []),
    ("foreign_gateway", mesh(live=TAKEN), START, []),  # nobody asks for a gateway
    (
        "gateway_namespace_labelled",
        mesh(namespace("istio-ingress", rev="asm-1-30"), **WITH_GATEWAY),
        START,
        ["GatewayNamespaceLabelled"],
    ),
    (
        "gateway_namespace_labelled",
        mesh(namespace("istio-ingress", injection="disabled"), **WITH_GATEWAY),
        ENABLE,
        ["GatewayNamespaceLabelled"],
    ),
    ("gateway_namespace_labelled", mesh(namespace("istio-ingress"), **WITH_GATEWAY), START, []),
    ("gateway_namespace_labelled", mesh(namespace("istio-ingress", rev="asm-1-30")), START, []),
    ("foreign_control_plane", mesh(control_planes=(THEIRS,)), START, ["ForeignControlPlane"]),
    ("foreign_control_plane", mesh(control_planes=(THEIRS,)), EXTERNAL, []),
    ("foreign_control_plane", world(revision("default")), START, []),  # another's, of another name
    ("foreign_control_plane", world(revision("default")), ENABLE, ["ForeignControlPlane"]),
    ("foreign_control_plane", mesh(live=IN_THE_WAY), START, ["ForeignControlPlane"]),
    ("foreign_control_plane", mesh(live=OURS), START, []),
    ("addon_present", world(Namespace("aks-istio-system", {AKS_ADDON_LABEL: "aks"})), ENABLE, ["AddonPresent"]),
    ("addon_present", world(ControlPlane("a", "b", "istiod", owner="AKS add-on")), ENABLE, ["AddonPresent"]),
    ("addon_present", world(Namespace("kube-system", {AKS_ADDON_LABEL: "aks"})), ENABLE, []),
    ("addon_present", world(Namespace("aks-istio-system")), ENABLE, []),
    ("retired_registry", mesh(), START, []),
    ("retired_registry", with_pods(a=GCR, b=GCR), START, ["RetiredRegistry"]),  # both in one
    ("retired_registry", with_pods(a="docker.io/istio/proxyv2:1.30.0"), START, []),
    (
        "retired_registry",
        mesh(control_planes=(msgspec.structs.replace(THEIRS, image=GCR),)),
        START,
        ["RetiredRegistry"],
    ),
]


@pytest.mark.parametrize(("rule", "snapshot", "request_", "codes"), _TABLE, ids=[row[0] for row in _TABLE])
def test_a_rule_bites_where_it_should_and_only_there(
    rule: str, snapshot: Snapshot, request_: Request, codes: list[str]
) -> None:
    assert named(rule, snapshot, request_) == codes


def test_every_rule_has_a_world_where_it_bites_and_one_where_it_does_not() -> None:
    for rule in RULES:
        answers = {bool(codes) for name, _, _, codes in _TABLE if name == rule.__name__}
        assert answers == {True, False}, rule.__name__


@pytest.mark.parametrize("home", ["gcr.io/istio-release", "registry.istio.io/release"])
def test_a_setting_that_names_a_closing_home_is_said(home: str) -> None:
    profile = msgspec.structs.replace(mesh().profile, hub=home)
    (before,) = rules.retired_registry(mesh(profile=profile, catalog=CATALOG), START)
    assert "closes on 2026-12-01" in before.message
    (after,) = rules.retired_registry(mesh(profile=profile, catalog=CATALOG, now=NOW.replace(year=2027)), START)
    assert "is closed" in after.message


def test_pods_of_the_canary_that_run_already_need_no_second_place() -> None:
    owner = ("Deployment", "istiod-asm-1-31")
    there = [pod(MESH, f"i-{at}", of=owner, node="full", cpu=500, memory=2 * GIB) for at in (1, 2)]
    full = Node("full", 1000, 4 * GIB, 10)
    assert named("capacity_short", mesh(there, nodes=(full,))) == []


def test_gateways_need_a_place_too() -> None:
    door = rendered(3, "1500m")
    request = msgspec.structs.replace(START, gateways=door)
    assert named("capacity_short", mesh(), request) == ["CapacityShort"]


def test_a_pending_canary_pod_is_named_with_the_schedulers_words() -> None:
    owner = ("Deployment", "istiod-asm-1-31")
    stuck = pod(MESH, "i-1", of=owner, phase="Pending", reason="0/1 nodes are available: 1 Insufficient cpu.")
    (finding,) = rules.capacity_short(mesh(stuck, nodes=(Node("n", 100, GIB, 10),)), START)
    assert finding.message == (
        f"2 of 2 pods of Deployment {MESH}/istiod-asm-1-31 fit on no node: each asks 500m CPU and 2048Mi, the freest "
        "of 1 has 100m and 1024Mi; the scheduler says: 0/1 nodes are available: 1 Insufficient cpu."
    )


def test_tolerations_and_an_hpas_minimum_count() -> None:
    tainted = Node("n", 4000, 8 * GIB, 110, taints=("gpu",))
    target = {"name": "istiod-asm-1-31", "kind": "Deployment", "apiVersion": "apps/v1"}
    hpa = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "istiod-asm-1-31", "namespace": MESH},
        "spec": {"scaleTargetRef": target, "minReplicas": 9},
    }
    tolerant = rendered(1, tolerations=[{"key": "gpu", "operator": "Exists"}])
    assert named("capacity_short", mesh(nodes=(tainted,)), Request(TARGET, objects=tolerant)) == []
    assert named("capacity_short", mesh(nodes=(tainted,)), Request(TARGET, objects=(*tolerant, hpa))) == [
        "CapacityShort"
    ]


def test_a_label_with_a_slip_of_the_pen_is_mended_to_the_nearest_name() -> None:
    snapshot = mesh(namespace("a", rev="prod-stabel"), tag("prod-stable", "asm-1-30"), tag("test", "asm-1-30"))
    (finding,) = rules.unknown_revision_label(snapshot, START)
    assert finding.fix == "pilotage namespace move a --to prod-stable"


def test_a_quota_says_what_it_leaves_and_what_is_needed() -> None:
    (finding,) = rules.quota_short(mesh(Quota(MESH, "q", {"requests.cpu": (2000, 1500)})), START)
    assert finding.message == "quota istio-system/q leaves 500m of 2000m requests.cpu; 1000m are needed"


def test_an_external_control_plane_beside_a_managed_one_is_no_obstacle() -> None:
    spec = ServiceMeshSpec([Entry("asm-1-30", owner=Owner.EXTERNAL)])
    assert blocking(mesh(mesh=ServiceMesh(spec)), EXTERNAL) == []


def test_the_day_is_the_snapshots() -> None:
    assert mesh().today == date(2026, 11, 22)


def test_missing_rights_are_named_by_place_with_the_role_that_has_them() -> None:
    denied = (*(Right(verb, "apps", "deployments", "m") for verb in ("create", "delete")), Right("create", "", "pods"))
    found = list(rules.permission_missing(mesh(denied=denied), START))
    assert [each.message for each in found] == [
        "you may not create, delete deployments.apps in namespace m",
        "you may not create pods",
    ]
    assert [each.fix.split()[2] for each in found] == ["pilotage", "pilotage-dataplane"]


def test_a_right_that_no_role_has_is_said_to_be_in_none() -> None:
    (found,) = rules.permission_missing(mesh(denied=(Right("escalate", "", "things"),)), START)
    assert "no role has it" in found.fix


def test_what_istiod_is_granted_is_missing_as_one() -> None:
    lacking = (
        Right("get", "", "secrets"),
        Right("list", "", "secrets"),
        Right("*", "networking.k8s.io", "ingresses/status"),
    )
    (found,) = rules.permission_missing(mesh(ungrantable=lacking), START)
    assert "get, list secrets; * ingresses.networking.k8s.io/status" in found.message
    assert found.fix == "have ClusterRole pilotage bound to you"


@pytest.mark.parametrize(
    ("more", "effect"),
    [((), "no proxy"), ((tag("default", "asm-1-30"),), "a proxy of asm-1-30")],
    ids=["none", "default"],
)
def test_what_istio_injection_leads_to_is_what_the_webhooks_say(more: tuple[Any, ...], effect: str) -> None:
    both = namespace("shop", rev="asm-1-31", injection="enabled")
    (found,) = injection_label_conflicts(world(revision("asm-1-30"), revision("asm-1-31"), both, *more))
    assert found.message.endswith(f"its pods get {effect}")
