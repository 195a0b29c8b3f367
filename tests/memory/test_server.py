"""What tests can do to the cluster in memory, and what it does not pretend to know."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pilotage.domain.errors import MeshError, Unreachable
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.edge.kube import Kube
from pilotage_memory import MemoryCluster, memory_cluster
from pilotage_memory.faults import Fault

REF = ObjectRef("v1", "ConfigMap", "default", "settings")


@pytest.fixture
def cluster() -> Iterator[MemoryCluster]:
    with memory_cluster() as made:
        yield made


@pytest.fixture
def kube(cluster: MemoryCluster) -> Kube:
    return Kube.connect(str(cluster.kubeconfig), deadline=5)


def settings(**data: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "default"},
        "data": data,
    }


@pytest.mark.parametrize(
    "path",
    [
        "/apis/storage.k8s.io/v1/storageclasses",
        "/api/v1/secrets",
        "/openapi/v3",
        "/metrics",
        "/api/v1/namespaces/default/configmaps?resourceVersion=7&resourceVersionMatch=Exact",
        "/api/v1/namespaces/default/configmaps?sendInitialEvents=true&watch=1",
        "/api/v1/namespaces/default/services?fieldSelector=spec.type=ClusterIP",
        "/apis/apps/v1/namespaces/default/deployments/web/scale",
    ],
)
def test_what_it_does_not_know_is_refused_by_name(kube: Kube, path: str) -> None:
    with pytest.raises(MeshError, match="in-memory cluster does not do this") as refused:
        kube.raw(path)
    assert path.partition("?")[0] in str(refused.value) or "field selector" in str(refused.value)


def test_a_write_that_is_killed_before_takes_no_effect(cluster: MemoryCluster, kube: Kube) -> None:
    kube.apply(settings(x="1"), "pilotage")
    cluster.server.kill_at(2)
    kube.apply(settings(x="2"), "pilotage")
    with pytest.raises(Unreachable):
        kube.apply(settings(x="3"), "pilotage")
    with pytest.raises(Unreachable):
        kube.get(REF)
    cluster.server.revive()
    assert (kube.get(REF) or {})["data"] == {"x": "2"}


def test_a_write_that_is_killed_after_takes_effect_unseen(cluster: MemoryCluster, kube: Kube) -> None:
    cluster.server.kill_at(1, after=True)
    with pytest.raises(Unreachable):
        kube.apply(settings(x="1"), "pilotage")
    cluster.server.revive()
    assert (kube.get(REF) or {})["data"] == {"x": "1"}


def test_dry_runs_and_reviews_do_not_count_towards_a_kill(cluster: MemoryCluster, kube: Kube) -> None:
    cluster.server.kill_at(1)
    kube.apply(settings(x="1"), "pilotage", dry_run=True)
    assert kube.may("*", "*", "*")
    with pytest.raises(Unreachable):
        kube.apply(settings(x="1"), "pilotage")


def test_every_write_is_remembered_with_its_manager_and_outcome(cluster: MemoryCluster, kube: Kube) -> None:
    kube.apply(settings(x="1"), "pilotage")
    kube.apply(settings(x="2"), "pilotage", dry_run=True)
    kube.delete(REF)  # by a client that names no manager
    path = "/api/v1/namespaces/default/configmaps/settings"
    told = [(write.verb, write.path, write.manager, write.dry_run, write.status) for write in cluster.server.writes]
    assert told == [
        ("PATCH", path, "pilotage", False, 201),
        ("PATCH", path, "pilotage", True, 200),
        ("DELETE", path, cluster.server.writes[-1].manager, False, 200),
    ]


def test_a_fault_is_answered_instead_and_is_over_when_the_test_says_so(cluster: MemoryCluster, kube: Kube) -> None:
    asked = []

    def busy_twice(method: str, path: str, query: Mapping[str, str]) -> Fault | None:
        asked.append((method, path, dict(query)))
        return Fault(429, {"Retry-After": "0"}) if len(asked) < 3 else None

    cluster.server.faults = busy_twice
    assert kube.get(REF) is None
    assert asked == [("GET", "/api/v1/namespaces/default/configmaps/settings", {})] * 3


def test_a_connection_that_is_reset_is_made_anew(cluster: MemoryCluster, kube: Kube) -> None:
    faults = iter([Fault(reset=True)])
    cluster.server.faults = lambda *_: next(faults, None)
    assert kube.get(REF) is None


def test_a_pod_answers_through_a_port_forward(cluster: MemoryCluster, kube: Kube) -> None:
    asked: list[tuple[str, str, int, str]] = []

    def inside(*what: object) -> tuple[int, bytes]:
        asked.append(what)  # type: ignore[arg-type]
        return 200, b"x" * 70_000

    cluster.store.inside = inside
    run_pod(cluster)
    assert kube.pod_get("default", "istiod", 15014, "/debug/syncz") == b"x" * 70_000
    assert asked == [("default", "istiod", 15014, "/debug/syncz")]


def test_a_port_that_nobody_listens_on_is_told(cluster: MemoryCluster, kube: Kube) -> None:
    run_pod(cluster)
    with pytest.raises(MeshError, match="nothing listens on port 15014"):
        kube.pod_get("default", "istiod", 15014, "/debug/syncz")


def run_pod(cluster: MemoryCluster) -> None:
    spec = {"containers": [{"name": "discovery", "image": "example/pilot:1"}], "nodeName": "node-1"}
    meta = {"name": "istiod", "namespace": "default"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": {"phase": "Running"}}
    cluster.store.create(pod)


def test_the_kubeconfig_is_the_owners_alone(cluster: MemoryCluster) -> None:
    assert Path(cluster.kubeconfig).stat().st_mode & 0o077 == 0
