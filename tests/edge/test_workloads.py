"""What is read of workloads: whether a restart of them is done, and what their pods would carry."""

from typing import Any

import msgspec
import pytest

from pilotage.domain.cluster import Pod, Workload
from pilotage.edge.workloads import WorkloadPage, WorkloadWire, cron_owners, of_cron_jobs, others, workload_of

TEMPLATE = {"metadata": {"labels": {"app": "web"}, "annotations": {"pilotage.dev/restarted-for": "u"}}}


def _listed(obj: dict[str, Any]) -> list[WorkloadWire]:
    return msgspec.json.decode(msgspec.json.encode({"items": [obj]}), type=WorkloadPage).items or []


def read(kind: str, spec: dict[str, Any], status: dict[str, Any], **meta: Any) -> Workload:
    obj = {"metadata": {"name": "web", "namespace": "shop", **meta}, "spec": spec, "status": status}
    [wire] = _listed(obj)
    return workload_of(kind, wire)


def counts(workload: Workload) -> tuple[int, ...]:
    return (workload.desired, workload.updated, workload.ready, workload.available, workload.total)


def test_a_deployment_counts_its_replicas_and_shows_its_template() -> None:
    status = {
        "observedGeneration": 2,
        "replicas": 4,
        "updatedReplicas": 1,
        "readyReplicas": 3,
        "availableReplicas": 2,
    }
    web = read("Deployment", {"replicas": 3, "template": TEMPLATE}, status, generation=2)
    assert counts(web) == (3, 1, 3, 2, 4)
    assert (web.labels, web.annotations) == ({"app": "web"}, {"pilotage.dev/restarted-for": "u"})
    assert web.observed
    assert web.api_version == "apps/v1"


def test_a_deployment_that_its_controller_has_not_seen_is_not_observed() -> None:
    assert not read("Deployment", {}, {"observedGeneration": 1}, generation=2).observed
    assert not read("Deployment", {}, {}, generation=1).observed


def test_a_deployment_without_a_number_of_replicas_wants_one_and_with_zero_wants_none() -> None:
    assert read("Deployment", {}, {}).desired == 1
    assert read("Deployment", {"replicas": 0}, {}).desired == 0


def test_a_daemonset_counts_nodes() -> None:
    status = {
        "desiredNumberScheduled": 5,
        "updatedNumberScheduled": 4,
        "numberReady": 3,
        "numberAvailable": 2,
        "currentNumberScheduled": 5,
    }
    agent = read("DaemonSet", {"template": TEMPLATE, "updateStrategy": {"type": "OnDelete"}}, status)
    assert counts(agent) == (5, 4, 3, 2, 5)
    assert agent.on_delete


def test_a_cron_job_shows_the_template_of_its_jobs_and_that_it_is_suspended() -> None:
    spec = {"suspend": True, "jobTemplate": {"spec": {"template": TEMPLATE}}}
    nightly = read("CronJob", spec, {"active": [{"name": "nightly-1"}]})
    assert nightly.labels == {"app": "web"}
    assert nightly.paused
    assert nightly.total == 1


@pytest.mark.parametrize(
    ("conditions", "finished"),
    [
        ([], False),
        ([{"type": "Complete", "status": "True"}], True),
        ([{"type": "Failed", "status": "True"}], True),
        ([{"type": "Suspended", "status": "True"}], False),
    ],
)
def test_a_job_is_finished_when_it_is_complete_or_failed(conditions: list[dict[str, str]], finished: bool) -> None:
    assert read("Job", {"template": TEMPLATE}, {"active": 1, "conditions": conditions}).finished is finished


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        (
            {"type": "ReplicaFailure", "status": "True", "message": "forbidden: exceeded quota"},
            "forbidden: exceeded quota",
        ),
        ({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}, "ProgressDeadlineExceeded"),
        ({"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}, ""),
    ],
)
def test_a_workload_that_does_not_get_on_says_why(condition: dict[str, str], reason: str) -> None:
    assert read("Deployment", {}, {"conditions": [condition]}).reason == reason


@pytest.mark.parametrize(
    ("kind", "spec", "missing"),
    [
        ("Deployment", {"replicas": 3}, 0),
        ("Deployment", {"replicas": 8}, 2),
        ("Deployment", {"replicas": 3, "strategy": {"type": "Recreate"}}, 3),
        ("Deployment", {"replicas": 5, "strategy": {"rollingUpdate": {"maxUnavailable": "50%"}}}, 2),
        ("Deployment", {"replicas": 2, "strategy": {"rollingUpdate": {"maxUnavailable": "25%", "maxSurge": 0}}}, 1),
        ("StatefulSet", {"replicas": 3}, 1),
        ("DaemonSet", {"updateStrategy": {"rollingUpdate": {"maxUnavailable": "30%"}}}, 2),
        ("DaemonSet", {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}}, 0),
        ("CronJob", {}, 0),
    ],
)
def test_what_a_rolling_update_may_leave_out_is_counted_as_its_controller_does(
    kind: str, spec: dict[str, Any], missing: int
) -> None:
    assert read(kind, spec, {"desiredNumberScheduled": 5}).missing == missing


def test_pods_of_a_job_that_a_cron_job_made_belong_to_the_cron_job() -> None:
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "controller": True}
    job = {"metadata": {"name": "nightly-1", "namespace": "shop", "ownerReferences": [owner]}}
    crons = cron_owners(wire.metadata for wire in _listed(job))
    made = Pod("shop", "nightly-1-x", workload=("Job", "nightly-1"))
    alone = Pod("shop", "once-x", workload=("Job", "once"))
    elsewhere = Pod("other", "nightly-1-x", workload=("Job", "nightly-1"))
    owners = [pod.workload for pod in of_cron_jobs([made, alone, elsewhere], crons)]
    assert owners == [("CronJob", "nightly"), ("Job", "once"), ("Job", "nightly-1")]


def test_bare_pods_and_what_other_controllers_own_are_workloads_told_by_their_pods() -> None:
    pods = [
        Pod("shop", "bare", workload=("Pod", "bare"), labels={"app": "bare"}),
        Pod("shop", "canary-1", workload=("Rollout", "canary"), ready=True),
        Pod("shop", "canary-2", workload=("Rollout", "canary"), ready=False),
        Pod("shop", "web-1", workload=("Deployment", "web")),
        Pod("shop", "gone", workload=("Pod", "gone"), phase="Succeeded"),
    ]
    bare, canary = others(pods, {"Rollout": "argoproj.io/v1alpha1"})
    assert (bare.kind, bare.name, bare.api_version, bare.labels) == ("Pod", "bare", "v1", {"app": "bare"})
    assert (canary.kind, canary.api_version, canary.desired, canary.ready) == ("Rollout", "argoproj.io/v1alpha1", 2, 1)
