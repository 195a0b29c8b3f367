"""Alerts, dashboard and documents name metrics that exist; the health check of Argo CD judges as promised."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from lupa import LuaRuntime
from tools.generate import ROOT

from pilotage.decide.gauges import of_plan, of_status, of_survey
from pilotage.domain.actions import Plan
from pilotage.domain.findings import Finding
from pilotage.domain.objects import Obj
from pilotage.domain.state import Revision
from pilotage.domain.version import Version
from pilotage.faces.operator.metrics import MESH, Metrics, documented
from worlds import NOW, deployment, namespace, revision, world

ALERTS = yaml.safe_load((ROOT / "deploy/monitoring/alerts.yaml").read_text())
DASHBOARD = json.loads((ROOT / "deploy/monitoring/dashboard.json").read_text())
RULES = [rule for group in ALERTS["spec"]["groups"] for rule in group["rules"]]
NAME = re.compile(r"\b((?:pilotage|process)_[a-z_]+)\b")
SELECTED = re.compile(r"\b(pilotage_[a-z_]+)\{([^}]*)\}")
GROUPED = re.compile(r"\b(?:by|on) \(([^)]*)\)")


def known() -> dict[str, set[str]]:
    """Every name that may stand in a query -> its labels."""
    return {row.name + ending: {*row.labels, "instance"} for row in documented() for ending in endings(row.name)}


def endings(metric: str) -> tuple[str, ...]:
    """Of the names under which Prometheus keeps it."""
    histograms = {family.name for family in Metrics("1").registry.collect() if family.type == "histogram"}
    return ("_bucket", "_count", "_sum") if metric in histograms else ("",)


def queries() -> Iterator[Any]:
    for rule in RULES:
        yield pytest.param(rule["expr"], id=rule["alert"])
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")


@pytest.mark.parametrize("query", list(queries()))
def test_a_query_asks_for_metrics_and_labels_that_exist(query: str) -> None:
    names, labels = set(NAME.findall(query)), known()
    assert names
    assert names <= labels.keys()
    for name, selectors in SELECTED.findall(query):
        assert set(re.findall(r"(\w+)\s*[=!]~?", selectors)) <= labels[name]
    allowed = set[str]().union(*(labels[name] for name in names)) | {"le"}
    for group in GROUPED.findall(query):
        assert {label.strip() for label in group.split(",")} <= allowed


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do_next_and_is_explained(rule: Obj) -> None:
    assert rule["annotations"]["next"].startswith(("pilotage ", "kubectl "))
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert f"`{rule['alert']}`" in (ROOT / "docs/operator.md").read_text()


def test_every_alert_is_named_once() -> None:
    names = [rule["alert"] for rule in RULES]
    assert sorted(set(names)) == sorted(names)


def test_what_is_documented_is_what_the_registry_holds() -> None:
    registered = {family.name for family in Metrics("1").registry.collect() if family.name.startswith("pilotage_")}
    told = {row.name.removesuffix("_total") for row in documented() if row.name.startswith("pilotage_")}
    assert told == registered


def test_every_gauge_of_the_mesh_is_declared_with_its_labels_and_all_of_them_are_told() -> None:
    seen = world(revision("1-30"), namespace("shop"), deployment("shop", "web", on="1-30"))
    condition = {"type": "Ready", "status": "False", "reason": "Installing", "lastTransitionTime": NOW.isoformat()}
    findings = [Finding("IstiodNotAvailable", "0 of 1")]
    told = [
        *of_status({"phase": "Installing", "conditions": [condition]}, NOW),
        *of_plan(Plan("Installing"), (Revision("1-30", Version(1, 30, 2)),), seen),
        *of_survey(seen, findings),
    ]
    declared = {gauge.name: gauge.labels for gauge in MESH}
    assert {gauge.name for gauge in told} == declared.keys()
    assert all(len(gauge.labels) == len(declared[gauge.name]) for gauge in told)
    assert not set().union(*declared.values()) & {"pod", "namespace"}


def test_a_revision_that_is_gone_leaves_no_number_behind() -> None:
    metrics = Metrics("1")
    metrics.tell("survey", of_survey(world(revision("1-30"), revision("1-31")), ()))
    metrics.tell("survey", of_survey(world(revision("1-31")), ()))
    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    assert {sample.labels["revision"] for sample in samples if "revision" in sample.labels} == {"1-31"}


def test_only_the_operator_loads_the_library_of_metrics() -> None:
    verbs = "main", "status", "tag", "upgrade", "version"
    program = f"import sys, {', '.join(f'pilotage.faces.cli.{verb}' for verb in verbs)}; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert "pilotage.faces.cli.status" in loaded
    assert "prometheus_client" not in loaded


def mesh(observed: int | None, *conditions: tuple[str, str]) -> Obj:
    listed = [{"type": kind, "status": status, "reason": "Why", "message": "words"} for kind, status in conditions]
    status = {"status": {"observedGeneration": observed, "conditions": listed}} if observed else {}
    return {"metadata": {"generation": 2}} | status


@pytest.mark.parametrize(
    ("obj", "verdict"),
    [
        pytest.param(mesh(None), "Progressing", id="a mesh that no operator has seen"),
        pytest.param(mesh(1, ("Ready", "True")), "Progressing", id="an edit that no operator has seen"),
        pytest.param(mesh(2, ("Ready", "True"), ("Stalled", "False")), "Healthy", id="a mesh that is ready"),
        pytest.param(mesh(2, ("Ready", "False"), ("Reconciling", "True")), "Progressing", id="a mesh that moves"),
        pytest.param(mesh(2, ("Ready", "False"), ("Stalled", "True")), "Degraded", id="a mesh that waits for a user"),
    ],
)
def test_argo_cd_judges(obj: Obj, verdict: str) -> None:
    lua = LuaRuntime()
    lua.globals().obj = lua.table_from(obj, recursive=True)
    health = lua.execute((ROOT / "deploy/gitops/argocd-health.lua").read_text())
    assert health.status == verdict
    assert health.message
