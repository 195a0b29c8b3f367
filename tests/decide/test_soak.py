"""A removal that nobody confirmed waits until its guard has held for the whole soak, as told by looks over time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from installed import MESH, NEW, OLD, changed, cluster, live, mesh, wanted
from pilotage.decide.force import Mark, cleared, confirm_annotation, force_annotation
from pilotage.decide.plan import plan
from pilotage.decide.soak import soak_of
from pilotage.decide.status import status_of
from pilotage.decide.transitions import transitions
from pilotage.domain.actions import Plan
from pilotage.domain.mesh import Mode, RemovalPolicy
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.edge.mesh import parse_mesh
from worlds import NOW, deployment, managed, namespace, revision

HOUR = 60
ASKED = {"spec": {"revisions": [{"name": "asm-1-31"}]}, "metadata": {}}
IN_USE = (namespace("shop", rev="asm-1-30"), deployment("shop", "web", on="asm-1-30"))


class Look(NamedTuple):
    """What is seen at so many minutes: asm-1-30 is no longer asked for, unless `back`."""

    at: float
    used: bool = False
    back: bool = False
    marks: dict[str, str | None] = {}
    wiped: bool = False  # the status was lost before this look
    broken: bool = False  # an object of the revision that stays was deleted


def phases(*looks: Look, soak: str = "1h") -> list[str]:
    """The phase after each look, its status kept from one to the next as the API server would keep it."""
    return [made.phase for made, _ in _story(looks, soak)]


def _story(looks: Iterable[Look], soak: str = "1h") -> list[tuple[Plan, Obj]]:
    status: Obj = {}
    story = []
    for look in looks:
        kept = {} if look.wiped else {key: value for key, value in status.items() if value is not None}
        made, status = _seen(look, kept, soak)
        story.append((made, status))
    return story


def _seen(look: Look, kept: Obj, soak: str) -> tuple[Plan, Obj]:
    desired = wanted(OLD, NEW) if look.back else wanted(NEW)
    there = live(OLD, NEW, stable=desired.stable)
    if look.broken:
        there.pop(ObjectRef("v1", "Service", MESH, "istiod-asm-1-31"))
    asked = mesh("asm-1-31", soak=soak, annotations=look.marks, removal=parse_mesh(ASKED | {"status": kept}).removal)
    both = (revision("asm-1-30"), revision("asm-1-31"), IN_USE if look.used else ())
    snapshot = cluster(*both, live=there, mesh=asked, now=NOW + timedelta(minutes=look.at))
    made = plan(desired, snapshot)
    return made, status_of(made, desired, snapshot, kept)


def mark(of: str = "asm-1-30", at: float = 0) -> Mark:
    return Mark("ann", NOW + timedelta(minutes=at), of)


SOAKS, REMOVES, WAITS = "RemovalSoaking", "Removing", "RemovalBlocked"
CONFIRMED, FORCED = confirm_annotation(mark()), force_annotation(mark())


@pytest.mark.parametrize(
    ("looks", "seen"),
    [
        pytest.param([Look(0), Look(59), Look(60)], [SOAKS, SOAKS, REMOVES], id="unused for the whole soak"),
        pytest.param(
            [Look(0), Look(50, used=True), Look(51), Look(110), Look(111)],
            [SOAKS, WAITS, SOAKS, SOAKS, REMOVES],
            id="used meanwhile, it starts anew",
        ),
        pytest.param([Look(0), Look(59, wiped=True), Look(118)], [SOAKS] * 3, id="a lost status starts it anew"),
        pytest.param(
            [Look(0), Look(40, back=True), Look(41), Look(100)],
            [SOAKS, "Canary", SOAKS, SOAKS],
            id="added back, it is cancelled; removed again, it starts anew",
        ),
        pytest.param([Look(0), Look(-30), Look(29), Look(30)], [SOAKS, SOAKS, SOAKS, REMOVES], id="a clock set back"),
        pytest.param([Look(0), Look(30), Look(10), Look(59)], [SOAKS] * 4, id="a clock set back within the soak"),
        pytest.param([Look(0.001), Look(60), Look(60.1)], [SOAKS, SOAKS, REMOVES], id="no second is cut off"),
        pytest.param(
            [Look(0), Look(30, broken=True), Look(60)], [SOAKS, SOAKS, REMOVES], id="mending does not interrupt it"
        ),
        pytest.param([Look(1, marks=CONFIRMED)], [REMOVES], id="confirmed by a person"),
        pytest.param([Look(0), Look(1, marks=CONFIRMED)], [SOAKS, REMOVES], id="confirmed while it soaks"),
        pytest.param([Look(1, marks=CONFIRMED, used=True)], [WAITS], id="confirmed, but the guard still counts"),
        pytest.param([Look(30, marks=CONFIRMED)], [SOAKS], id="confirmed too long ago"),
        pytest.param([Look(-30, marks=CONFIRMED)], [SOAKS], id="confirmed at a time to come"),
        pytest.param([Look(-0.5, marks=CONFIRMED)], [REMOVES], id="confirmed by a clock that is slightly ahead"),
        pytest.param([Look(1, marks=confirm_annotation(mark("asm-1-29")))], [SOAKS], id="another was confirmed"),
        pytest.param([Look(1, marks=confirm_annotation(mark("*")))], [SOAKS], id="the end of all was confirmed"),
        pytest.param([Look(1, marks=FORCED)], [REMOVES], id="forced, it does not wait"),
        pytest.param([Look(1, marks=FORCED, used=True)], [REMOVES], id="forced past the guard"),
        pytest.param([Look(30, marks=FORCED, used=True)], [WAITS], id="forced too long ago"),
        pytest.param([Look(30, marks=FORCED)], [SOAKS], id="an expired force spares no soak"),
        pytest.param([Look(1, marks={next(iter(FORCED)): "yes"}, used=True)], [WAITS], id="a force that names nothing"),
    ],
)
def test_a_removal_from_an_edit_waits_until_nothing_has_used_the_revision_for_the_soak(
    looks: list[Look], seen: list[str]
) -> None:
    assert phases(*looks) == seen


LOOKS = st.builds(Look, at=st.integers(-150, 300), used=st.booleans(), wiped=st.booleans())


@settings(max_examples=25, deadline=None)
@given(st.lists(LOOKS, min_size=1, max_size=8))
def test_whatever_the_clock_does_nothing_goes_before_it_was_seen_unused_for_the_soak(looks: list[Look]) -> None:
    """Between what is seen at removal and some look an hour earlier by the clock nothing used it or was lost."""
    seen = phases(*looks)
    for end in (at for at, phase in enumerate(seen) if phase == REMOVES):
        breaks = (at for at in range(end, -1, -1) if looks[at].used or looks[at].wiped)
        begin = next(breaks, 0)
        unused = [look for look in looks[begin : end + 1] if not look.used]
        assert any(looks[end].at - look.at >= HOUR for look in unused)


def test_a_soak_of_zero_removes_at_once() -> None:
    assert phases(Look(0.001), soak="0s") == [REMOVES]


@pytest.mark.parametrize(("text", "minutes"), [("0s", 0), ("90s", 1.5), ("45m", 45), ("1h", 60), ("1h30m", 90)])
def test_a_soak_is_a_duration(text: str, minutes: float) -> None:
    assert soak_of(RemovalPolicy(text)) == timedelta(minutes=minutes)


def test_while_it_soaks_status_and_conditions_say_what_goes_when_and_the_loop_knows_when_to_look() -> None:
    ((made, status),) = _story([Look(0)])
    assert status["removal"] == {
        "revision": "asm-1-30",
        "since": "2026-11-22T12:00:00Z",
        "until": "2026-11-22T13:00:00Z",
    }
    conditions = {each["type"]: each for each in status["conditions"]}
    words = "asm-1-30: will be removed at 2026-11-22T13:00:00Z unless it is added back"
    assert (conditions["Ready"]["status"], conditions["Ready"]["message"]) == ("False", words)
    assert (conditions["RemovalBlocked"]["status"], conditions["RemovalBlocked"]["reason"]) == ("False", "Soaking")
    assert [finding.code for finding in made.findings] == ["RemovalSoaking"]
    assert made.due == NOW + timedelta(minutes=HOUR)


def test_a_long_soak_is_not_a_stuck_one_and_its_end_leaves_nothing_in_the_status() -> None:
    (_, status), (_, later), (_, back) = _story([Look(0), Look(47), Look(50, back=True)])
    assert {each["type"]: each["status"] for each in later["conditions"]}["Stalled"] == "False"
    assert later == status
    assert back["removal"] is None  # a merge patch takes it away


@pytest.mark.parametrize(
    ("looks", "reasons"),
    [
        pytest.param([Look(0)], {"RemovalSoaking", "Reconciling"}, id="begun"),
        pytest.param([Look(0), Look(1, back=True)], {"RemovalCancelled", "Canary"}, id="cancelled"),
        pytest.param([Look(0), Look(60)], {"Removing"}, id="over"),
        pytest.param([Look(0), Look(1, used=True)], {"RemovalBlocked"}, id="interrupted"),
    ],
)
def test_each_turn_of_a_soak_is_an_event(looks: list[Look], reasons: set[str]) -> None:
    statuses: list[Obj] = [{}, *(status for _, status in _story(looks))]
    before = {key: value for key, value in statuses[-2].items() if value is not None}
    assert reasons <= {event.reason for event in transitions(before, statuses[-1])}


def _disabled(minutes: float, **facts: Any) -> Plan:
    asked = mesh("asm-1-31", soak="1h", mode=Mode.DISABLED, **facts)
    return plan(
        wanted(NEW, disabled=True),
        cluster(revision("asm-1-31"), live=live(NEW, stable=NEW), mesh=asked, now=NOW + timedelta(minutes=minutes)),
    )


def test_disabling_by_an_edit_soaks_as_well_and_confirmed_by_the_verb_does_not() -> None:
    begun = _disabled(0)
    assert begun.phase == SOAKS
    assert begun.removal is not None
    assert _disabled(59, removal=begun.removal).phase == SOAKS
    assert _disabled(60, removal=begun.removal).phase == "Disabling"
    assert _disabled(1, annotations=confirm_annotation(mark("*"))).phase == "Disabling"
    assert _disabled(1, annotations=confirm_annotation(mark("asm-1-31"))).phase == SOAKS


def test_a_soak_of_one_revision_is_none_of_all_of_them() -> None:
    ((made, _),) = _story([Look(0)])
    assert _disabled(60, removal=made.removal).phase == SOAKS


def _patches(*leaving: str, now: datetime = NOW, by: str = "kubectl-annotate", marks: Any = CONFIRMED) -> list[Obj]:
    held = tuple(managed(by, "metadata", "annotations", key) for key in marks)
    asked = mesh("asm-1-31", annotations=marks, managed_fields=held)
    seen = changed(cluster(revision("asm-1-31")), mesh=asked, now=now)
    return [patch.body["metadata"]["annotations"] for patch in cleared(seen, leaving)]


@pytest.mark.parametrize("marks", [CONFIRMED, FORCED], ids=["confirmed", "forced"])
def test_a_mark_is_cleared_once_the_removal_it_was_for_is_over_or_it_has_expired(marks: dict[str, str | None]) -> None:
    cleared_mark = [{key: None for key, text in marks.items() if text}]
    assert _patches("asm-1-30", marks=marks) == []
    assert _patches(marks=marks) == cleared_mark
    assert _patches("asm-1-29", marks=marks) == cleared_mark
    assert _patches("asm-1-30", marks=marks, now=NOW + timedelta(minutes=30)) == cleared_mark


def test_a_mark_that_git_holds_is_left_to_expire() -> None:
    assert _patches(by="argocd-controller") == []
    assert phases(Look(30, marks=CONFIRMED)) == [SOAKS]
