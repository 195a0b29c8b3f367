"""Pilotage itself is upgraded: the one before this one hands over a mesh, and neither harms what the other wrote."""

import copy
import json
from collections.abc import Iterator

import pytest

from audit import Audit
from harness import CANARY, MESH, STABLE, Cluster, Obj, deployment, eventually, namespace, sandbox
from intent import operator
from pilotage.domain.crd import schema_version, service_mesh_crd
from previous import Previous
from untouched import at_rest, fingerprint

pytestmark = pytest.mark.e2e

_CRD = "servicemeshes.pilotage.dev"
_FUTURE = "9.0.0"


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Previous:
    return Previous(tmp_path_factory.mktemp("previous"))


@pytest.fixture(scope="module")
def mesh(previous: Previous) -> Iterator[Cluster]:
    """Enabled by the one before."""
    with sandbox("handover") as made:
        words = ("enable", "--revision", STABLE, "--profile", "aks", "--charts", str(made.assets["charts"]))
        previous.pilotage(made, *words).must()
        yield made


def test_a_new_operator_takes_over_in_mid_canary_and_rewrites_nothing(mesh: Cluster, previous: Previous) -> None:
    mesh.apply(namespace("shop", rev=STABLE), deployment("shop", "web"))
    mesh.kubectl("rollout", "status", "deployment", "web", "-n", "shop", "--timeout=120s").must()
    before_it = previous.start(mesh, "operator")
    first = eventually("the operator of the one before leads", lambda: _leader(mesh))
    previous.pilotage(mesh, "upgrade", "start", "--revision", CANARY).must()
    before_it.terminate()
    before_it.wait(60)
    at_rest(mesh)
    seen, audit = fingerprint(mesh, "shop"), Audit(mesh)
    with operator(mesh):
        eventually("this one leads", lambda: _leader(mesh) not in ("", first))
        eventually("the CRD is this one's", lambda: _schema(mesh) == str(schema_version()))
        budget = f"istiod-{CANARY}"  # what it puts back tells that it has looked at all there is
        mesh.kubectl("delete", "pdb", budget, "-n", MESH).must()
        eventually("it mends", lambda: budget in mesh.names("pdb", MESH))
        after = fingerprint(mesh, "shop")
        mended = f"PodDisruptionBudget/{MESH}/{budget}"
        assert seen.pop(mended) != after.pop(mended)
        assert after == seen
        wrote = {asked.thing for asked in audit.written() if not asked.resource.startswith("events")}
        assert wrote - {"servicemeshes.pilotage.dev/status/default"} == {
            f"customresourcedefinitions.apiextensions.k8s.io/{_CRD}",
            f"poddisruptionbudgets.policy/{budget}",
        }
        mesh.pilotage("namespace", "move", "shop", "--to", CANARY).must()
        mesh.pilotage("restart", "--not-on", CANARY).must()
        mesh.pilotage("upgrade", "complete", "--yes").must()
        assert mesh.names("deployments", MESH) == {f"istiod-{CANARY}"}


def test_beside_an_older_crd_it_works_and_says_what_updates_it(mesh: Cluster, previous: Previous) -> None:
    _put_crd(mesh, previous.crd)
    (said,) = _findings(mesh, "CRDOlder")
    assert "pilotage enable" in said["fix"]
    assert "pilotage-full" in said["fix"]
    mesh.pilotage("status").must()
    mesh.pilotage("enable").must()
    assert _schema(mesh) == str(schema_version())
    assert not _findings(mesh, "CRDOlder")


def test_beside_a_newer_resource_it_looks_but_writes_nothing_of_it(mesh: Cluster) -> None:
    _put_crd(mesh, _future_crd())
    (entry,) = mesh.get("servicemesh", "default")["spec"]["revisions"]
    patch = {"spec": {"holidays": ["friday"], "revisions": [entry | {"pace": "slow"}]}}

    def taken() -> Obj | None:
        """The API server drops fields until it has learnt of the schema that it has stored."""
        mesh.kubectl("patch", "servicemesh", "default", "--type=merge", "-p", json.dumps(patch)).must()
        spec: Obj = mesh.get("servicemesh", "default")["spec"]
        return spec if "holidays" in spec and "pace" in spec["revisions"][0] else None

    spec = eventually("the new fields are kept", taken)
    mesh.pilotage("status").must()
    (said,) = _findings(mesh, "CRDNewer")
    assert "holidays, revisions[].pace" in said["message"]
    for words in (("enable",), ("disable", "--yes"), ("upgrade", "start", "--revision", STABLE)):
        refused = mesh.pilotage(*words).must(3).err
        assert "newer than this pilotage" in refused
        assert "pip install --upgrade pilotage" in refused
    assert mesh.get("servicemesh", "default")["spec"] == spec
    assert _schema(mesh) == _FUTURE


def test_what_another_version_may_write_is_not_lost_in_an_edit(mesh: Cluster) -> None:
    """Fields that an edit does not speak of stay, those of free maps too."""
    (entry,) = mesh.get("servicemesh", "default")["spec"]["revisions"]
    del entry["pace"]
    values = {"pilot": {"env": {"EXAMPLE": "1"}}}
    patch = {"spec": {"holidays": None, "values": values, "revisions": [entry | {"values": values}]}}
    mesh.kubectl("patch", "servicemesh", "default", "--type=merge", "-p", json.dumps(patch)).must()
    mesh.kubectl("delete", "namespace", "shop").must()
    mesh.pilotage("disable", "--yes", "--local").must()
    spec = mesh.get("servicemesh", "default")["spec"]
    assert spec["mode"] == "Disabled"
    assert spec["values"] == values
    assert spec["revisions"][0]["values"] == values


def _leader(mesh: Cluster) -> str:
    holder = mesh.kubectl("get", "lease", "pilotage", "-n", MESH, "-o", "jsonpath={.spec.holderIdentity}").out
    return holder if holder.startswith("operator:") else ""


def _schema(mesh: Cluster) -> str:
    return str(mesh.get("crd", _CRD)["metadata"]["annotations"]["pilotage.dev/version"])


def _findings(mesh: Cluster, code: str) -> list[dict[str, str]]:
    found = mesh.pilotage("check", "-o", "json").document["findings"]
    return [finding for finding in found if finding["code"] == code]


def _put_crd(mesh: Cluster, crd: Obj) -> None:
    mesh.kubectl("replace", "-f", "-", given=json.dumps(crd)).must()
    mesh.kubectl("wait", "--for=condition=Established", "crd", _CRD, "--timeout=60s").must()


def _future_crd() -> Obj:
    """Of a Pilotage to come, with settings that this one does not know."""
    crd = copy.deepcopy(service_mesh_crd())
    crd["metadata"]["annotations"]["pilotage.dev/version"] = _FUTURE
    (version,) = crd["spec"]["versions"]
    fields = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    fields["holidays"] = {"type": "array", "items": {"type": "string"}}
    fields["revisions"]["items"]["properties"]["pace"] = {"type": "string"}
    return crd
