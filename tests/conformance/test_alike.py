"""Whole objects, sent to both servers at once: what is filled in, dropped, rewritten and held is the same."""

from collections.abc import Iterator
from typing import Any

import pytest
from client import JSON, Both, Obj, held, told

from pilotage.domain.mesh import ProfileName
from pilotage.domain.profile import PROFILES
from pilotage.domain.state import Revision
from pilotage.domain.version import Version
from pilotage.edge.charts import render_revision, renderer_for
from pilotage_memory.kinds import Kinds
from pilotage_memory.shapes import Shape, shape_of
from pilotage_sandbox import assets

pytestmark = pytest.mark.e2e


CONTAINER: Obj = {
    "name": "app",
    "image": "example/app",
    "env": [
        {"name": "EMPTY", "value": ""},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ],
    "ports": [{"containerPort": 80}, {"containerPort": 81, "protocol": "UDP"}],
    "readinessProbe": {"httpGet": {"port": 80}},
    "livenessProbe": {"tcpSocket": {"port": 80}},
    "resources": {"requests": {"cpu": "1000m", "memory": "2048Mi"}, "limits": {"cpu": 2, "memory": "2.5Gi"}},
    "volumeMounts": [{"name": "token", "mountPath": "/token", "readOnly": False}],
}
VOLUMES = [
    {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "istio-ca"}}]}},
    {"name": "scratch"},
    {"name": "settings", "configMap": {"name": "settings", "optional": True}},
    {"name": "pod", "downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
]
EMPTY = {"hostNetwork": False, "nodeSelector": {}, "tolerations": []}
POD: Obj = {"containers": [CONTAINER], "volumes": VOLUMES, "serviceAccountName": "web"} | EMPTY
SELECTOR = {"matchLabels": {"app": "web"}}
LABELLED = {"metadata": {"labels": {"app": "web"}}}
RULES = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
HOOK: Obj = {
    "name": "web.example.com",
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
    "clientConfig": {"service": {"name": "web", "namespace": "default"}, "caBundle": ""},
    "rules": RULES,
}


def samples() -> list[Obj]:
    """One of each kind that Pilotage writes or lets others write, with as much left out as may be."""
    return [*workloads(), *beside_workloads(), *rights(), *admission()]


def workloads() -> Iterator[Obj]:
    apps: Obj = {"selector": SELECTOR, "template": LABELLED | {"spec": POD}}
    once = LABELLED | {"spec": {"template": LABELLED | {"spec": POD | {"restartPolicy": "Never"}}}}
    yield named("apps/v1", "Deployment", spec=apps)
    yield named("apps/v1", "Deployment", spec=apps | {"strategy": {"type": "Recreate"}, "replicas": 0})
    yield named("apps/v1", "StatefulSet", spec=apps | {"serviceName": "web"})
    yield named("apps/v1", "DaemonSet", spec=apps)
    yield named("batch/v1", "CronJob", spec={"schedule": "0 0 * * *", "jobTemplate": once})


def beside_workloads() -> Iterator[Obj]:
    yield named("v1", "Service", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]})
    yield named("v1", "Service", spec={"type": "LoadBalancer", "ports": [{"port": 80, "targetPort": "http"}]})
    yield named("v1", "Service", spec={"type": "ExternalName", "externalName": "example.com"})
    yield named("v1", "ConfigMap", data={"empty": "", "full": "x"}, binaryData={})
    yield named("v1", "Namespace", labels={"a": ""})
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    yield named("autoscaling/v2", "HorizontalPodAutoscaler", spec={"scaleTargetRef": target, "maxReplicas": 3})
    yield named("policy/v1", "PodDisruptionBudget", spec={"minAvailable": 1, "selector": SELECTOR})
    yield named("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": SELECTOR, "egress": []})
    yield named("coordination.k8s.io/v1", "Lease", spec={"holderIdentity": "", "leaseDurationSeconds": 15})


def rights() -> Iterator[Obj]:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    version = "rbac.authorization.k8s.io/v1"
    subjects = [{"kind": "ServiceAccount", "name": "web", "namespace": "default"}, {"kind": "User", "name": "jane"}]
    yield named("v1", "ServiceAccount")
    yield named(version, "Role", rules=rules)
    yield named(version, "ClusterRole", rules=rules)
    yield named(version, "RoleBinding", roleRef={"kind": "Role", "name": "web"}, subjects=subjects)
    yield named(version, "ClusterRoleBinding", roleRef={"kind": "ClusterRole", "name": "web"}, subjects=subjects)


def admission() -> Iterator[Obj]:
    version = "admissionregistration.k8s.io/v1"
    yield named(version, "MutatingWebhookConfiguration", webhooks=[HOOK])
    yield named(version, "ValidatingWebhookConfiguration", webhooks=[HOOK])
    policy = {"matchConstraints": {"resourceRules": RULES}, "validations": [{"expression": "true"}]}
    yield named(version, "ValidatingAdmissionPolicy", spec=policy)
    binding = {"policyName": "web", "validationActions": ["Deny"], "matchResources": {}}
    yield named(version, "ValidatingAdmissionPolicyBinding", spec=binding)


