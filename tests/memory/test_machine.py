"""Sequences of chance over everything that may happen to a mesh; see `machine`.

PILOTAGE_EXAMPLES=5000 tries so many, other ones in each run; without it the same few in every run.
"""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from machine import Machine

_ASKED = int(os.environ.get("PILOTAGE_EXAMPLES", "0"))
pytestmark = [pytest.mark.timeout(0)] if _ASKED else []  # many take longer than any one test may
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def try_out(examples: int, steps: int) -> None:
    profile = settings(
        max_examples=_ASKED or examples,
        stateful_step_count=steps,
        derandomize=not _ASKED,
        deadline=None,
        database=None,
        suppress_health_check=_SLOW,
    )
    run_state_machine_as_test(Machine, settings=profile)


def test_a_mesh_keeps_its_promises_whatever_happens_to_it() -> None:
    try_out(3, 8)


@pytest.mark.e2e
def test_a_mesh_keeps_its_promises_whatever_else_happens_to_it() -> None:
    try_out(15, 15)
