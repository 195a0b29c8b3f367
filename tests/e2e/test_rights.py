"""What each role may do and may not, and what a verb says that lacks a right. Verbs run with their smallest role."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tools.rbac import calls
from tools.rbac.files import MANIFEST
from tools.rbac.verbs import ROLE_OF, Role

from audit import log_of
from harness import CANARY, MESH, PILOTAGE, STABLE, Cluster, Obj, Result, deployment, eventually, namespace, sandbox
from processes import started
from scenery import injector, mesh_config

pytestmark = pytest.mark.e2e

ROOT: Final = Path(__file__).resolve().parents[2]
SPACE: Final = "shop"
# Kinds of the Gateway API, which `check` lists where they are served.
GATEWAY_API: Final = ("GatewayClass", "Gateway", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute")
GATEWAY_API_MORE: Final = ("ReferenceGrant", "BackendTLSPolicy", "ListenerSet")
POD: Final = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "mine", "namespace": SPACE},
    "spec": {"containers": [{"name": "mine", "image": "example/mine:1"}]},
}
READS: Final = {"get", "list", "watch"}


@pytest.fixture(scope="module")
def mesh() -> Iterator[Cluster]:
    """A mesh on the old revision, an application, the Gateway API's kinds, a webhook that calls another namespace."""
    with sandbox("rights") as made:
        made.enable().must()
        made.apply(*(gateway_kind(kind) for kind in (*GATEWAY_API, *GATEWAY_API_MORE)), foreign_injector())
        made.apply(
            namespace(SPACE, rev=STABLE), deployment(SPACE, "web"), mesh_config("old", "{}"), mesh_config(STABLE, "{}")
        )
        made.kubectl("rollout", "status", "deployment", "web", "-n", SPACE, "--timeout=120s").must()
        yield made


@pytest.mark.parametrize("verb", [verb for verb, role in ROLE_OF.items() if role is Role.VIEWER])
def test_a_viewer_may_use_every_verb_that_looks(mesh: Cluster, verb: str) -> None:
    mesh.pilotage(*verb.split(), *ARGUMENTS.get(verb, ())).must()


ARGUMENTS: Final = {
    "catalog verify": (str(ROOT / "src/pilotage/data/catalog.yaml"),),
    "completion": ("bash",),
    "mesh-config diff": ("--from", "old", "--to", STABLE),
    "mesh-config validate": ("--revision", STABLE),
    "tag generate": ("prod", "--revision", STABLE),
}


def test_verbs_that_look_write_nothing_not_even_as_a_dry_run(mesh: Cluster) -> None:
    for verb in ("status", "check", "get-upgrades", "tag list"):
        mesh.pilotage(*verb.split()).must()
    asked = seen(mesh)
    looking = {str(call) for verb, made in asked.items() if ROLE_OF[verb] is Role.VIEWER for call in made}
    assert "list pods" in looking
    assert not {call for call in looking if call.split()[0] not in READS} - {"create pods/portforward"}


def test_a_viewer_is_told_what_cannot_be_known_without_a_connection(mesh: Cluster) -> None:
    shown = mesh.pilotage("status", "-o", "json").must().document
    (revision,) = shown["revisions"]
    assert revision["proxies"]["ready"] == 2
    assert revision["proxies"]["connected"] is None
    unknown, *_ = [finding for finding in shown["findings"] if finding["code"] == "HealthUnknown"]
    assert "pods/portforward" in unknown["message"]


def test_the_right_to_connect_may_be_had_for_the_meshs_namespace_alone(mesh: Cluster) -> None:
    account = f"{calls.NAMESPACE}:{calls.account_of('check')}"
    role = ("role", "pilotage-connections", "-n", MESH)
    mesh.kubectl("create", *role, "--verb=get,create", "--resource=pods/portforward").must()
    binding = ("rolebinding", *role[1:])
    mesh.kubectl("create", *binding, "--role=pilotage-connections", f"--serviceaccount={account}").must()
    try:
        eventually("nothing is unknown", lambda: "HealthUnknown" not in mesh.pilotage("check").must().out)
    finally:
        for kind in ("role", "rolebinding"):
            mesh.kubectl("delete", kind, *role[1:]).must()


def test_the_data_plane_is_moved_without_a_right_on_the_control_plane(mesh: Cluster) -> None:
    mesh.apply(deployment(SPACE, "db") | {"kind": "StatefulSet"}, daemon_set("agent"))
    eventually("all run", lambda: mesh.proxies(SPACE).keys() == {"web", "db", "agent"})
    mesh.pilotage("tag", "set", "prod", "--revision", STABLE).must()
    mesh.pilotage("namespace", "move", SPACE, "--to", "prod").must()
    mesh.pilotage("restart", "-n", SPACE, "--all").must()
    assert mesh.get("namespace", SPACE)["metadata"]["labels"]["istio.io/rev"] == "prod"
    mesh.pilotage("namespace", "move", SPACE, "--to", STABLE).must()
    mesh.pilotage("tag", "remove", "prod", "-y").must()


