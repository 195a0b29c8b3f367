"""The operator watches: its store tells what lists tell, and an edit is put back at once, not at the next look."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from audit import Audit
from harness import MESH, STABLE, Cluster, deployment, eventually, namespace, sandbox
from pilotage.domain.mesh import ProfileName
from pilotage.domain.objects import Obj, ref_of
from pilotage.domain.profile import PROFILES
from pilotage.domain.state import Snapshot
from pilotage.edge.catalog import packaged_catalog
from pilotage.edge.kube import Kube
from pilotage.edge.observe import ALL, observe
from pilotage.edge.reads import Source
from pilotage.edge.store import Store
from processes import started

pytestmark = pytest.mark.e2e

NOW = datetime(2026, 10, 20, tzinfo=UTC)
WATCHED = ALL - {"istiods"}  # what an istiod says is no object
SERVICE = ("service", f"istiod-{STABLE}", "-n", MESH)


@pytest.fixture(scope="module")
def mesh() -> Iterator[Cluster]:
    with sandbox("watches") as made:
        made.enable().must()
        yield made


def _look(source: Kube | Source) -> Snapshot:
    return observe(source, PROFILES[ProfileName.AKS], packaged_catalog(), NOW, parts=WATCHED)


def test_an_edit_of_ours_is_put_back_as_often_as_it_is_made(mesh: Cluster) -> None:
    with started(mesh, "operator") as operator:
        eventually("it leads", lambda: "Settled" in operator.said)
        audit = Audit(mesh)
        for edit in range(3):
            mesh.kubectl("label", *SERVICE, "istio.io/rev=adversary", "--overwrite").must()
            eventually("it is put back", lambda: _revision(mesh) == STABLE)
            eventually("once", lambda count=edit + 1: _puts(audit, operator.pid) == count)


def test_a_service_that_is_deleted_comes_back_and_is_made_once(mesh: Cluster) -> None:
    with started(mesh, "operator") as operator:
        eventually("it leads", lambda: "Settled" in operator.said)
        audit = Audit(mesh)
        mesh.kubectl("delete", *SERVICE).must()
        eventually("it is back", lambda: SERVICE[1] in mesh.names("services", MESH))
        mesh.kubectl("label", *SERVICE, "istio.io/rev=adversary", "--overwrite").must()
        eventually("and kept", lambda: _revision(mesh) == STABLE)
        assert _puts(audit, operator.pid) == 2


def _revision(mesh: Cluster) -> str:
    return str(mesh.get(*SERVICE)["metadata"]["labels"]["istio.io/rev"])


def _puts(audit: Audit, pid: int) -> int:
    """Writes of the Service by the operator."""
    return sum(asked.by(pid) and asked.thing == f"services/{SERVICE[1]}" for asked in audit.written())


def test_the_store_tells_what_lists_tell_after_random_changes(mesh: Cluster) -> None:
    kube = Kube.connect(str(mesh.kubeconfig))
    store = Store(kube)
    _look(store)  # follows from here on
    dice = random.Random(11)
    try:
        for space in ("shop", "shop-a", "till"):
            kube.create(namespace(space, rev=STABLE))
        for _ in range(60):
            _change(kube, dice)
        eventually("the store is where lists are", lambda: _look(store) == _look(kube))
        seen = _look(store)
        assert {pod.namespace for pod in seen.pods} > {MESH}
        assert [plane.revision for plane in seen.control_planes] == [STABLE]
        assert seen.live
        assert seen.unknown.keys() == ALL - WATCHED
    finally:
        store.close()


def _change(kube: Kube, dice: random.Random) -> None:
    """Something that a user might do, in one of the namespaces."""
    space, name = dice.choice(["shop", "shop-a", "till"]), f"app-{dice.randrange(5)}"
    obj: Obj = dice.choice(
        [
            deployment(space, name, dice.randrange(4)),
            namespace(space, rev=dice.choice([STABLE, "prod"])),
            _object("Service", name, MESH, spec={"ports": [{"port": 80}], "clusterIP": "None"}),
            _object("ConfigMap", name, MESH, data={"mesh": ""}),
            _object("ServiceAccount", name, space),
        ]
    )
    if obj["kind"] != "Namespace" and dice.random() < 0.3:
        kube.delete(ref_of(obj))
        return
    ours = {"pilotage.dev/managed": "true"} if dice.random() < 0.5 and obj["kind"] != "Namespace" else {}
    obj["metadata"]["labels"] = obj["metadata"].get("labels", {}) | ours
    kube.apply(obj, "user")


def _object(kind: str, name: str, space: str, **more: Obj) -> Obj:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": space}, **more}
