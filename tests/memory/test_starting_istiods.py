"""An istiod that has just been started, as by an autoscaler, cannot be asked yet: for a while that is no answer."""

from collections.abc import Iterator, Mapping

import pytest

from harness import CANARY, MESH, Obj, eventually
from inmemory import InMemory
from pilotage_memory.cluster import memory_cluster
from pilotage_memory.controllers.objects import holds
from pilotage_memory.faults import Fault
from pilotage_memory.world import World

ISTIOD = f"deployment/istiod-{CANARY}"


class Mesh(InMemory):
    """A canary with a second istiod, which runs, is not Ready, and so often hangs up on who asks it."""

    silences = 0

    def silent(self, _method: str, path: str, _query: Mapping[str, str]) -> Fault | None:
        if not self.silences or not any(f"/pods/{name}/portforward" in path for name in unready(self)):
            return None
        self.silences -= 1
        return Fault(reset=True)


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    world = World()
    with memory_cluster(world.store) as served:
        made = Mesh(world, served.kubeconfig)
        made.enable().must()
        made.pilotage("upgrade", "start", "--revision", CANARY).must()
        containers = made.get(ISTIOD, "-n", MESH)["spec"]["template"]["spec"]["containers"]
        containers[0]["image"] += "-neverready"
        made.patch(ISTIOD, {"spec": {"template": {"spec": {"containers": containers}}}}, MESH)
        eventually("another istiod runs", lambda: unready(made))
        served.server.faults = made.silent
        yield made


def unready(mesh: InMemory) -> list[str]:
    found: list[Obj] = mesh.get("pods", "-n", MESH)["items"]
    return [pod["metadata"]["name"] for pod in found if not holds(pod, "Ready")]


def test_an_istiod_that_only_starts_is_no_reason_to_refuse_a_rollback(mesh: Mesh) -> None:
    mesh.silences = 2
    mesh.pilotage("upgrade", "rollback", "--yes").must()
    assert not mesh.silences
    assert not mesh.names("deployments", MESH, f"istio.io/rev={CANARY}")


def test_nor_to_refuse_to_disable(mesh: Mesh) -> None:
    mesh.silences = 2
    mesh.pilotage("disable", "--yes").must()
    assert not mesh.silences


def test_one_that_stays_silent_is(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotage.faces.cli.until._STARTS", 1.0)
    mesh.silences = 1000
    assert "could not be asked" in mesh.pilotage("upgrade", "rollback", "--yes").must(3).err