def test_tag_default_brings_the_default_validator(mesh: Cluster) -> None:
    mesh.kubectl("delete", "validatingwebhookconfiguration", "istiod-default-validator").must()
    mesh.pilotage("tag", "set", "default", "--revision", STABLE, "-y").must()
    assert "istiod-default-validator" in mesh.names("validatingwebhookconfigurations")
    mesh.pilotage("tag", "remove", "default", "-y").must()


def test_mesh_configuration_is_written_by_who_installs(mesh: Cluster) -> None:
    mesh.pilotage("mesh-config", "copy", "--from", "old", "--to", CANARY).must()
    mesh.pilotage("mesh-config", "delete", "--revision", CANARY, "-y").must()


# As `kubectl auth can-i` takes them.
FORBIDDEN: Final = {
    Role.VIEWER: (
        "get secrets",
        "get pods --subresource=log",
        "create pods",
        "create pods --subresource=portforward",
        "patch namespaces",
        "patch deployments.apps",
        "patch mutatingwebhookconfigurations",
        "create leases",
        "patch servicemeshes",
    ),
    Role.DATAPLANE: (
        "get secrets",
        "create pods --subresource=exec",
        "create pods --subresource=portforward",
        "create deployments.apps",
        "delete deployments.apps",
        "delete pods",
        "delete namespaces",
        "patch configmaps",
        "patch servicemeshes",
        "create rolebindings",
        "create customresourcedefinitions",
    ),
    Role.FULL: (
        "create pods --subresource=exec",
        "delete pods",
        "patch nodes",
        "delete namespaces",
        "delete servicemeshes",
        "delete customresourcedefinitions",
        "patch customresourcedefinitions/others.example.com",
        "patch validatingadmissionpolicies",
        "delete validatingadmissionpolicybindings",
    ),
}
OF_NO_ROLE: Final = (
    "bind clusterroles",
    "escalate clusterroles",
    "impersonate users",
    "impersonate serviceaccounts",
    "create serviceaccounts --subresource=token",
    "* *",
)


@pytest.mark.parametrize("role", Role)
def test_a_role_may_not_do_what_it_is_not_for(mesh: Cluster, role: Role) -> None:
    asked = (*FORBIDDEN[role], *OF_NO_ROLE)
    answers = {each: by(mesh, role, "auth", "can-i", *each.split(), "-n", SPACE).out.strip() for each in asked}
    assert answers == dict.fromkeys(asked, "no")


def test_a_dry_run_pod_is_admitted_and_a_real_one_is_refused_with_words(mesh: Cluster) -> None:
    for role in (Role.DATAPLANE, Role.FULL):
        dry = by(mesh, role, "create", "-f", "-", "--dry-run=server", given=POD)
        assert dry.must().out.strip() == "pod/mine created (server dry run)"
        real = eventually("the fence stands", lambda role=role: refused(by(mesh, role, "create", "-f", "-", given=POD)))
        assert "Pilotage creates pods as dry runs only" in real
    assert "mine" not in mesh.names("pods", SPACE)


def test_a_fence_is_no_matter_for_others(mesh: Cluster) -> None:
    mesh.kubectl("create", "-f", "-", given=json.dumps(POD)).must()
    mesh.kubectl("delete", "pod", "mine", "-n", SPACE, "--wait=false").must()


def test_nobody_gives_themselves_more(mesh: Cluster) -> None:
    mine = ("clusterrolebinding", "more", "--clusterrole=cluster-admin", "--user=me")
    assert MORE in refused(by(mesh, Role.FULL, "create", *mine))
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    rule = json.dumps([{"op": "add", "path": "/rules/-", "value": everything}])
    assert MORE in refused(by(mesh, Role.FULL, "patch", "clusterrole", "tests-pilotage", "--type=json", "-p", rule))


def test_roles_and_bindings_of_others_and_secrets_are_out_of_reach(mesh: Cluster) -> None:
    mark = json.dumps({"metadata": {"labels": {"pilotage.dev/managed": "true"}}})
    name = ("rolebinding", "system:controller:token-cleaner", "-n", "kube-system")
    assert refused(by(mesh, Role.FULL, "patch", *name, "-p", mark))
    assert NOT_OURS in refused(by(mesh, Role.FULL, "delete", *name))
    own = ("role", "mine", "-n", "kube-system", "--verb=list", "--resource=pods")
    assert NOT_OURS in refused(by(mesh, Role.FULL, "create", *own))
    secret = ("secret", "generic", "mine", "-n", SPACE, "--from-literal=a=b")
    assert "Pilotage writes no Secrets" in refused(by(mesh, Role.FULL, "create", *secret))


