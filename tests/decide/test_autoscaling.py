"""The HPA rules of two revisions, a sentence of the guide each: stable's spec is the canary's, whoever edits."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from installed import MESH, NEW, OLD, changed, chart, cluster, live, mesh, steps, wanted
from pilotage.decide.autoscaling import with_corrections
from pilotage.decide.hpa_findings import hpa_findings
from pilotage.decide.inventory import held, stamped
from pilotage.decide.plan import plan
from pilotage.decide.putback import put_back
from pilotage.decide.replicas import handed_over
from pilotage.domain.actions import Apply, Patch, Plan
from pilotage.domain.mesh import Gateway, GatewayType
from pilotage.domain.names import gateway_part
from pilotage.domain.objects import Obj, ObjectRef, ref_of
from pilotage.domain.state import Desired, Revision, Snapshot
from worlds import NOW, revision

CPU = [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]
BOUNDS = {"minReplicas": 2, "maxReplicas": 5, "metrics": CPU}
ACT = "2026-11-22T11:59:00Z"  # of edits by others; what we wrote is older
STABLE, CANARY = f"HorizontalPodAutoscaler {MESH}/istiod-asm-1-30", f"HorizontalPodAutoscaler {MESH}/istiod-asm-1-31"


def hpa(part: Revision, *edits: tuple[str, Obj], spec: Obj = BOUNDS, **meta: Any) -> Obj:
    """As we made it, then edited: each (manager, fields it wrote); a field of None was taken away."""
    name = f"istiod-{part.name}"
    made = stamped(_rendered(part, spec), part.name, part.version)
    metadata = {**made["metadata"], "annotations": held(made)["metadata"]["annotations"], **meta}
    written = {key: "pilotage-create" for key in spec}
    body = dict(spec)
    for manager, fields in edits:
        body |= fields
        written |= dict.fromkeys(fields, manager)
    entries = [
        _entry(manager, [key for key, by in written.items() if by == manager and body[key] is not None], part)
        for manager in dict.fromkeys(written.values())
    ]
    values = {key: value for key, value in body.items() if value is not None} | {"scaleTargetRef": _target(name)}
    return made | {"metadata": metadata | {"managedFields": entries}, "spec": values}


def _rendered(part: Revision, spec: Obj = BOUNDS) -> Obj:
    name = f"istiod-{part.name}"
    meta = {"name": name, "namespace": MESH}
    body = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta}
    return body | {"spec": {**spec, "scaleTargetRef": _target(name)}}


def _target(name: str) -> Obj:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}


def _entry(manager: str, keys: list[str], part: Revision = OLD) -> Obj:
    made = "2026-10-01T08:00:00Z" if part is OLD else "2026-11-22T08:00:00Z"
    time = made if manager.startswith("pilotage") else ACT
    fields: Obj = {"f:spec": {f"f:{key}": {} for key in keys}}
    return {"manager": manager, "operation": "Update", "time": time, "fieldsV1": fields}


def asked(*revisions: Revision, scaled: bool = True) -> Desired:
    desired = wanted(*revisions)
    own = {each.name: (*chart(each.name), *([_rendered(each)] if scaled else [])) for each in revisions}
    return changed(desired, objects=desired.objects | own)


def both(*hpas: Obj, minutes: float = 0, **facts: Any) -> Snapshot:
    """Two revisions that stand, with these autoscalers."""
    there = live(OLD, NEW) | {ref_of(each): each for each in hpas}
    facts = {"mesh": mesh("asm-1-30", "asm-1-31"), "live": there, "now": NOW + timedelta(minutes=minutes)} | facts
    return cluster(revision("asm-1-30"), revision("asm-1-31"), **facts)


def planned(*hpas: Obj, **facts: Any) -> Plan:
    return plan(asked(OLD, NEW), both(*hpas, **facts))


def written(made: Plan) -> Obj:
    """What the plan changes of specs, by field; nothing but the canary's HPA."""
    patches = [action for action in made.now if isinstance(action, Patch)]
    assert len(patches) == len(made.now)
    assert all(str(patch.ref) == CANARY for patch in patches)
    return {key: value for patch in patches for key, value in patch.body["spec"].items()}


