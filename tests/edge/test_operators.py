"""Is an operator there: installed and at work, installed and down, or none at all."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from loopback_api import Asked, Reply, serving, status

from pilotage.edge.operators import Operator, find_operator

NOW = datetime(2026, 10, 20, 12, 0, tzinfo=UTC)


def lease(holder: str, renewed: str) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": "1"}, "spec": {"holderIdentity": holder, "renewTime": renewed}}


def deployment(available: int, wanted: int = 1) -> dict[str, Any]:
    meta = {"name": "pilotage", "namespace": "tools", "resourceVersion": "1"}
    return {"metadata": meta, "spec": {"replicas": wanted}, "status": {"availableReplicas": available}}


def look(folder: Path, held: dict[str, Any] | None, *installed: dict[str, Any], denied: bool = False) -> Operator:
    def respond(asked: Asked) -> Reply:
        if asked.path.endswith("/leases/pilotage"):
            return Reply(held) if held else status(404, "NotFound", "not found")
        assert asked.query["labelSelector"] == "app.kubernetes.io/name=pilotage"
        if denied:
            return status(403, "Forbidden", "no")
        return Reply({"items": list(installed), "metadata": {"resourceVersion": "1"}})

    with serving(respond) as api:
        return find_operator(api.connect(folder), "istio-system", NOW)


JUST_NOW, LONG_AGO = "2026-10-20T11:59:30.000000Z", "2026-10-20T11:00:00.000000Z"
WHERE = "the operator (Deployment tools/pilotage)"


@pytest.mark.parametrize(
    ("held", "installed", "seen"),
    [
        pytest.param(None, [], Operator(), id="no-trace-of-one"),
        pytest.param(lease("operator:pod-1:x", JUST_NOW), [], Operator("the operator pod-1", True), id="that-renews"),
        pytest.param(
            lease("operator:pod-1:x", LONG_AGO),
            [],
            Operator("the operator pod-1", False, f"it last renewed Lease istio-system/pilotage at {LONG_AGO}"),
            id="that-left-its-name",
        ),
        pytest.param(
            lease("operator:pod-1:x", LONG_AGO),
            [deployment(0)],
            Operator(WHERE, False, "0 of 1 pods are available"),
            id="whose-pods-are-down",
        ),
        pytest.param(
            lease("verb:jane@laptop:1:x", JUST_NOW),
            [deployment(2, wanted=2)],
            Operator(WHERE, True, "2 of 2 pods are available"),
            id="that-stands-by-while-a-verb-works",
        ),
        pytest.param(lease("verb:jane@laptop:1:x", JUST_NOW), [], Operator(), id="but-only-a-verb"),
    ],
)
def test_an_operator_is_told_from_none(
    tmp_path: Path, held: dict[str, Any] | None, installed: list[dict[str, Any]], seen: Operator
) -> None:
    assert look(tmp_path, held, *installed) == seen


def test_who_may_not_list_deployments_goes_by_the_lease(tmp_path: Path) -> None:
    assert look(tmp_path, None, denied=True) == Operator()
    assert look(tmp_path, lease("operator:pod-1:x", LONG_AGO), denied=True).where == "the operator pod-1"
