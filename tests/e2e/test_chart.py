"""The chart on a real API server: every object is taken, and an operator with its rights and no others runs a mesh."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools.audit import requests

from audit import log_of
from harness import CANARY, MESH, STABLE, Cluster, Obj, deployment, eventually, namespace, sandbox
from release import (
    NAME,
    NAMESPACE,
    await_crds,
    install,
    is_crd,
    leads,
    make_namespace,
    operator,
    put,
    read,
    render,
    uninstall,
)

pytestmark = pytest.mark.e2e

_VALUES: dict[str, Obj] = {
    "nothing but the image": {},
    "one replica and no network policy": {"replicas": 1, "networkPolicy": {"enabled": False}},
    "every setting": {
        "replicas": 3,
        "image": {"repository": "registry.example:5000/a/b", "tag": "trial", "pullSecrets": ["registry"]},
        "catalog": "https://releases.example.org/catalog.yaml",
        "catalogKey": "A" * 43 + "=",
        "serviceAccount": {"name": "mesh-operator", "annotations": {"example.com/role": "mesh"}},
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "control", "operator": "Exists"}],
        "podAnnotations": {"example.com/a": "b"},
        "podLabels": {"example.com/c": "d"},
        "port": 9090,
        "networkPolicy": {
            "metricsFrom": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["observability"]}]},
            "dns": {"namespaceSelector": {}, "cidrs": ["169.254.20.10/32"]},
            "apiServer": {"cidrs": ["10.0.0.1/32", "fd00::1/128"], "ports": [6443]},
            "charts": {"enabled": False},
            "catalog": {"enabled": True, "cidrs": ["192.0.2.0/24"], "ports": [443]},
        },
        "extraVolumes": [{"name": "charts", "configMap": {"name": "charts"}}],
        "extraVolumeMounts": [{"name": "charts", "mountPath": "/charts", "readOnly": True}],
    },
}


@pytest.fixture(scope="module")
def mesh() -> Iterator[Cluster]:
    with sandbox("chart") as made:
        yield made


@pytest.mark.parametrize("values", _VALUES.values(), ids=_VALUES)
def test_the_api_server_takes_every_object(mesh: Cluster, values: Obj) -> None:
    make_namespace(mesh)
    put(mesh, render(values), "--dry-run=server")


def test_the_pods_are_admitted_where_only_restricted_ones_are(mesh: Cluster) -> None:
    objects = render()
    install(mesh, objects)
    mesh.kubectl("rollout", "status", "deployment", NAME, "-n", NAMESPACE, "--timeout=120s").must()
    uninstall(mesh, objects)


def test_a_crd_that_enable_made_is_no_hindrance(mesh: Cluster) -> None:
    crds = [obj for obj in render() if is_crd(obj)]
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": crds})
    mesh.kubectl("apply", "--server-side", "--field-manager=pilotage", "-f", "-", given=items).must()
    await_crds(mesh, crds)
    before = {name: _version(mesh, name) for name in _names(crds)}
    objects = render()
    install(mesh, objects)
    uninstall(mesh, objects)
    assert {name: _version(mesh, name) for name in _names(crds)} == before


def test_an_operator_with_the_rights_of_the_chart_takes_a_mesh_from_enable_to_complete(
    mesh: Cluster, tmp_path: Path
) -> None:
    objects = render()
    install(mesh, objects)
    with operator(mesh, objects, tmp_path) as address:
        eventually("it is ready", lambda: read(f"{address}/readyz"))
        assert read(f"{address}/healthz")
        mesh.apply(_wanted(mesh))
        leads(address)
        eventually("the first revision is settled", lambda: _phase(mesh) == "Settled")
        mesh.apply(namespace("shop", rev=STABLE), deployment("shop", "web"))
        mesh.kubectl("rollout", "status", "deployment", "web", "-n", "shop", "--timeout=120s").must()
        mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
        mesh.pilotage("namespace", "move", "shop", "--to", CANARY).must()
        mesh.pilotage("restart", "--not-on", CANARY).must()
        mesh.pilotage("upgrade", "complete", "--yes").must()
        assert mesh.names("deployments", MESH) == {f"istiod-{CANARY}"}
    asked = list(requests(log_of(mesh), f"system:serviceaccount:{NAMESPACE}:{NAME}"))
    assert not [str(each) for each in asked if each.code in (401, 403)]
    assert f"deployments.apps/istiod-{CANARY}" in {each.thing for each in asked if each.wrote}


def _wanted(mesh: Cluster) -> Obj:
    spec = {
        "profile": "aks",
        "artifacts": {"charts": str(mesh.assets["charts"])},
        "revisions": [{"name": STABLE, "version": "1.30.5"}],
    }
    return {"apiVersion": "pilotage.dev/v1alpha1", "kind": "ServiceMesh", "metadata": {"name": "default"}, "spec": spec}


def _phase(mesh: Cluster) -> str:
    return str(mesh.get("servicemesh", "default").get("status", {}).get("phase"))


def _names(objects: list[Obj]) -> list[str]:
    return [obj["metadata"]["name"] for obj in objects]


def _version(mesh: Cluster, crd: str) -> str:
    return str(mesh.get("crd", crd)["metadata"]["resourceVersion"])
