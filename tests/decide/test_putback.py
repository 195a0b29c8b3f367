"""An edit that the loop undoes is told: what, who and when."""

from typing import Any

import pytest

from pilotage.decide.inventory import held, stamped
from pilotage.decide.putback import put_back
from pilotage.domain.actions import Apply, Plan
from pilotage.domain.objects import Obj, ref_of
from pilotage.domain.version import Version

STRATEGY = {"type": "RollingUpdate"}
CHART: Obj = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "istiod-asm-1-30", "namespace": "istio-system"},
    "spec": {
        "strategy": {"type": "RollingUpdate"},
        "template": {"spec": {"containers": [{"name": "d", "image": "a"}]}},
    },
}


def wanted(chart: Obj = CHART) -> Obj:
    return held(stamped(chart, "asm-1-30", Version(1, 30, 2)))


def edited(spec: Any, *entries: Obj) -> Obj:
    body = wanted()
    return body | {"spec": spec, "metadata": body["metadata"] | {"managedFields": list(entries)}}


def entry(manager: str, fields: Any, time: str = "2026-11-22T11:59:00Z") -> Obj:
    return {"manager": manager, "operation": "Update", "time": time, "fieldsV1": {"f:spec": fields}}


def told(live: Obj, body: Obj) -> list[str]:
    made = Plan("Installing", now=(Apply(body, "asm-1-30: as its chart says"),))
    return [event.note for event in put_back(made, {ref_of(live): live})]


IMAGE: Obj = {"strategy": STRATEGY, "template": {"spec": {"containers": [{"name": "d", "image": "b"}]}}}
IMAGE_FIELD: Obj = {"f:template": {"f:spec": {"f:containers": {'k:{"name":"d"}': {"f:image": {}}}}}}


def test_an_edit_names_its_field_its_author_and_its_time() -> None:
    (note,) = told(edited(IMAGE, entry("kubectl-edit", IMAGE_FIELD)), wanted())
    assert note == (
        "Deployment istio-system/istiod-asm-1-30: spec.template.spec.containers[d].image changed by kubectl-edit "
        "at 2026-11-22T11:59:00Z; put back (asm-1-30: as its chart says)"
    )


def test_of_two_authors_the_last_is_named() -> None:
    older = entry("helm", IMAGE_FIELD, "2026-11-22T08:00:00Z")
    (note,) = told(edited(IMAGE, older, entry("kubectl-patch", IMAGE_FIELD)), wanted())
    assert "by kubectl-patch" in note


def test_an_item_that_was_taken_away_is_laid_at_the_door_of_who_holds_the_rest_of_its_list() -> None:
    gone = {"strategy": STRATEGY, "template": {"spec": {"containers": [{"name": "other"}]}}}
    other: Obj = {"f:template": {"f:spec": {"f:containers": {'k:{"name":"other"}': {}}}}}
    (note,) = told(edited(gone, entry("kubectl-patch", other)), wanted())
    assert "containers[d] changed by kubectl-patch" in note


def test_a_field_that_was_taken_away_has_no_author() -> None:
    (note,) = told(edited({"template": IMAGE["template"] | {}}, entry("kubectl-edit", {"f:paused": {}})), wanted())
    assert "changed by someone; put back" in note


@pytest.mark.parametrize(
    ("live", "body"),
    [
        pytest.param(edited(CHART["spec"]), wanted(), id="an object that is as it was applied"),
        pytest.param(
            edited(CHART["spec"]), wanted(CHART | {"spec": IMAGE}), id="a chart that says something else than before"
        ),
        pytest.param(CHART | {"spec": IMAGE}, wanted(), id="an object of somebody else"),
    ],
)
def test_nothing_is_told_of(live: Obj, body: Obj) -> None:
    assert told(live, body) == []


def test_the_same_edit_again_is_the_same_event_though_its_time_differs() -> None:
    def key(time: str) -> str:
        live = edited(IMAGE, entry("argocd-controller", IMAGE_FIELD, time))
        (event,) = put_back(Plan("Installing", now=(Apply(wanted(), "x"),)), {ref_of(live): live})
        return event.key

    assert key("2026-11-22T11:00:00Z") == key("2026-11-22T11:00:05Z")
