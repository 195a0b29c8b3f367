"""What lives in the in-memory cluster: pods come, run and go, revisions inject, webhooks out of reach refuse."""

import json
from collections.abc import Callable

import pytest
from small_mesh import MESH, at, begin, bundle, change, end, injector, istiod, mesh, one, pods

from harness import deployment, namespace
from pilotage_memory.controllers.loop import Pace
from pilotage_memory.controllers.objects import (
    ACCOUNT,
    CONFIG_MAP,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    LEASE,
    MUTATING,
    NAMESPACE,
    NODE,
    POD,
    QUOTA,
    SERVICE,
    STATEFUL_SET,
    VALIDATING,
    condition,
    holds,
    key_of,
)
from pilotage_memory.errors import ApiError
from pilotage_memory.kinds import Obj
from pilotage_memory.world import World

SHOP = [namespace("shop", rev="old"), deployment("shop", "web", replicas=3)]


@pytest.fixture(params=[None, 1, 2, 3], ids=["at-once", "seed-1", "seed-2", "seed-3"])
def world(request: pytest.FixtureRequest) -> World:
    """One where everything follows at once, and some where it takes its time in an order of chance."""
    slow = {"ready": (0, 4), "end": (0, 4), "bundle": (0, 4), "done": (0, 3)}
    return World(pace=None if request.param is None else Pace(request.param, slow))


def revisions(world: World, space: str = "shop") -> list[str]:
    return [pod["metadata"].get("annotations", {}).get("istio.io/rev", "") for pod in pods(world, space)]


def restart(world: World, name: str = "web") -> None:
    template = one(world, DEPLOYMENT, name, "shop")["spec"]["template"]
    marks = template["metadata"] | {"annotations": {"restarted": str(world.store.version)}}
    change(world, DEPLOYMENT, name, "shop", template=template | {"metadata": marks})


def failure(world: World) -> str:
    return str(condition(one(world, DEPLOYMENT, "web", "shop"), "ReplicaFailure").get("message", ""))


def test_a_deployment_gets_its_pods_and_says_so(world: World) -> None:
    begin(world, SHOP)
    status = one(world, DEPLOYMENT, "web", "shop")["status"]
    assert [status[field] for field in ("replicas", "updatedReplicas", "availableReplicas")] == [3, 3, 3]
    assert status["observedGeneration"] == one(world, DEPLOYMENT, "web", "shop")["metadata"]["generation"]
    assert all(holds(pod, "Ready") and pod["status"]["podIP"] for pod in pods(world, "shop"))


def test_a_restart_replaces_every_pod_and_never_has_less_than_it_may(world: World) -> None:
    begin(world, SHOP)
    before, least = {pod["metadata"]["name"] for pod in pods(world, "shop")}, []
    world.store.watch(lambda *_: least.append(sum(holds(pod, "Ready") for pod in pods(world, "shop"))))
    restart(world)
    assert len(pods(world, "shop")) == 3
    assert before.isdisjoint(pod["metadata"]["name"] for pod in pods(world, "shop"))
    assert min(least) >= 3


def test_pods_go_when_their_deployment_does(world: World) -> None:
    begin(world, SHOP)
    end(world, DEPLOYMENT, "web", "shop")
    assert pods(world, "shop") == []


def test_a_namespace_goes_with_all_that_is_in_it(world: World) -> None:
    begin(world, mesh("old"), SHOP)
    end(world, NAMESPACE, "shop")
    assert pods(world, "shop") == world.store.list("apps", "replicasets", "shop") == []
    assert world.store.get(key_of(NAMESPACE, "shop")) is None


def test_a_stateful_set_is_restarted_in_order_and_keeps_its_names(world: World) -> None:
    made = deployment("shop", "db", replicas=3)["spec"]
    begin(world, namespace("shop"), at("apps/v1", "StatefulSet", "db", "shop", spec=made))
    before = {pod["metadata"]["uid"] for pod in pods(world, "shop")}
    change(
        world, STATEFUL_SET, "db", "shop", template=made["template"] | {"metadata": {"labels": {"app": "db", "a": "b"}}}
    )
    assert [pod["metadata"]["name"] for pod in pods(world, "shop")] == ["db-0", "db-1", "db-2"]
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in pods(world, "shop"))
    assert one(world, STATEFUL_SET, "db", "shop")["status"]["updatedReplicas"] == 3


def test_a_daemon_set_has_a_pod_on_every_node(world: World) -> None:
    made = deployment("shop", "log")["spec"]
    begin(world, namespace("shop"), at("apps/v1", "DaemonSet", "log", "shop", spec=made))
    assert {pod["spec"]["nodeName"] for pod in pods(world, "shop")} == {"node-1", "node-2", "node-3"}
    change(
        world, DAEMON_SET, "log", "shop", template=made["template"] | {"metadata": {"labels": {"app": "log", "a": "b"}}}
    )
    status = one(world, DAEMON_SET, "log", "shop")["status"]
    assert [status[field] for field in ("updatedNumberScheduled", "numberReady")] == [3, 3]


