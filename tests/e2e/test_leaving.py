"""Whatever of Pilotage is taken away, the mesh is not touched: in the middle of an upgrade, with applications in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit import Audit
from harness import CANARY, MESH, STABLE, Cluster, Obj, deployment, eventually, namespace, sandbox
from release import NAMESPACE, install, is_crd, leads, operator, render, uninstall
from untouched import at_rest, fingerprint

pytestmark = pytest.mark.e2e

_CRD = "servicemeshes.pilotage.dev"


@pytest.fixture(scope="module")
def objects() -> list[Obj]:
    return render()


@pytest.fixture(scope="module")
def mesh() -> Iterator[Cluster]:
    """In mid-canary: an application on each side."""
    with sandbox("leaving") as made:
        made.enable().must()
        made.pilotage("upgrade", "start", "--revision", CANARY).must()
        for name, revision in (("shop", STABLE), ("billing", CANARY)):
            made.apply(namespace(name, rev=revision), deployment(name, "web"))
            made.kubectl("rollout", "status", "deployment", "web", "-n", name, "--timeout=120s").must()
        at_rest(made)
        yield made


@contextmanager
def untouched(mesh: Cluster) -> Iterator[Audit]:
    """No object of the mesh or of its applications is another one afterwards, and Pilotage wrote none."""
    before, audit = fingerprint(mesh, "shop", "billing"), Audit(mesh)
    yield audit
    assert fingerprint(mesh, "shop", "billing") == before
    of_pilotage = ("events", "servicemeshes.pilotage.dev", "customresourcedefinitions.apiextensions.k8s.io")
    assert not [str(asked) for asked in audit.written() if not asked.resource.startswith(of_pilotage)]


def test_an_operator_that_is_stopped_leaves_everything_as_it_is(
    mesh: Cluster, objects: list[Obj], tmp_path: Path
) -> None:
    install(mesh, objects)
    with untouched(mesh):
        with operator(mesh, objects, tmp_path) as address:
            leads(address)
        found = mesh.pilotage("status", "-o", "json").must().document
        assert [row["name"] for row in found["revisions"]] == [STABLE, CANARY]


def test_helm_uninstall_takes_the_operator_and_nothing_else(mesh: Cluster, objects: list[Obj], tmp_path: Path) -> None:
    with untouched(mesh):
        with operator(mesh, objects, tmp_path) as address:
            leads(address)
        uninstall(mesh, objects)
    assert _CRD in mesh.names("crd")
    assert [each["name"] for each in mesh.get("servicemesh", "default")["spec"]["revisions"]] == [STABLE, CANARY]
    assert not mesh.names("deployments", NAMESPACE)


def test_a_prune_by_argo_cd_takes_the_resource_and_nothing_of_the_mesh(mesh: Cluster, objects: list[Obj]) -> None:
    """It deletes all that its Application holds in the foreground: every dependant goes first, if there is one."""
    install(mesh, objects)
    with untouched(mesh):
        for obj in (_resource(mesh), *(obj for obj in objects if not _kept(obj))):
            place = ["-n", obj["metadata"]["namespace"]] if "namespace" in obj["metadata"] else []
            mesh.kubectl("delete", obj["kind"], obj["metadata"]["name"], *place, "--cascade=foreground").must()
    assert _CRD in mesh.names("crd")
    assert mesh.kubectl("get", "servicemesh", "default").code != 0
    _take_back(mesh)


def test_a_deleted_crd_takes_the_resource_and_nothing_of_the_mesh(
    mesh: Cluster, objects: list[Obj], tmp_path: Path
) -> None:
    install(mesh, objects)
    with operator(mesh, objects, tmp_path) as address:
        leads(address)
        with untouched(mesh):
            mesh.kubectl("delete", "crd", _CRD).must()
            eventually("the operator has seen it", lambda: "NotEnabled" in _said(tmp_path))
            assert _CRD not in mesh.names("crd")
    uninstall(mesh, objects)
    _take_back(mesh)


def test_disable_is_refused_while_there_are_proxies_and_touches_nothing(mesh: Cluster) -> None:
    with untouched(mesh):
        refused = mesh.pilotage("disable", "--yes").must(3)
        assert "ProxiesExist" in refused.err


def test_disable_takes_the_control_planes_and_keeps_what_holds_data(mesh: Cluster) -> None:
    mesh.kubectl("delete", "namespace", "shop", "billing").must()
    kept = {kind: mesh.names(kind) for kind in ("crd", "namespaces")}
    mesh.pilotage("disable", "--yes", "--local").must()
    assert not mesh.names("deployments", MESH)
    assert {kind: mesh.names(kind) for kind in kept} == kept
    assert "istio-ca-secret" in mesh.names("secrets", MESH)
    assert mesh.get("servicemesh", "default")["spec"]["mode"] == "Disabled"


def _take_back(mesh: Cluster) -> None:
    """`enable` finds both control planes, and writes nothing of them."""
    with untouched(mesh):
        mesh.pilotage("enable", "--local", "--profile", "aks", "--charts", str(mesh.assets["charts"])).must()
    assert [each["name"] for each in mesh.get("servicemesh", "default")["spec"]["revisions"]] == [STABLE, CANARY]


def _resource(mesh: Cluster) -> Obj:
    found: Obj = mesh.get("servicemesh", "default")
    return found


def _kept(obj: Obj) -> bool:
    """Argo CD leaves what says so."""
    options = obj["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-options", "")
    return is_crd(obj) and "Delete=false" in options


def _said(folder: Path) -> str:
    return (folder / "operator.log").read_text()
