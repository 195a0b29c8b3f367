"""What a ServiceMesh says of itself: conditions for `kubectl wait`, Argo CD and Flux, and the Events of changes."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from pilotage.decide.status import halted_status, status_of
from pilotage.decide.transitions import transitions
from pilotage.domain.actions import Apply, Plan, Wait
from pilotage.domain.errors import NoCharts, Refused
from pilotage.domain.findings import Finding
from pilotage.domain.mesh import Revision as Entry
from pilotage.domain.mesh import ServiceMesh, ServiceMeshSpec
from pilotage.domain.objects import Obj
from pilotage.domain.profile import PROFILES
from pilotage.domain.restarts import Restarts
from pilotage.domain.state import Desired, Revision, Snapshot
from pilotage.domain.version import Version
from worlds import CATALOG, NOW, revision, world

DESIRED = Desired(PROFILES["istio"], (Revision("asm-1-30", Version(1, 30, 2)),))  # type: ignore[index]
WAITS = (Wait("Deployment istiod-asm-1-30", "0 of 1 available"),)
IN_USE = Finding("RevisionInUse", "namespace shop: its label selects asm-1-30", "shop")
HELD = (Wait("shop", IN_USE.message),)
EDIT = Apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "istiod"}}, "as its chart says")
SETTLED, INSTALLING = Plan("Settled"), Plan("Installing", waits=WAITS)
BLOCKED = Plan("RemovalBlocked", waits=HELD, findings=(IN_USE,))


def seen(minutes: float = 0, generation: int = 1) -> Snapshot:
    mesh = ServiceMesh(ServiceMeshSpec([Entry("asm-1-30")]), generation=generation)
    nothing_new = msgspec.structs.replace(CATALOG, minors=())
    snapshot = world(revision("asm-1-30"), catalog=nothing_new)
    return msgspec.structs.replace(snapshot, mesh=mesh, now=NOW + timedelta(minutes=minutes))


def published(*steps: tuple[Plan, float] | tuple[Plan, float, int]) -> Obj:
    """The status after one plan after another, each at so many minutes, of a generation (1 if not given)."""
    status: Obj = {}
    for made, *at in steps:
        status = status_of(made, DESIRED, seen(*at), status)  # type: ignore[arg-type]
    return status


def conditions(status: Obj) -> dict[str, Any]:
    return {each["type"]: each for each in status["conditions"]}


def kstatus(status: Obj, generation: int) -> str:
    """The rules of kstatus for a resource of any kind, in its order. https://github.com/kubernetes-sigs/cli-utils"""
    if status.get("observedGeneration") != generation:
        return "InProgress"
    for each in status["conditions"]:
        if (each["type"], each["status"]) == ("Reconciling", "True"):
            return "InProgress"
        if (each["type"], each["status"]) == ("Stalled", "True"):
            return "Failed"
    return "Current" if conditions(status)["Ready"]["status"] == "True" else "InProgress"


@pytest.mark.parametrize(
    ("steps", "generation", "verdict"),
    [
        pytest.param([(SETTLED, 0)], 1, "Current", id="a settled mesh is current"),
        pytest.param([(Plan("Canary"), 0)], 1, "Current", id="a canary that stands as asked is current"),
        pytest.param([(Plan("Disabled"), 0)], 1, "Current", id="a mesh that is gone as asked is current"),
        pytest.param([(SETTLED, 0)], 2, "InProgress", id="an edit that nobody has seen yet is in progress"),
        pytest.param([(INSTALLING, 0)], 1, "InProgress", id="an install is in progress"),
        pytest.param([(Plan("Removing", now=(EDIT,)), 0)], 1, "InProgress", id="a removal is in progress"),
        pytest.param([(BLOCKED, 0)], 1, "Failed", id="a removal that a user must free has failed"),
        pytest.param([(INSTALLING, 0), (INSTALLING, 9)], 1, "InProgress", id="a slow start is in progress"),
        pytest.param([(INSTALLING, 0), (INSTALLING, 11)], 1, "Failed", id="a start that takes too long has failed"),
        pytest.param(
            [(INSTALLING, 0), (INSTALLING, 11), (INSTALLING, 12)], 1, "Failed", id="one that took too long stays failed"
        ),
        pytest.param(
            [(INSTALLING, 0), (INSTALLING, 11), (SETTLED, 12)], 1, "Current", id="one that gets there late is current"
        ),
        pytest.param(
            [(INSTALLING, 0), (INSTALLING, 11), (INSTALLING, 12, 2)], 2, "InProgress", id="an edit gives it time anew"
        ),
        pytest.param([(SETTLED, 0), (Plan("Installing", now=(EDIT,)), 5)], 1, "Current", id="a mend is no outage"),
        pytest.param([(SETTLED, 0), (INSTALLING, 5)], 1, "InProgress", id="an istiod that is lost is in progress"),
    ],
)
def test_the_conditions_are_judged_as_they_are_meant(steps: list[Any], generation: int, verdict: str) -> None:
    assert kstatus(published(*steps), generation) == verdict


