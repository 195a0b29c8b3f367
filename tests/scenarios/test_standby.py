"""Two operators on one cluster: one leads, the other is as healthy and ready, says who leads, and takes over."""

from pathlib import Path

from harness import eventually
from inmemory import in_memory
from standing import operator

PHASE = 'pilotage_mesh_phase{phase="Settled"}'


def test_an_operator_that_stands_by_is_ready_tells_nothing_of_the_mesh_and_takes_over(tmp_path: Path) -> None:
    with in_memory() as mesh:
        mesh.enable().must()
        with operator(mesh, tmp_path / "second") as second:
            with operator(mesh, tmp_path / "first") as first:
                eventually("one leads", lambda: first.leads() or second.leads())
                leader, other = (first, second) if first.leads() else (second, first)
                eventually("the other says who leads", lambda: other.said("stands by"))
                assert other.said("stands by")[0]["holder"].startswith("the operator ")
                for each in (leader, other):
                    assert (each.ask("/healthz"), each.ask("/readyz")) == ("ok\n", "ok\n")
                eventually("the leader knows the mesh", lambda: leader.metric(PHASE) == 1)
                assert other.metric(PHASE) is None
            eventually("who is left leads", second.leads)
            eventually("and knows the mesh", lambda: second.metric(PHASE) == 1)


def test_an_operator_without_a_servicemesh_waits_for_one_and_is_ready(tmp_path: Path) -> None:
    with in_memory() as mesh, operator(mesh, tmp_path / "log") as waiting:
        eventually("it waits", lambda: waiting.said("waits for a ServiceMesh"))
        assert (waiting.ask("/healthz"), waiting.ask("/readyz")) == ("ok\n", "ok\n")
        assert not waiting.leads()
