"""A revision that is added while one that was taken out still stands: there are never three."""

from installed import NEW, OLD, cluster, live, mesh, steps, wanted
from pilotage.decide.plan import plan
from pilotage.domain.state import Revision
from pilotage.domain.version import Version
from worlds import namespace, revision

OLDEST, NEWEST = Revision("asm-1-29", Version(1, 29, 4)), Revision("asm-1-32", Version(1, 32, 0))
BOTH = (revision("asm-1-30"), revision("asm-1-31"))


def test_a_revision_that_is_added_during_a_soak_is_not_begun_and_the_soak_goes_on() -> None:
    there = cluster(*BOTH, live=live(OLD, NEW), mesh=mesh("asm-1-31", "asm-1-32", soak="1h"))
    made = plan(wanted(NEW, NEWEST), there)
    assert (made.phase, made.now) == ("RemovalSoaking", ())
    assert "asm-1-32 is not begun while asm-1-30 still stands" in made.waits[-1].cause
    assert made.due is not None


def test_a_revision_that_is_added_while_another_is_in_use_does_not_make_three() -> None:
    there = cluster(*BOTH, namespace("shop", rev="asm-1-30"), live=live(OLD, NEW), mesh=mesh("asm-1-31", "asm-1-32"))
    made = plan(wanted(NEW, NEWEST), there)
    assert (made.phase, made.now) == ("RemovalBlocked", ())


def test_what_leaves_goes_on_leaving_when_another_is_added() -> None:
    there = cluster(*BOTH, live=live(OLD, NEW, stable=NEW), mesh=mesh("asm-1-31", "asm-1-32"))
    made = plan(wanted(NEW, NEWEST), there)
    assert made.phase == "Removing"
    assert steps(made) == ["delete MutatingWebhookConfiguration injector-asm-1-30"]


def test_a_revision_is_begun_once_the_one_before_it_has_gone() -> None:
    there = cluster(revision("asm-1-31"), live=live(NEW, stable=NEW), mesh=mesh("asm-1-31", "asm-1-32"))
    made = plan(wanted(NEW, NEWEST), there)
    assert made.phase == "CanaryStarting"
    assert "apply Deployment istiod-asm-1-32" in steps(made)


def test_a_stable_revision_that_is_not_there_is_left_nothing() -> None:
    there = cluster(*BOTH, live=live(OLD, NEW), mesh=mesh("asm-1-29", "asm-1-30"))
    made = plan(wanted(OLDEST, OLD), there)
    assert (made.phase, made.now) == ("Blocked", ())
    assert {finding.code for finding in made.findings} == {"CanaryInProgress"}