MORE: Final = "attempting to grant RBAC permissions not currently held"
NOT_OURS: Final = "Pilotage writes no roles and bindings but its own"


@pytest.mark.parametrize(
    ("words", "role", "right", "wanted"),
    [
        (f"tag set mine -r {STABLE}", Role.VIEWER, "patch mutatingwebhookconfigurations", "pilotage-dataplane"),
        (f"namespace move default --to {STABLE}", Role.VIEWER, "patch namespaces", "pilotage-dataplane"),
        (f"restart deploy/web -n {SPACE}", Role.VIEWER, "patch deployments.apps", "pilotage-dataplane"),
        (f"mesh-config copy --from old --to {CANARY}", Role.DATAPLANE, "patch configmaps", "pilotage"),
        ("mesh-config delete --revision old -y", Role.DATAPLANE, "delete configmaps", "pilotage"),
    ],
)
def test_a_missing_right_is_one_line_with_the_role_that_has_it(
    mesh: Cluster, words: str, role: Role, right: str, wanted: str
) -> None:
    told = mesh.run(*PILOTAGE, *words.split(), environment=mesh.environment_as(role))
    assert told.code == 3, told
    (line,) = [line for line in told.err.splitlines() if line.startswith("Error: ")]
    assert f"may not {right}" in line
    assert f"have ClusterRole {wanted} bound to you" in line


def test_every_right_that_a_start_lacks_is_named_with_its_role_before_anything_is_written(mesh: Cluster) -> None:
    start = ("upgrade", "start", "--revision", CANARY, "-o", "json")
    told = mesh.run(*PILOTAGE, *start, environment=mesh.environment_as(Role.DATAPLANE)).must(3)
    missing = [each for each in json.loads(told.err)["error"]["findings"] if each["code"] == "PermissionMissing"]
    assert {f"deployments.apps in namespace {MESH}", "roles of istiod"} <= {each["subject"] for each in missing}
    assert {each["fix"] for each in missing} == {"have ClusterRole pilotage bound to you"}
    assert [entry["name"] for entry in mesh.get("servicemesh", "default")["spec"]["revisions"]] == [STABLE]


def test_the_roles_of_the_manifest_are_accepted_as_they_are(mesh: Cluster) -> None:
    mesh.kubectl("apply", "--dry-run=server", "-f", str(MANIFEST)).must()


def test_an_operator_may_follow_the_gateway_apis_kinds(mesh: Cluster) -> None:
    kinds = {gateway_kind(kind)["metadata"]["name"] for kind in (*GATEWAY_API, *GATEWAY_API_MORE)}
    with started(mesh, "operator"):
        followed = {calls.Call("watch", kind) for kind in kinds}
        eventually("all are watched", lambda: followed <= seen(mesh).get("operator", set()))


def test_pilotage_never_asks_for_a_secret(mesh: Cluster) -> None:
    asked = [call for made in seen(mesh).values() for call in made]
    assert asked
    assert not [call for call in asked if call.resource == "secrets"]


def by(cluster: Cluster, role: Role, *words: str, given: Obj | None = None) -> Result:
    """kubectl with the rights of a role."""
    text = json.dumps(given) if given else None
    return cluster.run(str(cluster.assets["kubectl"]), *words, given=text, environment=cluster.environment_as(role))


def refused(result: Result) -> str:
    """The words of a refusal, "" for what was done."""
    return result.err if result.code else ""


def seen(cluster: Cluster) -> dict[str, set[calls.Call]]:
    """What each verb has asked of the API server so far."""
    with log_of(cluster).open() as log:
        return calls.seen_in(log)


def daemon_set(name: str) -> Obj:
    made = deployment(SPACE, name) | {"kind": "DaemonSet"}
    del made["spec"]["replicas"]
    return made


def foreign_injector() -> Obj:
    config = injector("foreign", "elsewhere", rev="elsewhere")
    (webhook,) = config["webhooks"]
    webhook["clientConfig"] = {"service": {"namespace": SPACE, "name": "nobody", "path": "/inject"}}
    return config


def gateway_kind(kind: str) -> Obj:
    """A kind of the Gateway API with anything in it."""
    group, plural = "gateway.networking.k8s.io", f"{kind.lower()}{'es' if kind.endswith('s') else 's'}"
    plural = plural.replace("policys", "policies")
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    approved = {"api-approved.kubernetes.io": "unapproved, for a test"}
    meta = {"name": f"{plural}.{group}", "annotations": approved}
    scope = "Cluster" if kind == "GatewayClass" else "Namespaced"
    spec = {"group": group, "scope": scope, "names": names, "versions": [version]}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": spec}
