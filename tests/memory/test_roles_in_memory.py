"""Whom the in-memory cluster refuses: a ServiceAccount may do what roles that are bound to it grant, where they are."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import namespace
from inmemory import InMemory, in_memory
from pilotage.domain.errors import Denied
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.edge.kube import Kube
from scenery import may, obj

RBAC = "rbac.authorization.k8s.io"
WHO = [{"kind": "ServiceAccount", "name": "jane", "namespace": "default"}]


@pytest.fixture
def cluster() -> Iterator[InMemory]:
    with in_memory() as made:
        made.apply(namespace("shop"), namespace("pay"), obj("ServiceAccount", "jane", space="default"))
        yield made


def jane(cluster: InMemory, folder: Path) -> Kube:
    path = folder / "kubeconfig"
    path.write_text(cluster.kubeconfig.read_text().replace("token: memory", f'token: "{cluster.token("jane")}"'))
    return Kube.connect(str(path))


def bound(kind: str, space: str, *rules: Obj) -> list[Obj]:
    """A role for jane."""
    version = f"{RBAC}/v1"
    reference = {"apiGroup": RBAC, "kind": kind, "name": "looks"}
    role = obj(kind, "looks", space=space, version=version, rules=list(rules))
    return [role, obj(f"{kind}Binding", "looks", space=space, version=version, roleRef=reference, subjects=WHO)]


def test_without_a_role_nothing_is_allowed_but_to_ask(cluster: InMemory, tmp_path: Path) -> None:
    kube = jane(cluster, tmp_path)
    assert kube.whoami() == "system:serviceaccount:default:jane"
    assert not kube.may("list", "", "pods")
    with pytest.raises(Denied, match="default:jane may not list pods in the whole cluster"):
        list(kube.list_pages("v1", "Pod"))


def test_a_role_holds_in_its_namespace_only(cluster: InMemory, tmp_path: Path) -> None:
    cluster.apply(*bound("Role", "shop", may("list", "configmaps", "")))
    kube = jane(cluster, tmp_path)
    assert kube.list("v1", "ConfigMap", "shop")
    for refused in ("pay", ""):
        with pytest.raises(Denied):
            kube.list("v1", "ConfigMap", refused)


def test_a_role_of_the_cluster_holds_everywhere_for_its_verbs(cluster: InMemory, tmp_path: Path) -> None:
    cluster.apply(*bound("ClusterRole", "", may("get,list", "namespaces", "")))
    kube = jane(cluster, tmp_path)
    assert kube.get(ObjectRef("v1", "Namespace", "", "shop"))
    with pytest.raises(Denied):
        kube.delete(ObjectRef("v1", "Namespace", "", "shop"))
