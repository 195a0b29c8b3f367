"""A verb writes its intent while an operator publishes what it sees: only another edit of the spec is in its way."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from harness import CANARY
from inmemory import InMemory, in_memory
from pilotage.domain.mesh import Revision
from pilotage.edge.kube import Conflict, Kube
from pilotage.edge.mesh import read_mesh
from pilotage.faces.cli.drive import edit
from pilotage_memory.merge import merge_patch


class Restless:
    """The API server, on which somebody else writes the ServiceMesh just before each of the next `times` writes."""

    def __init__(self, mesh: InMemory, times: int, what: str) -> None:
        self.kube, self._mesh, self._times, self._what = Kube.connect(str(mesh.kubeconfig)), mesh, times, what

    def __getattr__(self, name: str) -> Any:
        return getattr(self.kube, name)

    def patch(self, *words: Any, dry_run: bool = False, **more: Any) -> Any:
        if self._times and not dry_run:
            self._times -= 1
            change = {"status": {"phase": f"Phase{self._times}"}, "spec": {"values": {"turn": self._times}}}[self._what]
            found = self._mesh.get("servicemesh", "default")
            own = self._what if self._what == "status" else ""
            self._mesh.world.store.update(merge_patch(found, {self._what: change}), subresource=own)
        return self.kube.patch(*words, dry_run=dry_run, **more)


def start(mesh: InMemory, times: int, what: str) -> list[str]:
    """Asks for a canary; the revisions that are asked for then."""
    restless = Restless(mesh, times, what)
    before = read_mesh(restless.kube)
    assert before is not None
    spec = msgspec.structs.replace(before.spec, revisions=[*before.spec.revisions, Revision(CANARY)])
    edit(SimpleNamespace(kube=restless), before, spec, {}, dry_run=False)  # type: ignore[arg-type]
    return [entry["name"] for entry in mesh.get("servicemesh", "default")["spec"]["revisions"]]


def test_a_status_that_moves_is_in_nobodys_way() -> None:
    with in_memory() as mesh:
        mesh.enable().must()
        assert CANARY in start(mesh, 3, "status")


def test_another_edit_of_the_spec_is() -> None:
    with in_memory() as mesh:
        mesh.enable().must()
        with pytest.raises(Conflict):
            start(mesh, 1, "spec")
