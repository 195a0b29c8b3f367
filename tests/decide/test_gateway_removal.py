"""A gateway that an edit took out waits as a revision does: its Service has an address that no cloud gives back."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from test_gateways import DOOR, EDGE, SERVICE, SPACE, asked, deployment, pods, standing, with_gateway

from installed import NEW, OLD, changed, cluster, live, mesh, steps
from pilotage.decide.force import Mark, cleared, confirm_annotation, gateway_annotation
from pilotage.decide.gateway_removal import gateway_in_use, leaving_gateways
from pilotage.decide.plan import needs_guard, plan
from pilotage.decide.status import status_of
from pilotage.decide.transitions import transitions
from pilotage.domain.actions import Plan
from pilotage.domain.gateways import GatewayPlace
from pilotage.domain.istio import IstioGateway
from pilotage.domain.mesh import Mode
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.domain.state import Desired, Revision, Snapshot
from pilotage.edge.mesh import parse_mesh
from worlds import NOW, namespace, revision

PLACE = f"{SPACE}/{EDGE}"
ROUTE = IstioGateway("shop", "web", {"istio": EDGE}, ("shop.example.org",))
ASKED = {"spec": {"revisions": [{"name": "asm-1-30"}]}, "metadata": {}}


class Look(NamedTuple):
    """What is seen at so many minutes: the gateway is no longer asked for, unless `back`."""

    at: float
    used: bool = False
    back: bool = False
    marks: dict[str, str | None] = {}
    wiped: bool = False


def mark(of: str = PLACE, at: float = 0) -> Mark:
    return Mark("ann", NOW + timedelta(minutes=at), gateway=of)


CONFIRMED, FORCED = (gateway_annotation(mark(), force=force) for force in (False, True))
OTHER = confirm_annotation(Mark("ann", NOW, "asm-1-30"))
STAYS, GOES, WAITS, BACK = "stays", "goes", "is in use", "is asked for"


def story(looks: Iterable[Look]) -> list[tuple[Plan, Obj]]:
    """Each look, its status kept from one to the next as the API server would keep it."""
    status: Obj = {}
    told = []
    for look in looks:
        kept = {} if look.wiped else {key: value for key, value in status.items() if value is not None}
        desired, snapshot = seen(look, kept)
        made = plan(desired, snapshot)
        status = status_of(made, desired, snapshot, kept)
        told.append((made, status))
    return told


def seen(look: Look, kept: Obj) -> tuple[Desired, Snapshot]:
    resource = mesh("asm-1-30", soak="1h", annotations=look.marks, leaving=parse_mesh(ASKED | {"status": kept}).leaving)
    gateways = (DOOR,) if look.back else ()
    resource = changed(resource, spec=changed(resource.spec, gateways=list(gateways)))
    snapshot = cluster(
        namespace(SPACE),
        revision("asm-1-30"),
        live=live(OLD) | addressed(standing(OLD)),
        mesh=resource,
        now=NOW + timedelta(minutes=look.at),
        istio_gateways=(ROUTE,) if look.used else (),
    )
    return asked(OLD, gateways=gateways), snapshot


def addressed(there: dict[ObjectRef, Obj]) -> dict[ObjectRef, Obj]:
    there[SERVICE] |= {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}
    return there


def deletes(made: Plan) -> list[str]:
    return [step for step in steps(made) if step.startswith("delete")]


def told(made: Plan) -> str:
    codes = {finding.code for finding in made.findings}
    if deletes(made):
        assert steps(made)[0] == "delete Deployment edge-asm-1-30"
        return GOES
    assert made.phase == "Settled", "nothing else is held up by it"
    return WAITS if "GatewayInUse" in codes else STAYS if "GatewayLeaving" in codes else BACK


@pytest.mark.parametrize(
    ("looks", "words"),
    [
        pytest.param([Look(0), Look(59), Look(60)], [STAYS, STAYS, GOES], id="unused for the whole soak"),
        pytest.param(
            [Look(0), Look(50, used=True), Look(51), Look(110), Look(111)],
            [STAYS, WAITS, STAYS, STAYS, GOES],
            id="selected meanwhile, it starts anew",
        ),
        pytest.param([Look(0), Look(59, wiped=True), Look(118)], [STAYS] * 3, id="a lost status starts it anew"),
        pytest.param([Look(0), Look(40, back=True), Look(41), Look(100)], [STAYS, BACK, STAYS, STAYS], id="added back"),
        pytest.param([Look(1, marks=CONFIRMED)], [GOES], id="confirmed by a person"),
        pytest.param([Look(1, marks=CONFIRMED, used=True)], [WAITS], id="confirmed, but the guard still counts"),
        pytest.param([Look(30, marks=CONFIRMED)], [STAYS], id="confirmed too long ago"),
        pytest.param([Look(1, marks=OTHER)], [STAYS], id="a revision was confirmed"),
        pytest.param(
            [Look(1, marks=gateway_annotation(mark("other/edge"), force=False))],
            [STAYS],
            id="one elsewhere was confirmed",
        ),
        pytest.param([Look(1, marks=FORCED, used=True)], [GOES], id="forced past the guard"),
        pytest.param([Look(30, marks=FORCED, used=True)], [WAITS], id="forced too long ago"),
        pytest.param(
            [Look(1, marks=gateway_annotation(mark(EDGE), force=True), used=True)],
            [WAITS],
            id="a force without namespace",
        ),
    ],
)
def test_a_gateway_that_an_edit_took_out_goes_when_nothing_has_used_it_for_the_soak(
    looks: list[Look], words: list[str]
) -> None:
    assert [told(made) for made, _ in story(looks)] == words


def test_while_it_waits_the_mesh_stays_ready_and_says_what_is_lost_and_the_loop_knows_when_to_look() -> None:
    ((made, status),) = story([Look(0)])
    until = "2026-11-22T13:00:00Z"
    assert status["leavingGateways"] == [{"gateway": PLACE, "since": "2026-11-22T12:00:00Z", "until": until}]
    conditions = {each["type"]: each for each in status["conditions"]}
    assert (conditions["Ready"]["status"], conditions["GatewayLeaving"]["status"]) == ("True", "True")
    words = conditions["GatewayLeaving"]["message"]
    assert until in words
    assert "203.0.113.7" in words
    assert made.due == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("looks", "reason"),
    [
        pytest.param([Look(0)], "GatewayLeaving", id="begun"),
        pytest.param([Look(0), Look(1, back=True)], "RemovalCancelled", id="cancelled"),
        pytest.param([Look(0), Look(60)], "Removing", id="over"),
    ],
)
def test_each_turn_of_it_is_an_event(looks: list[Look], reason: str) -> None:
    statuses: list[Obj] = [{}, *(status for _, status in story(looks))]
    before = {key: value for key, value in statuses[-2].items() if value is not None}
    assert reason in {event.reason for event in transitions(before, statuses[-1])}


def test_its_mark_is_cleared_once_it_is_gone_and_not_before() -> None:
    _, snapshot = seen(Look(1, marks=CONFIRMED), {})
    assert not list(cleared(snapshot, (PLACE,)))
    assert len(list(cleared(snapshot, ()))) == 1


@pytest.mark.parametrize(
    ("selector", "uses"),
    [
        ({"istio": EDGE}, True),
        ({"app": "edge-asm-1-30"}, True),
        ({"istio": EDGE, "app": "edge-asm-1-30"}, True),
        ({"istio": "another"}, False),
        ({"istio": EDGE, "team": "shop"}, False),
        ({}, True),
    ],
)
def test_a_gateway_is_used_by_what_selects_its_pods(selector: dict[str, str], uses: bool) -> None:
    there = standing(OLD)
    labels = {"istio": EDGE, "app": "edge-asm-1-30"}
    there[deployment(OLD)] |= {"spec": {"template": {"metadata": {"labels": labels}}}}
    route = changed(ROUTE, selector=selector)
    snapshot = cluster(revision("asm-1-30"), live=live(OLD) | there, istio_gateways=(route,))
    assert bool(list(gateway_in_use(snapshot, GatewayPlace(EDGE, SPACE)))) == uses


def test_what_cannot_be_read_counts_as_use() -> None:
    snapshot = cluster(revision("asm-1-30"), live=standing(OLD), unknown={"istio_gateways": "denied"})
    (said,) = gateway_in_use(snapshot, GatewayPlace(EDGE, SPACE))
    assert (said.code, "denied" in said.message) == ("GatewayInUse", True)


def lone(*revisions: Revision, soak: str = "1h", **facts: Any) -> Snapshot:
    """The gateway stands in these revisions and nobody asks for it."""
    things = [each for of in revisions for each in (revision(of.name), pods(of))]
    there = live(*revisions, stable=revisions[0]) | standing(*revisions)
    resource = mesh(*(each.name for each in revisions), soak=soak)
    return cluster(namespace(SPACE), *things, **({"live": there, "mesh": resource} | facts))


def test_a_mesh_whose_control_plane_others_take_over_keeps_its_gateways() -> None:
    """Nothing of them is rendered any more, but they are still asked for."""
    seen = lone(OLD, soak="0s")
    asks = with_gateway(seen, DOOR)
    nothing = asked(OLD, gateways=())
    made = plan(changed(nothing, revisions=(changed(OLD, managed=False),), objects={}), asks)
    assert not [step for step in steps(made) if "edge" in step]
    assert not needs_guard(nothing, asks)


def test_one_in_another_namespace_than_asked_for_is_no_longer_asked_for() -> None:
    elsewhere = changed(DOOR, namespace="doors")
    seen = with_gateway(lone(OLD), elsewhere)
    made = plan(asked(OLD, gateways=(elsewhere,)), seen)
    assert {action.ref.namespace for action in made.now} <= {"", "doors"}
    assert [finding.subject for finding in made.findings] == [PLACE]


def test_a_canary_comes_while_a_gateway_waits_which_gets_no_pods_of_it() -> None:
    seen = changed(lone(OLD, NEW), live=live(OLD, NEW) | standing(OLD))
    made = plan(asked(OLD, NEW, gateways=()), seen)
    assert (made.phase, made.now, made.settled) == ("Canary", (), True)
    assert [finding.code for finding in made.findings] == ["GatewayLeaving"]


def test_disabling_by_an_edit_says_which_addresses_go_with_it_while_it_soaks() -> None:
    there, resource = live(OLD) | addressed(standing(OLD)), mesh("asm-1-30", soak="1h", mode=Mode.DISABLED)
    made = plan(asked(OLD, gateways=(), disabled=True), lone(OLD, live=there, mesh=resource))
    assert (made.phase, made.now) == ("RemovalSoaking", ())
    assert any("203.0.113.7" in finding.message for finding in made.findings if finding.code == "GatewayLeaving")


def test_without_the_resource_nothing_of_a_gateway_goes() -> None:
    assert not leaving_gateways(changed(lone(OLD), mesh=None))


def test_a_revision_keeps_the_gateway_that_leaves_if_the_other_has_none_that_could_take_its_traffic() -> None:
    desired = asked(NEW, gateways=())
    both = lone(OLD, NEW)
    alone = changed(both, mesh=mesh("asm-1-31", soak="1h"), live=live(OLD, NEW, stable=NEW) | standing(OLD))
    made = plan(desired, alone)
    assert (made.phase, made.now) == ("RemovalBlocked", ())
    assert {"GatewayNotReady", "GatewayLeaving"} <= {finding.code for finding in made.findings}
    gone = changed(alone, mesh=mesh("asm-1-31", soak="1h", annotations=CONFIRMED), now=NOW)
    made = plan(desired, gone)
    assert (made.phase, steps(made)[0]) == ("RemovalBlocked", "delete Deployment edge-asm-1-30")
