"""What is ours is put back, what is not is left alone, and where nothing differs nothing is written."""

import json
from collections.abc import Iterator

import pytest

from audit import Audit
from harness import CANARY, MESH, STABLE, Cluster, sandbox
from untouched import at_rest

pytestmark = pytest.mark.e2e

_KINDS = (
    "deployments,services,configmaps,serviceaccounts,roles,rolebindings,hpa,pdb,clusterroles,clusterrolebindings,"
    "mutatingwebhookconfigurations,validatingwebhookconfigurations"
)
_OURS = "pilotage.dev/managed=true"


@pytest.fixture(scope="module")
def mesh() -> Iterator[Cluster]:
    with sandbox("mending") as made:
        made.enable().must()
        yield made


def _inventory(mesh: Cluster) -> list[tuple[str, str, str]]:
    items = mesh.get(_KINDS, "-A", "-l", _OURS)["items"]
    return sorted((item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in items)


def _look_again(mesh: Cluster) -> None:
    mesh.enable(STABLE).must()


def test_any_object_that_was_deleted_comes_back(mesh: Cluster) -> None:
    before = _inventory(mesh)
    assert len(before) >= 15
    for kind, namespace, name in before:
        place = ["-n", namespace] if namespace else []
        mesh.kubectl("delete", kind, name, *place, "--wait=true").must()
        _look_again(mesh)
        assert _inventory(mesh) == before, (kind, name)


def test_a_crd_that_was_deleted_comes_back(mesh: Cluster) -> None:
    name = "virtualservices.networking.istio.io"
    mesh.kubectl("delete", "crd", name).must()
    _look_again(mesh)
    assert name in mesh.names("crd")


def test_where_nothing_differs_nothing_is_written(mesh: Cluster) -> None:
    at_rest(mesh)
    _look_again(mesh)
    audit = Audit(mesh)
    _look_again(mesh)
    assert audit.told()
    assert [str(asked) for asked in audit.written()] == []


def test_what_the_user_set_on_an_hpa_stays(mesh: Cluster) -> None:
    patch = '{"spec":{"minReplicas":3}}'
    mesh.kubectl("patch", "hpa", f"istiod-{STABLE}", "-n", MESH, "--type=merge", "-p", patch).must()
    _look_again(mesh)
    assert mesh.get("hpa", f"istiod-{STABLE}", "-n", MESH)["spec"]["minReplicas"] == 3


def test_deleting_the_resource_and_its_crd_changes_nothing_of_the_mesh(mesh: Cluster) -> None:
    before = _inventory(mesh)
    mesh.kubectl("delete", "servicemesh", "default").must()
    mesh.kubectl("delete", "crd", "servicemeshes.pilotage.dev").must()
    assert _inventory(mesh) == before
    mesh.enable(STABLE).must()
    assert _inventory(mesh) == before


def test_a_resource_that_git_keeps_is_not_edited_and_the_patch_is_printed(mesh: Cluster) -> None:
    kept = {
        "apiVersion": "pilotage.dev/v1alpha1",
        "kind": "ServiceMesh",
        "metadata": {"name": "default"},
        "spec": {key: value for key, value in mesh.get("smesh", "default")["spec"].items() if key != "mode"},
    }
    by_argo = ("apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller", "-f", "-")
    mesh.kubectl(*by_argo, given=json.dumps(kept)).must()
    refused = mesh.pilotage("upgrade", "start", "--revision", CANARY).must(3)
    assert "kept by Argo CD" in refused.err
    assert f'"name": "{CANARY}"' in refused.err
    assert [entry["name"] for entry in mesh.get("smesh", "default")["spec"]["revisions"]] == [STABLE]