def told(made: Plan) -> list[str]:
    return [f"{event.reason}: {event.note}" for event in put_back(made, {})]


def codes(made: Plan) -> set[str]:
    return {finding.code for finding in made.findings}


EDIT = ("kubectl-edit", {"maxReplicas": 9})


def test_at_install_the_canarys_gets_stables_spec_but_for_the_target() -> None:
    mine = hpa(OLD, ("kubectl-edit", {"minReplicas": 3, "behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}))
    there = live(OLD) | {ref_of(mine): mine}
    made = plan(asked(OLD, NEW), cluster(revision("asm-1-30"), mesh=mesh("asm-1-30", "asm-1-31"), live=there))
    (create, _) = (action for action in made.now if action.ref.name == "istiod-asm-1-31" and str(action.ref) == CANARY)
    assert create.body["spec"] == mine["spec"] | {"scaleTargetRef": _target("istiod-asm-1-31")}  # type: ignore[union-attr]
    assert told(made) == [f"Copied: {CANARY} was not there: made with the spec of {STABLE}"]


def test_alike_they_are_left_in_peace() -> None:
    made = planned(hpa(OLD), hpa(NEW))
    assert (made.phase, made.settled, told(made)) == ("Canary", True, [])


def test_a_change_on_stable_reaches_the_canary_and_names_who_made_it() -> None:
    made = planned(hpa(OLD, EDIT), hpa(NEW))
    assert written(made) == {"maxReplicas": 9}
    assert told(made) == [
        f"Followed: {CANARY}: spec.maxReplicas 5 -> 9; follows {STABLE}, changed there by kubectl-edit at {ACT}"
    ]


def test_a_change_on_the_canary_is_put_back_and_says_whose_it_was_when_and_why() -> None:
    made = planned(hpa(OLD), hpa(NEW, EDIT))
    assert written(made) == {"maxReplicas": 5}
    why = f"for {STABLE} decides while both revisions live"
    assert told(made) == [f"PutBack: {CANARY}: spec.maxReplicas 9 by kubectl-edit at {ACT}; put back to 5, {why}"]


def test_each_of_two_editors_is_named_with_what_was_theirs() -> None:
    made = planned(hpa(OLD), hpa(NEW, EDIT, ("k9s", {"minReplicas": 1})))
    assert written(made) == {"maxReplicas": 5, "minReplicas": 2}
    assert [("kubectl-edit" in note, "k9s" in note) for note in told(made)] == [(True, False), (False, True)]


def test_what_was_added_on_the_canary_goes_and_what_was_taken_away_comes_back() -> None:
    policies = {"scaleUp": {"stabilizationWindowSeconds": 60}}
    made = planned(hpa(OLD), hpa(NEW, ("kubectl-edit", {"behavior": policies, "metrics": None})))
    assert written(made) == {"behavior": None, "metrics": CPU}
    assert any("spec.metrics absent by someone" in note for note in told(made))


def test_a_field_that_stable_got_is_stables_change_though_nobody_holds_it_on_the_canary() -> None:
    made = planned(hpa(OLD, ("kubectl-edit", {"behavior": {"scaleUp": {"selectPolicy": "Min"}}})), hpa(NEW))
    assert told(made)[0].startswith("Followed")


def test_nothing_but_what_differs_is_written_below_a_field_too() -> None:
    def behavior(seconds: int) -> Obj:
        return {"behavior": {"scaleDown": {"stabilizationWindowSeconds": seconds, "selectPolicy": "Max"}}}

    made = planned(hpa(OLD, spec=BOUNDS | behavior(300)), hpa(NEW, spec=BOUNDS | behavior(60)))
    assert written(made) == {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}}}


def test_an_hpa_deleted_on_the_canary_returns_as_stables() -> None:
    made = planned(hpa(OLD, EDIT))
    assert steps(made) == ["apply HorizontalPodAutoscaler istiod-asm-1-31"] * 2
    assert made.now[0].body["spec"]["maxReplicas"] == 9  # type: ignore[union-attr]


def test_one_deleted_on_stable_returns_as_the_canarys_copy_of_it() -> None:
    made = planned(hpa(NEW, spec=BOUNDS | {"maxReplicas": 9}))
    assert {action.ref.name for action in made.now} == {"istiod-asm-1-30"}
    assert made.now[0].body["spec"]["maxReplicas"] == 9  # type: ignore[union-attr]


def test_the_survivor_keeps_its_own() -> None:
    there = live(NEW, stable=NEW) | {ref_of(each): each for each in (hpa(NEW, EDIT),)}
    made = plan(asked(NEW), cluster(revision("asm-1-31"), live=there))
    assert (made.phase, made.now) == ("Settled", ())


def test_once_a_removal_is_decided_the_survivor_follows_no_more() -> None:
    there = live(OLD, NEW) | {ref_of(each): each for each in (hpa(OLD, EDIT), hpa(NEW))}
    made = plan(asked(OLD), cluster(revision("asm-1-30"), revision("asm-1-31"), mesh=mesh("asm-1-30"), live=there))
    assert not any(isinstance(action, Patch) for action in made.now)


def test_without_an_hpa_on_stable_the_canarys_is_its_own() -> None:
    desired = asked(OLD, NEW)
    objects = desired.objects | {"asm-1-30": chart("asm-1-30")}
    made = plan(changed(desired, objects=objects), both(hpa(NEW, EDIT)))
    assert (made.now, codes(made)) == ((), {"HPALeftAlone"})


def test_nothing_is_copied_while_a_control_plane_of_somebody_else_is_in_the_way() -> None:
    theirs = {ref_of(obj): obj for obj in chart("asm-1-31")}
    made = planned(hpa(OLD, EDIT), hpa(NEW), live=live(OLD) | theirs)
    assert (made.phase, made.now) == ("Blocked", ())


SCALED = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "istiod", "controller": True, "uid": "1"}


