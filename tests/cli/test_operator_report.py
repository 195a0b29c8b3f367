"""What the loop tells becomes lines and numbers: each thing once, and nothing at rest."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from pilotage.domain.actions import Apply, Delete, Plan, Wait
from pilotage.domain.errors import MeshError, Refused, Retry, Unreachable
from pilotage.domain.objects import ObjectRef
from pilotage.faces.operator.logs import Log
from pilotage.faces.operator.metrics import Metrics
from pilotage.faces.operator.pulse import Pulse
from pilotage.faces.operator.report import Exchanges, Report
from worlds import NOW

SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "istiod", "namespace": "mesh", "labels": {"pilotage.dev/part": "1-30"}},
}


class Loop:
    """A Reconciler whose steps are told to it."""

    looked = None

    def __init__(self, *outcomes: Plan | MeshError) -> None:
        self.outcomes = list(outcomes)
        self.status: Any = {"phase": "Settled"}

    def clock(self) -> datetime:
        return NOW

    def step(self, done: Callable[[Any], None]) -> Plan:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, MeshError):
            raise outcome
        for action in outcome.now:
            done(action)
        return outcome


@pytest.fixture
def report() -> Report:
    return Report(Log("json"), Metrics("1"), Pulse())


def run(report: Report, *outcomes: Plan | MeshError) -> None:
    loop = Loop(*outcomes)
    while loop.outcomes:
        try:
            report.step(loop)  # type: ignore[arg-type]
        except MeshError as error:
            report.failed("cannot reconcile", error)


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def value(report: Report, name: str, **labels: str) -> float | None:
    return report.metrics.registry.get_sample_value(name, labels)


def test_at_rest_there_is_one_line_however_often_the_loop_looks(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    run(report, *[Plan("Settled")] * 5)
    assert [line["event"] for line in said(capsys)] == ["looked"]
    assert value(report, "pilotage_reconciles_total", result="success") == 5
    assert value(report, "pilotage_mesh_phase", phase="Settled") == 1


def test_what_is_waited_for_is_said_when_it_changes(report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (Plan("Installing", waits=(Wait("istiod", cause),)) for cause in ("starts", "pulls"))
    run(report, first, first, second, Plan("Settled"))
    assert [line.get("waits", "") for line in said(capsys)] == ["istiod: starts", "istiod: pulls", ""]


def test_a_write_says_what_it_wrote_and_why(report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    gone = Delete(ObjectRef("v1", "ConfigMap", "mesh", "values"), "no longer in its chart")
    run(report, Plan("Installing", now=(Apply(SERVICE, "as its chart says"), gone)))
    service, values, _ = said(capsys)
    assert (service["object"], service["revision"], service["action"]) == ("Service mesh/istiod", "1-30", "Apply")
    assert (values["object"], values["why"]) == ("ConfigMap mesh/values", "no longer in its chart")
    assert value(report, "pilotage_writes_total", verb="apply", result="success") == 1
    assert value(report, "pilotage_writes_total", verb="delete", result="success") == 1


@pytest.mark.parametrize(
    ("error", "result"),
    [(Refused("no"), "refused"), (Retry("later"), "retry"), (Unreachable("nobody"), "unreachable")],
)
def test_a_failure_is_said_once_and_counted_each_time(
    report: Report, capsys: pytest.CaptureFixture[str], error: MeshError, result: str
) -> None:
    run(report, *[error] * 3)
    assert [line["event"] for line in said(capsys)] == ["cannot reconcile"]
    assert value(report, "pilotage_reconciles_total", result=result) == 3
    assert value(report, "pilotage_last_successful_step_timestamp_seconds") == 0


def test_when_it_works_again_it_says_so(report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    run(report, Plan("Settled"), Unreachable("nobody"), Plan("Settled"), Unreachable("nobody"))
    events = [line["event"] for line in said(capsys)]
    assert events == ["looked", "cannot reconcile", "looked", "cannot reconcile"]


def test_who_does_not_lead_any_more_tells_nothing_of_the_mesh(report: Report) -> None:
    with report.leading("operator:a:1"):
        run(report, Plan("Settled"))
        assert value(report, "pilotage_leader") == 1
        assert value(report, "pilotage_mesh_phase", phase="Settled") == 1
    assert value(report, "pilotage_leader") == 0
    assert value(report, "pilotage_mesh_phase", phase="Settled") is None


def test_requests_are_counted_by_verb_and_code_and_an_answer_is_a_sign_of_life(report: Report) -> None:
    exchanges = Exchanges(report.metrics, report.pulse)
    exchanges.answered("list", 200, 0.01)
    exchanges.answered("list", 0, 30.0)
    exchanges.watch_restarted("expired")
    assert value(report, "pilotage_api_requests_total", verb="list", code="200") == 1
    assert value(report, "pilotage_api_requests_total", verb="list", code="none") == 1
    assert value(report, "pilotage_api_request_duration_seconds_count", verb="list") == 2
    assert value(report, "pilotage_watch_restarts_total", reason="expired") == 1
    assert "has not answered" in report.pulse.deaf()
    exchanges.answered("get", 404, 0.01)
    assert report.pulse.deaf() == ""