def test_a_job_ends_by_itself(world: World) -> None:
    spec = {"template": deployment("shop", "once")["spec"]["template"]}
    begin(world, namespace("shop"), at("batch/v1", "Job", "once", "shop", spec=spec))
    assert [pod["status"]["phase"] for pod in pods(world, "shop")] == ["Succeeded"]
    assert one(world, JOB, "once", "shop")["status"]["succeeded"] == 1
    assert holds(one(world, JOB, "once", "shop"), "Complete")


def test_a_pod_without_room_waits_until_there_is(world: World) -> None:
    big = deployment("shop", "big", replicas=1)
    big["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "20"}}
    for name in ("node-1", "node-2", "node-3"):
        change(world, NODE, name, unschedulable=True)
    begin(world, namespace("shop"), big)
    (pod,) = pods(world, "shop")
    assert "0/3 nodes are available" in condition(pod, "PodScheduled")["message"]
    change(world, NODE, "node-2", unschedulable=False)
    assert [pod["spec"]["nodeName"] for pod in pods(world, "shop")] == ["node-2"]


@pytest.mark.parametrize(
    ("tag", "phase", "reason"),
    [
        ("1-crash", "Running", "CrashLoopBackOff"),
        ("1-missing", "Pending", "ImagePullBackOff"),
        ("1-neverready", "Running", ""),
    ],
)
def test_an_image_tag_chooses_a_pod_that_fails(world: World, tag: str, phase: str, reason: str) -> None:
    begin(world, namespace("shop"), deployment("shop", "web", replicas=1, image=f"example/app:{tag}"))
    (pod,) = pods(world, "shop")
    assert (pod["status"]["phase"], holds(pod, "Ready")) == (phase, False)
    assert pod["status"]["containerStatuses"][0]["state"].get("waiting", {}).get("reason", "") == reason


def test_a_rollout_to_pods_that_fail_keeps_those_that_run(world: World) -> None:
    begin(world, SHOP)
    template = deployment("shop", "web", image="example/app:2-crash")["spec"]["template"]
    change(world, DEPLOYMENT, "web", "shop", template=template)
    assert one(world, DEPLOYMENT, "web", "shop")["status"]["availableReplicas"] == 3


def test_pods_get_the_proxy_of_the_revision_that_their_namespace_names(world: World) -> None:
    begin(world, mesh("old", "new"), SHOP)
    assert revisions(world) == ["old"] * 3
    proxy = pods(world, "shop")[0]["spec"]["containers"][-1]
    assert (proxy["name"], proxy["image"]) == ("istio-proxy", "docker.io/istio/proxyv2:old")


def test_a_new_kubelet_on_every_node_makes_native_sidecars() -> None:
    world = begin(World(kubelet_version="v1.36.3"), mesh("old"), SHOP)
    assert [each["name"] for each in pods(world, "shop")[0]["spec"]["initContainers"]] == ["istio-init", "istio-proxy"]


def test_a_tag_is_answered_by_the_revision_it_calls(world: World) -> None:
    begin(world, mesh("old", "new"), injector("prod", "new", tag="prod"), namespace("shop", rev="prod"))
    begin(world, deployment("shop", "web"))
    assert revisions(world) == ["new", "new"]


def test_an_istiod_fills_its_own_webhooks_and_no_other(world: World) -> None:
    begin(world, namespace(MESH), istiod("old"), injector("other", "nobody"), injector("prod", "old", tag="prod"))
    assert bundle(world, "injector-old") == bundle(world, "injector-prod") != ""
    assert bundle(world, "injector-other") == ""
    assert one(world, VALIDATING, "validator-old")["webhooks"][0]["failurePolicy"] == "Fail"


def test_an_istiod_that_is_never_ready_does_not_make_its_validator_fail_closed(world: World) -> None:
    begin(world, namespace(MESH), istiod("old", "docker.io/istio/pilot:1.31.0-neverready"))
    assert bundle(world, "injector-old") != ""
    assert one(world, VALIDATING, "validator-old")["webhooks"][0]["failurePolicy"] == "Ignore"


def test_every_namespace_gets_the_root_of_trust(world: World) -> None:
    begin(world, mesh("old"), namespace("shop"))
    assert one(world, CONFIG_MAP, "istio-ca-root-cert", "shop")["data"]["root-cert.pem"].startswith("-----BEGIN")
    assert one(world, ACCOUNT, "default", "shop")


def without_istiod(world: World) -> None:
    change(world, DEPLOYMENT, "istiod-old", MESH, replicas=0)


def without_service(world: World) -> None:
    end(world, SERVICE, "istiod-old", MESH)


def without_bundle(world: World) -> None:
    config = one(world, MUTATING, "injector-old")
    config["metadata"]["labels"] = {}  # nobody's: it stays as it is
    config["webhooks"][0]["clientConfig"]["caBundle"] = ""
    world.store.update(config)
    world.loop.settle()


def end_pods(world: World) -> None:
    for pod in pods(world, "shop"):
        world.store.delete(key_of(POD, pod["metadata"]["name"], "shop"))
    world.loop.settle()


BROKEN = [
    (without_istiod, "connection refused"),
    (without_service, 'service "istiod-old" not found'),
    (without_bundle, "certificate signed by unknown authority"),
]


@pytest.mark.parametrize(("broken", "words"), BROKEN)
def test_a_webhook_that_cannot_be_called_stops_pods_and_their_owner_says_why(
    world: World, broken: Callable[[World], None], words: str
) -> None:
    begin(world, mesh("old"), SHOP)
    broken(world)
    end_pods(world)
    assert pods(world, "shop") == []
    assert 'failed calling webhook "rev.namespace.sidecar-injector.istio.io"' in failure(world)
    assert words in failure(world)


def test_pods_come_back_when_the_webhook_that_stopped_them_is_gone(world: World) -> None:
    begin(world, mesh("old"), SHOP)
    without_service(world)
    end_pods(world)
    end(world, MUTATING, "injector-old")
    assert revisions(world) == ["", "", ""]
    assert failure(world) == ""


@pytest.mark.parametrize(
    ("policy", "labels", "made"),
    [("Fail", {}, False), ("Ignore", {}, True), ("Fail", {"sidecar.istio.io/inject": "false"}, True)],
)
def test_only_a_webhook_that_matches_and_must_be_called_refuses(policy: str, labels: Obj, made: bool) -> None:
    world = begin(World(), namespace(MESH), injector("old", "gone", policy), namespace("shop", rev="old"))
    pod = at("v1", "Pod", "web", "shop", labels=labels, spec={"containers": [{"name": "web", "image": "a/b"}]})
    if made:
        assert world.store.create(pod)
        return
    with pytest.raises(ApiError, match="failed calling webhook") as refused:
        world.store.create(pod, dry_run=True)
    assert (refused.value.status, refused.value.reason) == (500, "InternalError")


def test_a_quota_counts_and_holds(world: World) -> None:
    quota = at("v1", "ResourceQuota", "few", "shop", spec={"hard": {"pods": "2"}})
    begin(world, namespace("shop"), quota, deployment("shop", "web", replicas=3))
    assert len(pods(world, "shop")) == 2
    assert one(world, QUOTA, "few", "shop")["status"] == {"hard": {"pods": "2"}, "used": {"pods": "2"}}
    assert "exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2" in failure(world)


def test_leases_are_held_by_an_istiod_and_given_back_by_the_last(world: World) -> None:
    begin(world, mesh("old"))
    name = "istio-gateway-deployment-old"
    assert one(world, LEASE, name, MESH)["spec"]["holderIdentity"].startswith("istiod-old-")
    end(world, LEASE, name, MESH)
    assert one(world, LEASE, name, MESH)["spec"]["holderIdentity"].startswith("istiod-old-")
    without_istiod(world)
    assert not one(world, LEASE, name, MESH)["spec"].get("holderIdentity")


def test_a_stopping_istiod_takes_its_lease_back() -> None:
    world = begin(World(pace=Pace(1, {"end": (20, 20)})), mesh("old"))
    found = one(world, DEPLOYMENT, "istiod-old", MESH)
    world.store.update({**found, "spec": found["spec"] | {"replicas": 0}})
    world.loop.tick(5)
    world.store.delete(key_of(LEASE, "istio-gateway-deployment-old", MESH))
    world.loop.tick(2)
    assert one(world, LEASE, "istio-gateway-deployment-old", MESH)["spec"]["holderIdentity"].startswith("istiod-old-")


def test_every_proxy_is_connected_to_the_istiod_of_its_revision(world: World) -> None:
    begin(world, mesh("old", "new"), SHOP)
    assert len(connected(world, "old")) == 3
    assert connected(world, "new") == []


def test_an_annotation_makes_a_proxy_reject_or_stay_away() -> None:
    world = begin(World(), mesh("old"), SHOP)
    for pod, mode in zip(pods(world, "shop"), ("nack", "disconnect"), strict=False):
        pod["metadata"]["annotations"]["sandbox.pilotage.dev/ads"] = mode
        world.store.update(pod)
    rows = connected(world, "old")
    assert sum("lastError" in json.dumps(row) for row in rows) == 1
    assert len(rows) == 2


def connected(world: World, revision: str) -> list[Obj]:
    """Rows of /debug/syncz of all istiods of a revision."""
    rows: list[Obj] = []
    for pod in pods(world, MESH):
        if pod["metadata"]["labels"]["istio.io/rev"] == revision:
            answer = world.store.inside(MESH, pod["metadata"]["name"], 15014, "/debug/syncz")
            assert answer is not None
            rows += json.loads(answer[1])
    return rows