@pytest.mark.parametrize(
    ("hpas", "owner"),
    [
        pytest.param((hpa(OLD), hpa(NEW, ("argocd-controller", {"maxReplicas": 9}))), "Argo CD", id="Git's on canary"),
        pytest.param((hpa(OLD, EDIT, ownerReferences=[SCALED]), hpa(NEW)), "ScaledObject", id="KEDA's on stable"),
        pytest.param((hpa(OLD), hpa(NEW, EDIT, ownerReferences=[SCALED])), "ScaledObject", id="KEDA's on canary"),
    ],
)
def test_what_somebody_else_keeps_is_left_alone_and_said(hpas: tuple[Obj, ...], owner: str) -> None:
    made = planned(*hpas)
    assert made.now == ()
    (finding,) = (finding for finding in made.findings if finding.code == "HPALeftAlone")
    assert f"kept by {owner}" in finding.message
    assert "spec.maxReplicas" in finding.message


def test_what_git_changes_on_stable_reaches_the_canary() -> None:
    assert written(planned(hpa(OLD, ("argocd-controller", {"maxReplicas": 9})), hpa(NEW))) == {"maxReplicas": 9}


def test_an_hpa_of_a_stable_that_others_installed_is_followed_too() -> None:
    theirs = hpa(OLD, EDIT)
    theirs["metadata"]["labels"] = {}
    desired = asked(changed(OLD, managed=False), NEW)
    objects = {part: objects for part, objects in desired.objects.items() if part != "asm-1-30"}
    there = live(NEW) | {ref_of(each): each for each in (hpa(NEW),)}
    made = plan(changed(desired, objects=objects), both(live=there, autoscalers=(theirs,)))
    assert written(made) == {"maxReplicas": 9}


def keda(revision: Revision) -> Obj:
    meta = {"name": f"keda-hpa-{revision.name}", "namespace": MESH, "ownerReferences": [SCALED]}
    return _rendered(revision) | {"metadata": meta}


