"""Control planes: which revision and version they run, whose they are, and why one is not available."""

from typing import Any

import pytest

from pilotage.domain.cluster import Container, Pod
from pilotage.domain.istio import ControlPlane
from pilotage.domain.objects import Obj
from pilotage.domain.version import Version
from pilotage.edge.capacity import parse_node, parse_quota
from pilotage.edge.controlplanes import parse_control_plane

UP = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}


def istiod(image: str = "example/pilot:1.31.0", status: Any = UP, **meta: Any) -> Obj:
    labels = {"app": "istiod", "istio.io/rev": "asm-1-31"}
    return {
        "metadata": {"name": "istiod-asm-1-31", "namespace": "mesh", "generation": 1, "labels": labels, **meta},
        "spec": {
            "replicas": 2,
            "template": {"spec": {"containers": [{"name": "other"}, {"name": "discovery", "image": image}]}},
        },
        "status": status,
    }


def read(*args: Any, pods: tuple[Pod, ...] = (), **meta: Any) -> ControlPlane:
    return parse_control_plane(istiod(*args, **meta), pods)


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("example:5000/istio/pilot:1.31.2", Version(1, 31, 2)),
        ("example/pilot:1.27.9-6", Version(1, 27, 9, 6)),
        ("example/pilot:1.31.0-distroless", Version(1, 31, 0)),
        ("example/pilot:1.31.0@sha256:0123", Version(1, 31, 0)),
        ("example:5000/pilot", None),
        ("example/pilot:latest", None),
    ],
)
def test_the_version_is_that_of_the_image(image: str, version: Version | None) -> None:
    assert read(image).version == version


def test_an_image_that_tells_no_version_leaves_it_to_the_label() -> None:
    assert read("example/pilot@sha256:0123", labels={"app.kubernetes.io/version": "1.30.1"}).version == Version(
        1, 30, 1
    )


def test_istiod_without_a_revision_label_is_the_default_one() -> None:
    assert read(labels={"app": "istiod"}).revision == "default"


@pytest.mark.parametrize(
    ("marks", "owner"),
    [
        ({"annotations": {"meta.helm.sh/release-name": "istiod"}}, "Helm release istiod"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "x:y"}}, "Argo CD"),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "mesh"}}, "Flux HelmRelease mesh"),
        ({"labels": {"kubernetes.azure.com/managedby": "azure-service-mesh"}}, "AKS add-on"),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, ""),
    ],
)
def test_the_owner_shows_by_what_it_leaves_and_never_by_the_label_that_charts_print(
    marks: dict[str, Any], owner: str
) -> None:
    assert read(**marks).owner == owner


def test_one_with_our_label_is_managed() -> None:
    assert read(labels={"pilotage.dev/managed": "true"}).managed
    assert not read().managed


def test_a_pod_that_is_merely_on_its_way_does_not_hide_why_an_older_one_crashes() -> None:
    ill = Pod("mesh", "old", ready=False, reason="discovery: CrashLoopBackOff: exit 1", created="2026-01-01T00:00:00Z")
    new = Pod("mesh", "new", phase="Pending", ready=False, created="2026-01-01T00:01:00Z")
    plane = read("example/pilot:1.31.0", {**UP, "availableReplicas": 0}, pods=(new, ill))
    assert plane.reason == "pod old: discovery: CrashLoopBackOff: exit 1"


def test_one_that_is_available_needs_no_reason() -> None:
    assert read().reason == ""


def test_one_that_is_not_names_the_pod_and_what_it_says() -> None:
    ill = Pod("mesh", "istiod-x", phase="Pending", ready=False, reason="discovery: ImagePullBackOff: no such image")
    fine = Pod("mesh", "istiod-y", containers=(Container("discovery"),))
    plane = read("example/pilot:1.31.0", {**UP, "availableReplicas": 1}, pods=(fine, ill))
    assert plane.reason == "pod istiod-x: discovery: ImagePullBackOff: no such image"


def test_one_whose_pods_may_not_be_created_says_what_forbids_them() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "message": "pods is forbidden: exceeded quota: small"}
    plane = read("example/pilot:1.31.0", {"observedGeneration": 1, "conditions": [failure]})
    assert plane.reason == "pods is forbidden: exceeded quota: small"


def test_counts_of_an_older_generation_are_not_taken_for_updated() -> None:
    assert read("example/pilot:1.31.0", {**UP, "observedGeneration": 0}).updated == 0


def test_a_node_offers_what_is_allocatable_and_names_the_taints_that_keep_pods_away() -> None:
    node = parse_node(
        {
            "metadata": {"name": "n1"},
            "spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}, {"key": "soft", "effect": "PreferNoSchedule"}]},
            "status": {
                "allocatable": {"cpu": "3920m", "memory": "12Gi", "pods": "110"},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }
    )
    assert (node.cpu, node.memory, node.pods) == (3920, 12 * 1024**3, 110)
    assert (node.schedulable, node.taints) == (True, ("gpu",))


@pytest.mark.parametrize(("spec", "ready"), [({"unschedulable": True}, "True"), ({}, "False"), ({}, "Unknown")])
def test_a_node_that_is_cordoned_or_not_ready_takes_no_pod(spec: dict[str, Any], ready: str) -> None:
    status = {"conditions": [{"type": "Ready", "status": ready}]}
    assert not parse_node({"metadata": {"name": "n1"}, "spec": spec, "status": status}).schedulable


def test_a_quota_tells_hard_and_used_in_one_unit() -> None:
    status = {
        "hard": {"requests.cpu": "2", "limits.memory": "1Gi", "pods": "10"},
        "used": {"requests.cpu": "500m", "pods": "3"},
    }
    quota = parse_quota({"metadata": {"name": "small", "namespace": "istio-system"}, "status": status})
    assert quota.limits == {"requests.cpu": (2000, 500), "limits.memory": (1024**3, 0), "pods": (10, 3)}
