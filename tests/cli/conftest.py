"""Fixture `stage`: the command line on a world, see module `stage`."""

import pytest
from stage import Answer, Recorder, SetStage, Stage

from pilotage.domain.mesh import ServiceMesh
from pilotage.domain.state import Snapshot
from pilotage.faces.cli.main import cli
from pilotage.faces.cli.run import run
from pilotage.faces.cli.session import Session


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not inject is given up on quickly."""
    monkeypatch.setattr("pilotage.faces.cli.namespace._SETTLES", 0.8)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> SetStage:
    """`stage(world(…))`; `mesh` is the ServiceMesh, None where Pilotage installed nothing."""

    def on(snapshot: Snapshot, mesh: ServiceMesh | None = None) -> Stage:
        kube = Recorder(snapshot)
        monkeypatch.setattr(Session, "kube", kube)
        monkeypatch.setattr(Session, "mesh", mesh)
        monkeypatch.setattr(Session, "profile", snapshot.profile)
        monkeypatch.setattr(Session, "snapshot", lambda *_, **__: kube.seen())

        def pilotage(*words: str) -> Answer:
            capsys.readouterr()
            code = run(cli, ["pilotage", *words])
            return Answer(code, *capsys.readouterr())

        return Stage(kube, pilotage)

    return on