def test_keda_in_place_of_our_hpa_is_not_copied_and_the_finding_names_what_to_make() -> None:
    made = plan(asked(OLD, NEW, scaled=False), both(autoscalers=(keda(OLD),)))
    (finding,) = made.findings
    assert (made.now, finding.code) == ((), "HPALeftAlone")
    assert "ScaledObject istiod" in finding.message
    assert "istiod-asm-1-31" in finding.fix


def test_an_hpa_of_ours_that_was_given_away_is_not_touched() -> None:
    mine = hpa(NEW, EDIT)
    del mine["metadata"]["labels"]["pilotage.dev/managed"]
    assert not any(isinstance(action, Patch) for action in planned(hpa(OLD), mine).now)


@pytest.mark.parametrize(("least", "said"), [(1, True), (None, True), (2, False)])
def test_fewer_than_two_replicas_are_a_finding(least: int | None, said: bool) -> None:
    spec = {key: value for key, value in (BOUNDS | {"minReplicas": least}).items() if value is not None}
    made = planned(hpa(OLD, spec=spec), hpa(NEW, spec=spec))
    found = [finding for finding in made.findings if finding.code == "HPAMinReplicas"]
    assert [finding.subject for finding in found] == ([STABLE] if said else [])


@pytest.mark.parametrize(
    ("values", "patched"),
    [
        pytest.param(
            {"pilot": {"autoscaleMin": 4, "autoscaleMax": 8}}, {"minReplicas": 4, "maxReplicas": 8}, id="both"
        ),
        pytest.param({"autoscaleMax": 8}, {"maxReplicas": 8}, id="flat"),
        pytest.param({"autoscaleMax": 5}, None, id="as it is"),
        pytest.param({"autoscaleMax": 8, "pilot": {"autoscaleMax": 5}}, None, id="pilot wins, as in the chart"),
        pytest.param({"autoscaleMax": 5, "autoscaleBehavior": {}}, None, id="no behavior"),
        pytest.param({}, None, id="no values"),
    ],
)
def test_helm_values_that_came_too_late_are_a_finding_with_the_command(values: Obj, patched: Obj | None) -> None:
    resource = mesh("asm-1-30", "asm-1-31")
    resource = changed(resource, spec=changed(resource.spec, values=values))
    found = [each for each in planned(hpa(OLD), hpa(NEW), mesh=resource).findings if each.code == "HPAValuesIgnored"]
    if patched is None:
        assert found == []
    else:
        body = msgspec.json.encode({"spec": patched}).decode()
        assert [each.fix for each in found] == [f"kubectl patch hpa istiod-asm-1-30 -n {MESH} --type=merge -p '{body}'"]


def fought(times: int, manager: str = "tuner") -> tuple[Obj, Plan]:
    """The canary's HPA after so many corrections against one manager, each edit at once after the last."""
    mine = hpa(NEW)
    for _ in range(times):
        mine = edited(mine, manager)
        made = planned(hpa(OLD), mine)
        mine = corrected(mine, made)
    return mine, planned(hpa(OLD), edited(mine, manager))


def edited(mine: Obj, manager: str) -> Obj:
    return hpa(NEW, (manager, {"maxReplicas": 9}), annotations=mine["metadata"]["annotations"])


def corrected(mine: Obj, made: Plan) -> Obj:
    (patch,) = made.now
    notes = mine["metadata"]["annotations"] | patch.body["metadata"]["annotations"]  # type: ignore[union-attr]
    return hpa(NEW, annotations=notes)


def test_five_corrections_against_one_manager_come_at_once_and_the_sixth_waits() -> None:
    assert [bool(fought(times)[1].now) for times in range(7 - 1)] == [True] * 5 + [False]
    mine, made = fought(5)
    assert made.again == NOW + timedelta(seconds=30)
    (finding,) = (finding for finding in made.findings if finding.code == "HPAContested")
    assert finding.message.startswith(f"tuner changed {CANARY} 5 times")
    later = planned(hpa(OLD), edited(mine, "tuner"), minutes=0.5)
    assert written(later) == {"maxReplicas": 5}


