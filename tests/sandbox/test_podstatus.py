"""The status that is written for a real pod, and when its probe makes it Ready."""

from dataclasses import replace

from pilotage_sandbox.kube import Object
from pilotage_sandbox.podstatus import Place, View, pod_status, running, terminated, waiting
from pilotage_sandbox.probes import Probe, Readiness, readiness_probe

POD: Object = {"metadata": {}, "spec": {"containers": [{"name": "discovery", "image": "example/pilot:1.31.0"}]}}
HERE = Place("10.243.0.1", "10.244.0.2")
PROBE = Probe(port=8080, path="/ready", tls=False, delay=0, period=3, timeout=1, failures=3, successes=1)


def condition(status: Object, kind: str) -> Object:
    """The condition of that type."""
    return next(entry for entry in status["conditions"] if entry["type"] == kind)


def test_a_pod_is_pending_until_its_container_first_ran() -> None:
    status = pod_status(POD, View(), Place("10.243.0.1"), 0)
    assert status["phase"] == "Pending"
    assert "podIP" not in status
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}


def test_a_pod_in_a_crash_loop_is_running_but_not_ready_and_says_how_it_ended() -> None:
    ended = terminated(1, "boom", 0, 5)
    view = View(state=waiting("CrashLoopBackOff", "back-off 1s"), last=ended, restarts=2, ran=True)
    status = pod_status(POD, view, HERE, 10)
    assert (status["phase"], status["podIP"]) == ("Running", "10.244.0.2")
    assert condition(status, "Ready")["status"] == "False"
    container = status["containerStatuses"][0]
    assert (container["restartCount"], container["started"]) == (2, False)
    assert container["lastState"]["terminated"]["exitCode"] == 1
    assert container["lastState"]["terminated"]["message"] == "boom"


def test_a_signal_is_shown_as_the_exit_code_a_shell_would_give() -> None:
    assert terminated(-9, "", 0, 0)["terminated"]["exitCode"] == 137


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    view = View(state=running(0), ran=True)
    first = pod_status(POD, view, HERE, 0)
    pod = {**POD, "status": first}
    same, changed = pod_status(pod, view, HERE, 60), pod_status(pod, replace(view, ready=True), HERE, 60)
    assert condition(same, "Ready")["lastTransitionTime"] == "1970-01-01T00:00:00Z"
    assert condition(changed, "Ready")["lastTransitionTime"] == "1970-01-01T00:01:00Z"
    assert condition(changed, "PodScheduled")["lastTransitionTime"] == "1970-01-01T00:00:00Z"


def test_a_pod_whose_process_has_ended_for_good_has_succeeded_or_failed() -> None:
    for code, phase in ((0, "Succeeded"), (1, "Failed")):
        view = View(state=terminated(code, "", 0, 1), ran=True)
        deleted = {**POD, "metadata": {"deletionTimestamp": "1970-01-01T00:00:00Z"}}
        assert pod_status(deleted, view, HERE, 1)["phase"] == phase
        assert pod_status(POD, view, HERE, 1)["phase"] == "Running"  # else its ReplicaSet would make another


def test_readiness_begins_with_one_success_and_ends_after_failures_in_a_row() -> None:
    readiness = Readiness(PROBE)
    answers = [False, True, False, False, True, False, False, False, True]
    assert [readiness.answer(ok) for ok in answers] == [False, True, True, True, True, True, True, False, True]


def test_a_probe_has_the_defaults_of_the_api_and_finds_its_port_by_name() -> None:
    container = {"readinessProbe": {"httpGet": {"port": "http"}}, "ports": [{"name": "http", "containerPort": 8080}]}
    probe = readiness_probe(container)
    assert probe == Probe(port=8080, path="/", tls=False, delay=0, period=10, timeout=1, failures=3, successes=1)
    assert readiness_probe({}) is None
