"""Writes that the API server refuses a few times, and then takes: a verb goes on, and says what it waits for."""

from lab import Clock, lab

from harness import CANARY
from pilotage_memory.controllers.loop import Pace
from pilotage_memory.faults import Fault


def test_a_verb_whose_writes_came_again_and_again_names_what_it_waits_for_then() -> None:
    with lab(clock=Clock(), pace=Pace(1, {"ready": (60, 60)})) as mesh:
        mesh.trouble(Fault(409), at=5, times=2)
        charts = str(mesh.assets["charts"])
        words = ("enable", "--revision", CANARY, "--profile", "aks", "--charts", charts, "--timeout", "40s")
        told = mesh.pilotage(*words).must(1)
    assert "not there within 40 s. Waiting for " in told.err
    assert "unexpected" not in told.err