def test_while_one_manager_waits_another_and_stable_do_not() -> None:
    """What is written then is all of stable's: a half could be refused, as a minimum above a maximum that waits."""
    notes = fought(5)[0]["metadata"]["annotations"]
    theirs = hpa(NEW, ("tuner", {"maxReplicas": 9}), ("k9s", {"minReplicas": 7}), annotations=notes)
    assert written(planned(hpa(OLD), theirs)) == {"maxReplicas": 5, "minReplicas": 2}
    low = hpa(NEW, ("tuner", {"maxReplicas": 3}), annotations=notes)
    higher = hpa(OLD, ("kubectl-edit", {"minReplicas": 4}))
    assert written(planned(higher, low)) == {"maxReplicas": 5, "minReplicas": 4}


def test_a_contest_that_rests_is_over_and_the_count_begins_anew() -> None:
    mine, _ = fought(5)
    assert "HPAContested" in codes(planned(hpa(OLD), mine, minutes=9))
    assert "HPAContested" not in codes(planned(hpa(OLD), mine, minutes=10))
    assert written(planned(hpa(OLD), edited(mine, "tuner"), minutes=10)) == {"maxReplicas": 5}


def test_the_pause_grows_but_stable_wins_within_minutes() -> None:
    pauses = []
    mine, minutes = fought(5)[0], 0.0
    for _ in range(6):
        waiting = planned(hpa(OLD), edited(mine, "tuner"), minutes=minutes)
        assert waiting.again is not None
        pauses.append((waiting.again - NOW - timedelta(minutes=minutes)).total_seconds())
        minutes += pauses[-1] / 60
        mine = corrected(mine, planned(hpa(OLD), edited(mine, "tuner"), minutes=minutes))
    assert pauses == [30, 60, 120, 240, 300, 300]


@pytest.mark.parametrize(
    "note", ["", "{}", "[]", "not JSON", '{"tuner":{"count":9,"last":"2027-01-01T00:00:00Z"}}', '{"tuner":{"count":9}}']
)
def test_whatever_stands_in_the_note_stable_wins_in_the_end(note: str) -> None:
    annotations = hpa(NEW)["metadata"]["annotations"] | {"pilotage.dev/put-back": note}
    mine = hpa(NEW, ("tuner", {"maxReplicas": 9}), annotations=annotations)
    at_once = planned(hpa(OLD), mine)
    assert at_once.now or at_once.again == NOW + timedelta(minutes=5)


SPECS = st.fixed_dictionaries(
    {"minReplicas": st.integers(1, 4), "maxReplicas": st.integers(4, 9)},
    optional={
        "metrics": st.just(CPU),
        "behavior": st.dictionaries(
            st.sampled_from(["scaleUp", "scaleDown"]),
            st.fixed_dictionaries({}, optional={"stabilizationWindowSeconds": st.integers(0, 2)}),
        ),
    },
)


@settings(max_examples=40, deadline=None)
@given(SPECS, SPECS)
def test_two_fast_edits_on_both_sides_end_in_stables(stable: Obj, canary: Obj) -> None:
    """In one write, whatever they were; and then it is silent."""
    mine = hpa(OLD, ("kubectl-edit", stable))
    made = planned(mine, hpa(NEW, ("kubectl-edit", canary)))
    after = merged(hpa(NEW, ("kubectl-edit", canary))["spec"], made.now[0].body["spec"]) if made.now else None  # type: ignore[union-attr]
    if after is not None:
        assert {**after, "scaleTargetRef": 0} == {**mine["spec"], "scaleTargetRef": 0}
        assert (
            planned(mine, hpa(NEW, spec={key: value for key, value in after.items() if key != "scaleTargetRef"})).now
            == ()
        )


def merged(under: Obj, over: Obj) -> Obj:
    """JSON merge patch, RFC 7396."""
    result = dict(under)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key) or {}, value) if isinstance(value, dict) else value
    return result


REPLICAS = ObjectRef("apps/v1", "Deployment", MESH, "istiod-asm-1-30")