@pytest.mark.parametrize("made", [SETTLED, INSTALLING, BLOCKED, Plan("Canary"), Plan("Blocked", waits=WAITS)])
def test_exactly_one_of_ready_reconciling_and_stalled_holds_and_all_are_complete(made: Plan) -> None:
    found = conditions(published((made, 0)))
    assert [found[kind]["status"] for kind in ("Ready", "Reconciling", "Stalled")].count("True") == 1
    for each in found.values():
        assert each["reason"].isalnum()
        assert each["reason"][0].isupper()
        assert each["observedGeneration"] == 1
        assert datetime.fromisoformat(each["lastTransitionTime"]) == NOW


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    moved = conditions(published((INSTALLING, 0), (Plan("CanaryStarting", waits=WAITS), 3)))
    assert datetime.fromisoformat(moved["Ready"]["lastTransitionTime"]) == NOW
    done = conditions(published((INSTALLING, 0), (SETTLED, 3)))
    assert datetime.fromisoformat(done["Ready"]["lastTransitionTime"]) == NOW + timedelta(minutes=3)


def test_at_rest_the_status_does_not_change_as_time_passes() -> None:
    assert published((SETTLED, 0)) == published((SETTLED, 0), (SETTLED, 60))
    assert published((BLOCKED, 0)) == published((BLOCKED, 0), (BLOCKED, 60))


def test_a_refusal_says_what_to_change_and_keeps_what_is_known_of_the_revisions() -> None:
    before = published((SETTLED, 0))
    status = halted_status(Refused("no Istio 1.99 in the catalog", fix="pilotage get-revisions"), 2, NOW, before)
    stalled = conditions(status)["Stalled"]
    assert kstatus(status, 2) == "Failed"
    assert "no Istio 1.99 in the catalog. Next: pilotage get-revisions" in stalled["message"]
    assert status["revisions"] == before["revisions"]


def test_charts_that_cannot_be_had_now_are_waited_for_and_a_stall_only_after_a_while() -> None:
    before, cause = published((SETTLED, 0)), NoCharts("cannot get the chart base: no such host")
    status = halted_status(cause, 2, NOW, before)
    found = conditions(status)
    assert kstatus(status, 2) == "InProgress"
    assert "no such host" in found["Ready"]["message"]
    assert status["revisions"] == before["revisions"]
    later = halted_status(cause, 2, NOW + timedelta(minutes=11), status)
    assert kstatus(later, 2) == "Failed"
    assert "no such host" in conditions(later)["Stalled"]["message"]


def test_the_reason_of_a_stall_is_the_code_that_has_a_page() -> None:
    assert conditions(published((BLOCKED, 0)))["Stalled"]["reason"] == "RevisionInUse"


def told(*steps: Any) -> list[tuple[str, bool]]:
    """Reason and whether it warns, of the Events of the last step."""
    events = transitions(published(*steps[:-1]) if steps[:-1] else {}, published(*steps))
    return [(event.reason, event.warning) for event in events]


def test_every_transition_is_an_event() -> None:
    assert told((INSTALLING, 0)) == [("Installing", False), ("Reconciling", False)]
    assert told((INSTALLING, 0), (SETTLED, 1)) == [("Settled", False), ("Ready", False), ("NotReconciling", False)]
    freed = told((SETTLED, 0), (BLOCKED, 1, 2), (SETTLED, 2, 2))
    assert freed == [("Settled", False), ("Ready", False), ("NotRemovalBlocked", False), ("NotStalled", False)]


def test_what_a_user_must_know_warns() -> None:
    assert ("Stalled", True) in told((SETTLED, 0), (BLOCKED, 1, 2))
    assert ("RemovalBlocked", True) in told((SETTLED, 0), (BLOCKED, 1, 2))
    assert ("NotReady", True) in told((SETTLED, 0), (INSTALLING, 1))
    assert ("NotReady", False) in told((SETTLED, 0), (INSTALLING, 1, 2))


def test_at_rest_there_is_no_event() -> None:
    assert told((SETTLED, 0), (SETTLED, 60)) == []


def test_restarts_that_were_stopped_are_a_condition_and_a_warning_until_they_go_on() -> None:
    snapshot = seen()
    assert snapshot.mesh is not None
    stuck = msgspec.structs.replace(snapshot.mesh, restarts=Restarts("nights", stopped="Deployment shop/web is stuck"))
    during = status_of(SETTLED, DESIRED, msgspec.structs.replace(snapshot, mesh=stuck), {})
    after = status_of(SETTLED, DESIRED, snapshot, during)
    assert [conditions(each)["ProxyRestartsStopped"]["status"] for each in (during, after)] == ["True", "False"]
    assert conditions(during)["Ready"]["status"] == "True"
    warnings = {event.reason: event.note for event in transitions({}, during) if event.warning}
    assert warnings == {"ProxyRestartsStopped": "Deployment shop/web is stuck"}


def test_a_contested_autoscaler_is_a_condition_while_it_lasts_and_none_of_a_mesh_that_never_knew_it() -> None:
    contested = Plan("Canary", findings=(Finding("HPAContested", "tuner changed it 5 times"),))
    assert "HPAContested" not in conditions(published((SETTLED, 0)))
    during, after = (
        published((SETTLED, 0), (contested, 1)),
        published((SETTLED, 0), (contested, 1), (Plan("Canary"), 2)),
    )
    assert [conditions(status)["HPAContested"]["status"] for status in (during, after)] == ["True", "False"]
    assert conditions(during)["HPAContested"]["message"] == "tuner changed it 5 times"
    assert conditions(during)["Ready"]["status"] == "True"
    told = {event.reason: event.warning for event in (*transitions({}, during), *transitions(during, after))}
    assert (told["HPAContested"], told["NotHPAContested"]) == (True, False)
