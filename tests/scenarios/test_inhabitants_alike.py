"""What lives in a cluster, in memory and real: the same sentences about pods, webhooks and istiods hold on both."""

import json
from collections.abc import Iterator

import pytest

from harness import MESH, STABLE, Cluster, Obj, deployment, eventually, namespace
from inmemory import either
from scenery import Edit, obj, staged

SPACE = "al-shop"


@pytest.fixture(scope="module", params=["in-memory", pytest.param("real", marks=pytest.mark.e2e)])
def mesh(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with either(request.param, "sc-alike") as made:
        made.enable().must()
        made.apply(namespace(SPACE, rev=STABLE))
        yield made


def status(mesh: Cluster) -> Obj:
    """Of Deployment web."""
    found: Obj = mesh.get("deployment", "web", "-n", SPACE).get("status", {})
    return found


def conditions(mesh: Cluster) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in status(mesh).get("conditions", ())}


def failure(mesh: Cluster) -> str:
    """Why Deployment web gets no pods, once it says so."""
    failed = ("True", "FailedCreate")
    eventually("it fails", lambda: conditions(mesh).get("ReplicaFailure") == failed)
    told = {each["type"]: each["message"] for each in status(mesh)["conditions"]}
    return str(told["ReplicaFailure"])


def pods(mesh: Cluster) -> list[Obj]:
    return list(mesh.get("pods", "-n", SPACE)["items"])


def test_a_rollout_that_is_over_says_so(mesh: Cluster) -> None:
    with staged(mesh, deployment(SPACE, "web")):
        done = {"Available": ("True", "MinimumReplicasAvailable"), "Progressing": ("True", "NewReplicaSetAvailable")}
        eventually("it is over", lambda: conditions(mesh) == done)
        told = status(mesh)
        assert {told[field] for field in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")} == {2}
        assert "unavailableReplicas" not in told


def test_an_injected_pod_carries_what_istiod_gives_it(mesh: Cluster) -> None:
    with staged(mesh, deployment(SPACE, "web", replicas=1)):
        (pod,) = pods(mesh)
    marks = pod["metadata"]["annotations"]
    told = json.loads(marks["sidecar.istio.io/status"])
    assert (told["revision"], told["initContainers"], told["containers"]) == (STABLE, ["istio-init"], ["istio-proxy"])
    assert (marks["istio.io/rev"], marks["kubectl.kubernetes.io/default-container"]) == (STABLE, "web")
    assert pod["metadata"]["labels"].items() >= {
        ("security.istio.io/tlsMode", "istio"),
        ("service.istio.io/canonical-name", "web"),
        ("service.istio.io/canonical-revision", "latest"),
    }
    proxy = next(each for each in pod["spec"]["containers"] if each["name"] == "istio-proxy")
    assert proxy["image"] == "mcr.microsoft.com/oss/istio/proxyv2:1.30.5-distroless"
    assert proxy["resources"]["requests"] == {"cpu": "100m", "memory": "128Mi"}
    env = {each["name"]: each.get("value", "") for each in proxy["env"]}
    assert env["CA_ADDR"] == f"istiod-{STABLE}.{MESH}.svc:15012"
    assert json.loads(env["PROXY_CONFIG"])["discoveryAddress"] == env["CA_ADDR"]


@pytest.mark.parametrize(("asked", "injects"), [("", True), ("false", False), ("true", True)])
def test_a_pods_label_decides_about_injection(mesh: Cluster, asked: str, injects: bool) -> None:
    labels = {"app": "web"} | ({"sidecar.istio.io/inject": asked} if asked else {})
    spec = {"containers": [{"name": "web", "image": "example/app:1"}]}
    with staged(mesh, obj("Pod", "web", space=SPACE, labels=labels, spec=spec)):
        (made,) = pods(mesh)
        assert ("istio.io/rev" in made["metadata"].get("annotations", {})) == injects


def test_a_deployment_says_which_webhook_stops_its_pods(mesh: Cluster) -> None:
    istiod = f"deployment/istiod-{STABLE}"
    with staged(mesh, Edit(istiod, {"spec": {"replicas": 0}}, MESH), deployment(SPACE, "web", replicas=0)):
        eventually("no istiod is there", lambda: not mesh.names("pods", MESH, "app=istiod"))
        mesh.patch("deployment/web", {"spec": {"replicas": 1}}, SPACE)
        words = 'Internal error occurred: failed calling webhook "rev.namespace.sidecar-injector.istio.io"'
        assert failure(mesh).startswith(words)
    eventually("istiod is back", lambda: mesh.get(istiod, "-n", MESH)["status"].get("readyReplicas"))


def test_a_quota_that_is_used_up_is_named(mesh: Cluster) -> None:
    few = obj("ResourceQuota", "few", space=SPACE, spec={"hard": {"pods": "1"}})
    with staged(mesh, few, deployment(SPACE, "web", replicas=1)):
        mesh.patch("deployment/web", {"spec": {"replicas": 2}}, SPACE)
        assert failure(mesh).endswith("exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1")


def test_an_istiod_hands_out_its_root_and_holds_its_leases(mesh: Cluster) -> None:
    wanted = {f"istio-gateway-deployment-{STABLE}", f"istio-gateway-status-leader-{STABLE}"}
    eventually("the root is there", lambda: "istio-ca-root-cert" in mesh.names("configmaps", SPACE))
    eventually("leases are held", lambda: wanted <= mesh.names("leases", MESH))
    for lease in mesh.get("leases", "-n", MESH)["items"]:
        if lease["metadata"]["name"] in wanted:
            mesh.strike(lease)
    eventually("leases are taken back", lambda: wanted <= mesh.names("leases", MESH))


def test_an_istiod_fills_the_webhooks_of_its_revision(mesh: Cluster) -> None:
    kinds = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
    hooks = [hook for kind in kinds for config in mesh.get(kind)["items"] for hook in config["webhooks"]]
    assert len(hooks) == 4
    assert len({hook["clientConfig"]["caBundle"] for hook in hooks}) == 1
    assert {hook["failurePolicy"] for hook in hooks} == {"Fail"}
