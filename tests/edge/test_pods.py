"""What is read of pods: little, but whatever a rule may ask."""

from typing import Any

import msgspec
import pytest

from pilotage.domain.cluster import Pod
from pilotage.edge.pods import PodPage, pods_of

PROXY = {"name": "istio-proxy", "image": "example/proxyv2:1.31.0"}
APP = {"name": "app", "image": "example/app:1"}


def pod(**parts: Any) -> Pod:
    """One pod of namespace `shop`: `meta`, `spec` and `status` are merged over a running one."""
    wire = {
        "metadata": {"name": "web-1", "namespace": "shop", **parts.get("meta", {})},
        "spec": {"containers": [APP, PROXY], **parts.get("spec", {})},
        "status": {"phase": "Running", **parts.get("status", {})},
    }
    [found] = pods_of(msgspec.json.decode(msgspec.json.encode({"items": [wire]}), type=PodPage), {})
    return found


def owned(kind: str, name: str, **labels: str) -> Pod:
    owner = {"apiVersion": "example/v1", "kind": kind, "name": name, "uid": "1", "controller": True}
    return pod(meta={"ownerReferences": [owner], "labels": labels})


def condition(kind: str, status: str, **more: str) -> dict[str, str]:
    return {"type": kind, "status": status, **more}


def test_a_page_without_items_has_no_pods() -> None:
    assert pods_of(msgspec.json.decode(b'{"items": null, "metadata": {}}', type=PodPage), {}) == []


@pytest.mark.parametrize(
    ("found", "workload"),
    [
        (pod(), ("Pod", "web-1")),
        (owned("ReplicaSet", "web-5d7f", **{"pod-template-hash": "5d7f"}), ("Deployment", "web")),
        (owned("ReplicaSet", "web-a-b-5d7f", **{"pod-template-hash": "5d7f"}), ("Deployment", "web-a-b")),
        (owned("ReplicaSet", "web-9c", **{"rollouts-pod-template-hash": "9c"}), ("Rollout", "web")),
        (owned("ReplicaSet", "lonely"), ("ReplicaSet", "lonely")),
        (owned("StatefulSet", "db"), ("StatefulSet", "db")),
        (owned("Job", "nightly-1"), ("Job", "nightly-1")),
    ],
)
def test_a_pod_names_the_workload_that_would_make_it_again(found: Pod, workload: tuple[str, str]) -> None:
    assert found.workload == workload


def test_an_owner_that_is_no_controller_does_not_count() -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"}
    assert pod(meta={"ownerReferences": [owner]}).workload == ("Pod", "web-1")


def test_of_annotations_only_those_of_istio_and_ours_are_kept() -> None:
    kept = {"istio.io/rev": "r", "sidecar.istio.io/status": "{}", "proxy.istio.io/config": "c", "pilotage.dev/x": "y"}
    assert pod(meta={"annotations": {**kept, "example.org/big": "z" * 999}}).annotations == kept


def test_a_proxy_is_found_among_init_containers_too() -> None:
    native = pod(spec={"containers": [APP], "initContainers": [{**PROXY, "restartPolicy": "Always"}]})
    assert native.proxy is not None
    assert native.proxy.image == "example/proxyv2:1.31.0"


def test_a_pod_is_ready_only_by_its_condition() -> None:
    assert pod(status={"conditions": [condition("Ready", "True")]}).ready
    assert not pod(status={"conditions": [condition("Ready", "False")]}).ready
    assert not pod().ready


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (
            {"phase": "Pending", "conditions": [condition("PodScheduled", "False", message="0/3 nodes: no cpu")]},
            "0/3 nodes: no cpu",
        ),
        (
            {
                "containerStatuses": [
                    {"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
                ]
            },
            "app: ImagePullBackOff: no such image",
        ),
        (
            {
                "initContainerStatuses": [
                    {"name": "app", "state": {"waiting": {"reason": "PodInitializing"}}},
                ],
                "conditions": [condition("Ready", "False", message="containers with unready status: [app]")],
            },
            "containers with unready status: [app]",
        ),
        ({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}, "Evicted: low on memory"),
        ({"conditions": [condition("Ready", "True")]}, ""),
        ({"phase": "Succeeded", "conditions": [condition("Ready", "False", reason="PodCompleted")]}, ""),
    ],
)
def test_a_pod_that_is_not_ready_says_why_in_the_words_of_the_cluster(status: dict[str, Any], reason: str) -> None:
    assert pod(status=status).reason == reason


def test_a_container_tells_restarts_and_what_it_waits_for() -> None:
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m"}}
    found = pod(status={"containerStatuses": [{"name": "app", "restartCount": 7, "state": waiting}]})
    app = found.containers[0]
    assert (app.restarts, app.ready, app.reason, app.message) == (7, False, "CrashLoopBackOff", "back-off 5m")


def asking(cpu: str, memory: str, **more: str) -> dict[str, Any]:
    return {"name": "x", "resources": {"requests": {"cpu": cpu, "memory": memory}}, **more}


@pytest.mark.parametrize(
    ("spec", "cpu", "memory"),
    [
        ({"containers": [asking("500m", "2Gi"), asking("1", "64M")]}, 1500, 2 * 1024**3 + 64_000_000),
        ({"containers": [asking("100m", "1Mi")], "initContainers": [asking("2", "1Ki")]}, 2000, 1024**2),
        (
            {"containers": [asking("1", "1")], "initContainers": [asking("1", "1", restartPolicy="Always")]},
            2000,
            2,
        ),
        ({"containers": [{"name": "x"}]}, 0, 0),
    ],
)
def test_requests_are_counted_as_the_scheduler_does(spec: dict[str, Any], cpu: int, memory: int) -> None:
    found = pod(spec=spec)
    assert (found.cpu, found.memory) == (cpu, memory)


def test_a_pod_that_is_being_deleted_says_so() -> None:
    assert pod(meta={"deletionTimestamp": "2026-11-22T12:00:00Z"}).deleting