def named(api_version: str, kind: str, labels: dict[str, str] | None = None, **fields: Any) -> Obj:
    meta: Obj = {"name": "web"} | ({"labels": labels} if labels else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": meta} | fields


@pytest.mark.parametrize("obj", samples(), ids=lambda obj: obj["kind"])
def test_a_created_object_is_completed_alike(both: Both, obj: Obj) -> None:
    memory, real = (told(server.create(obj, dryRun="All").must(201).body) for server in both)
    assert memory == real


@pytest.mark.parametrize("obj", samples(), ids=lambda obj: obj["kind"])
def test_an_applied_object_is_completed_and_held_alike(both: Both, obj: Obj) -> None:
    memory, real = (server.apply(obj, dryRun="All").must(201).body for server in both)
    assert told(memory) == told(real)
    assert held(memory) == held(real)


@pytest.mark.parametrize("obj", samples(), ids=lambda obj: obj["kind"])
def test_an_object_that_was_patched_is_held_alike(both: Both, obj: Obj) -> None:
    name = "patched"
    for server in both:
        server.apply({**obj, "metadata": obj["metadata"] | {"name": name}}).must(201)
    change = {"metadata": {"labels": {"b": "1"}, "annotations": {"c": "1"}}}
    path = {**obj, "metadata": {"name": name}}
    memory, real = (server.patch(path, change, fieldManager="bob").must().body for server in both)
    for server in both:
        server.delete(path, propagationPolicy="Background")
    memory_held, real_held = (held(body).get("bob", []) for body in (memory, real))
    assert [path for path in memory_held if path[0] == "f:metadata"] == [
        path for path in real_held if path[0] == "f:metadata"
    ]


def test_what_istios_charts_render_is_completed_and_held_alike(both: Both) -> None:
    renderer = renderer_for(str(assets.charts_dir()))
    profile = PROFILES[ProfileName.AKS]
    objects = render_revision(renderer, profile, Revision("asm-1-31", Version(1, 31, 0)), ())
    for server in both:
        server.create(named("v1", "Namespace") | {"metadata": {"name": profile.namespace}})
    assert len(objects) > 10
    for obj in objects:
        memory, real = (server.apply(obj, dryRun="All").must(201).body for server in both)
        assert told(memory) == told(real)
        assert held(memory) == held(real)


@pytest.mark.parametrize("kind", list(Kinds()), ids=lambda kind: kind.kind)
def test_lists_and_maps_merge_as_the_real_server_publishes(both: Both, kind: Any) -> None:
    version = kind.versions[0]
    root = f"apis/{kind.group}/{version}" if kind.group else f"api/{version}"
    schemas = both[1].ask("GET", f"/openapi/v3/{root}", accept=JSON).must().body["components"]["schemas"]
    wanted = {"group": kind.group, "kind": kind.kind, "version": version}
    (name,) = (
        name
        for name, schema in schemas.items()
        if wanted in schema.get("x-kubernetes-group-version-kind", ()) and not name.endswith("List")
    )
    wrong = list(differences(schemas, name, shape_of(kind, version), kind.kind, frozenset()))
    assert wrong == []


def differences(schemas: Obj, name: str, shape: Shape, path: str, above: frozenset[str]) -> Iterator[str]:
    """Fields whose shape is not what the schema says. A type within itself is looked at once."""
    for field, told_of in schemas[name].get("properties", {}).items():
        its, here = shape.inside(field), f"{path}.{field}"
        schema = resolved(schemas, told_of)
        items = schema.get("items")
        if items is not None:
            kind = schema.get("x-kubernetes-list-type", "atomic")
            keys = tuple(schema.get("x-kubernetes-list-map-keys", ())) if kind == "map" else ()
            if (set(its.keys), its.unique) != (set(keys), kind == "set"):
                yield f"{here}: {its.keys} {its.unique}, not {kind} {keys}"
            schema, its = (items, its.inside("")) if keys else ({}, its)
        elif (schema.get("x-kubernetes-map-type") == "atomic") != its.atomic:
            yield f"{here}: atomic {its.atomic}"
        inner = reference(schema) or (reference(told_of) if items is None else "")
        if inner and inner not in above and not its.atomic:
            yield from differences(schemas, inner, its, here, above | {inner})


def reference(schema: Obj) -> str:
    """The name of the type that a schema refers to, "" for none."""
    found = schema.get("$ref") or next((each.get("$ref", "") for each in schema.get("allOf", ())), "")
    return str(found).rpartition("/")[2]


def resolved(schemas: Obj, schema: Obj) -> Obj:
    """With what the type says that it refers to."""
    name = reference(schema)
    return {**schemas[name], **schema} if name else schema