def scaled_by_another(*, applied: bool) -> Plan:
    """The chart says one replica, KEDA scales; `applied`: we wrote that one before KEDA came."""
    desired = asked(OLD, scaled=False)
    (deployment,) = (obj for obj in desired.objects["asm-1-30"] if obj["kind"] == "Deployment")
    with_one = deployment | {"spec": {"replicas": 1}}
    objects = [with_one if obj is deployment else obj for obj in desired.objects["asm-1-30"]]
    standing = held(stamped(with_one, "asm-1-30", OLD.version)) | {"spec": {"replicas": 3}}
    entry = _entry("pilotage", ["replicas"])
    metadata = standing["metadata"] | {"managedFields": [entry], "resourceVersion": "7"}
    there = live(OLD) | ({REPLICAS: standing | {"metadata": metadata}} if applied else {})
    if not applied:
        del there[REPLICAS]
    desired = changed(desired, objects=desired.objects | {"asm-1-30": tuple(objects)})
    return plan(desired, cluster(revision("asm-1-30"), mesh=mesh("asm-1-30"), live=there, autoscalers=(keda(OLD),)))


def test_replicas_are_not_written_where_an_hpa_exists_whoever_made_it() -> None:
    (create,) = scaled_by_another(applied=False).now
    assert create.body.get("spec", {}) == {}  # type: ignore[union-attr]


def test_replicas_that_were_applied_before_are_handed_over_before_they_are_left_out() -> None:
    over, without = scaled_by_another(applied=True).now
    assert (over.body["spec"], over.manager) == ({"replicas": 3}, "pilotage-create")  # type: ignore[union-attr]
    assert over.body["metadata"]["resourceVersion"] == "7"  # type: ignore[union-attr]
    assert without.body["spec"] == {}  # type: ignore[union-attr]


def gateway(part: Revision, most: int) -> Obj:
    """Its HPA, as it is installed for each gateway of each revision."""
    name = f"ingress-{part.name}"
    meta = {"name": name, "namespace": "edge"}
    body = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta}
    body |= {"spec": BOUNDS | {"maxReplicas": most, "scaleTargetRef": _target(name)}}
    return stamped(body, gateway_part(part.name, "ingress"), part.version)


def test_the_hpa_of_a_gateway_follows_that_of_the_same_gateway() -> None:
    desired = asked(OLD, NEW)
    made = with_corrections(Plan("Canary"), desired, both(hpa(OLD), hpa(NEW), gateway(OLD, 9), gateway(NEW, 4)))
    (patch,) = made.now
    assert isinstance(patch, Patch)
    assert (patch.ref.name, patch.body["spec"]) == ("ingress-asm-1-31", {"maxReplicas": 9})


def test_helm_values_of_a_gateway_that_came_too_late_are_a_finding_too() -> None:
    resource = mesh("asm-1-30")
    values = {"autoscaling": {"minReplicas": 2, "maxReplicas": 30}}
    asked_for = [Gateway("ingress", GatewayType.EXTERNAL, "edge", values=values)]
    resource = changed(resource, spec=changed(resource.spec, gateways=asked_for))
    (finding,) = hpa_findings(both(hpa(OLD), gateway(OLD, 9), mesh=resource), "asm-1-30")
    assert finding.fix == """kubectl patch hpa ingress-asm-1-30 -n edge --type=merge -p '{"spec":{"maxReplicas":30}}'"""


def test_replicas_are_handed_over_once_though_the_deployment_may_not_be_applied_yet() -> None:
    _, without = scaled_by_another(applied=True).now
    assert isinstance(without, Apply)
    entries = [_entry(manager, ["replicas"]) for manager in ("pilotage", "pilotage-create")]
    metadata = without.body["metadata"] | {"managedFields": entries}
    standing = without.body | {"spec": {"replicas": 3}, "metadata": metadata}
    seen = both(live={REPLICAS: standing}, autoscalers=(keda(OLD),))
    assert list(handed_over([without.body], seen)) == []
