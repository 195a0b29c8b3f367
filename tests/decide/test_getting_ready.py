"""Between two whole looks: a plan that was carried out goes on for as long as its control planes get ready."""

from msgspec import structs

from installed import NEW, OLD, cluster, live, wanted
from pilotage.decide.getting_ready import getting_ready
from pilotage.decide.plan import plan
from pilotage.domain.events import Event
from pilotage.domain.mesh import PatchState
from pilotage.domain.patching import Course
from pilotage.domain.state import Snapshot
from worlds import NOW, revision

BOTH = wanted(OLD, NEW)
COPIED = Event("Copied", "the bounds of an HPA", "Apply")
ASKED = structs.replace(plan(BOTH, cluster(revision("asm-1-30"), live=live(OLD))), events=(COPIED,))


def started(available: int) -> Snapshot:
    return cluster(revision("asm-1-30"), revision("asm-1-31", available=available), live=live(OLD, NEW))


def test_what_was_written_and_told_is_not_written_and_told_again() -> None:
    assert ASKED.now, "the plan had something to write"
    going_on = getting_ready(ASKED, BOTH, started(0))
    assert going_on is not None
    assert (going_on.phase, going_on.now, going_on.events) == ("CanaryStarting", (), ())
    assert ["istiod-asm-1-31" in wait.subject for wait in going_on.waits] == [True]


def test_what_is_waited_for_is_what_a_whole_look_would_wait_for() -> None:
    going_on, whole = getting_ready(ASKED, BOTH, started(0)), plan(BOTH, started(0))
    assert going_on is not None
    assert going_on.waits == whole.waits


def test_once_all_are_ready_the_cluster_is_looked_at_as_a_whole() -> None:
    assert getting_ready(ASKED, BOTH, started(1)) is None


def test_a_control_plane_that_is_gone_again_is_no_longer_waited_for() -> None:
    assert getting_ready(ASKED, BOTH, cluster(revision("asm-1-30"), live=live(OLD))) is None


def test_a_patch_has_a_limit_in_time_that_only_the_whole_plan_knows() -> None:
    patch = PatchState("asm-1-31", "1.31.0", "1.31.1", NOW)
    rolling = structs.replace(BOTH, course=Course(patch=patch))
    assert getting_ready(ASKED, rolling, started(0)) is None


def test_a_plan_that_is_held_up_is_made_anew_each_time() -> None:
    blocked = structs.replace(ASKED, phase="Blocked")
    assert getting_ready(blocked, BOTH, started(0)) is None
