"""The command line on a world: verbs run in this process, on a Snapshot and a cluster that records writes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from pilotage.domain.mesh import ServiceMesh
from pilotage.domain.objects import Obj, ObjectRef, ref_of
from pilotage.domain.state import Snapshot
from pilotage.faces.cli.main import cli
from pilotage.faces.cli.run import run
from pilotage.faces.cli.session import Session


class Answer(NamedTuple):
    code: int
    out: str
    err: str


class Recorder:
    """A cluster that keeps what it is told and serves what it keeps."""

    def __init__(self) -> None:
        self.objects: dict[ObjectRef, Obj] = {}
        self.written: list[tuple[str, ObjectRef]] = []

    def get(self, ref: ObjectRef) -> Obj | None:
        return self.objects.get(ref)

    def apply(self, obj: Obj, manager: str, *, force: bool = True, dry_run: bool = False) -> Obj:  # noqa: ARG002
        return self._write("apply", ref_of(obj), obj, dry_run)

    def create(self, obj: Obj, *, dry_run: bool = False) -> Obj:
        return self._write("create", ref_of(obj), obj, dry_run)

    def patch(self, ref: ObjectRef, body: Obj, **more: Any) -> Obj:
        return self._write("patch", ref, body, bool(more.get("dry_run")))

    def delete(self, ref: ObjectRef, *, dry_run: bool = False) -> bool:
        self._write("delete", ref, {}, dry_run)
        return True

    def _write(self, how: str, ref: ObjectRef, obj: Obj, dry_run: bool) -> Obj:
        if not dry_run:
            self.written.append((how, ref))
            self.objects[ref] = obj
        return obj


class Stage(NamedTuple):
    """`pilotage("tag", "list")` on the world; `kube` holds what was written."""

    kube: Recorder
    pilotage: Callable[..., Answer]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Stage]:
    """`stage(world(…))`; `mesh` is the ServiceMesh, None where Pilotage installed nothing."""

    def on(snapshot: Snapshot, mesh: ServiceMesh | None = None) -> Stage:
        kube = Recorder()
        monkeypatch.setattr(Session, "kube", kube)
        monkeypatch.setattr(Session, "mesh", mesh)
        monkeypatch.setattr(Session, "profile", snapshot.profile)
        monkeypatch.setattr(Session, "snapshot", lambda *_, **__: snapshot)

        def pilotage(*words: str) -> Answer:
            capsys.readouterr()
            code = run(cli, ["pilotage", *words])
            return Answer(code, *capsys.readouterr())

        return Stage(kube, pilotage)

    return on
