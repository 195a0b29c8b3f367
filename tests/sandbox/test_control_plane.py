"""A real sandbox: what works in it, and that nothing of it is left behind, however it ends."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Cluster, deployment, eventually, sandbox

pytestmark = pytest.mark.e2e

NAME = f"cp{os.getpid()}"


def command(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    words = (sys.executable, "-m", "pilotage_sandbox.cli", *words)
    return subprocess.run(words, capture_output=True, text=True, env=os.environ | environment, check=False)


def processes(name: str) -> list[int]:
    """Of this sandbox, as the host sees them: each names its folder on its command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        pid = int(path.parent.name)
        words = line_of(pid)
        if f"/{name}/".encode() in words or f"/{name}\0".encode() in words:
            found.append(pid)
    return found


def line_of(pid: int) -> bytes:
    """Its command line, nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def supervisor(name: str) -> int:
    """PID 1 of the sandbox, as the host sees it."""
    lines = {pid: line_of(pid) for pid in processes(name)}
    return min(pid for pid, line in lines.items() if b"unshare" not in line and b"pilotage_sandbox.supervisor" in line)


def state(cluster: Cluster, component: str) -> dict[str, Any]:
    told = json.loads(command("status", "--name", cluster.name, "-o", "json").stdout)
    return next(row for row in told["components"] if row["name"] == component)


@pytest.fixture(scope="module")
def plane() -> Iterator[Cluster]:
    with sandbox(NAME) as made:
        yield made


def test_a_deployment_gets_running_pods_with_addresses(plane: Cluster) -> None:
    plane.apply(deployment("default", "web", replicas=4))
    plane.kubectl("rollout", "status", "deploy/web", "--timeout=60s").must()
    pods = plane.get("pods", "-l", "app=web")["items"]
    assert len({pod["status"]["podIP"] for pod in pods}) == 4
    plane.kubectl("delete", "deploy/web").must()
    eventually("the pods gone", lambda: not plane.names("pods", "default", "app=web"))


def test_a_pod_that_a_process_stands_for_is_left_alone_by_kwok(plane: Cluster) -> None:
    plane.apply(deployment("default", "istiod", replicas=1), deployment("default", "other", replicas=1))
    plane.kubectl("rollout", "status", "deploy/other", "--timeout=60s").must()
    both = ("pods", "-l", "app in (istiod, other)", "--show-managed-fields")
    pods = eventually("both pods", lambda: len(found := plane.get(*both)["items"]) == 2 and found)
    touched = {pod["metadata"]["labels"]["app"]: "kwok" in str(pod["metadata"]["managedFields"]) for pod in pods}
    assert touched == {"istiod": False, "other": True}
    plane.kubectl("delete", "deploy/istiod", "deploy/other").must()


def test_a_second_up_finds_the_first_and_status_says_all_is_well(plane: Cluster) -> None:
    again = command("up", "--name", plane.name)
    assert again.returncode == 0
    assert "was already up" in again.stdout
    assert command("status", "--name", plane.name).returncode == 0


def test_the_users_kubeconfig_is_for_the_user_only(plane: Cluster) -> None:
    assert plane.kubeconfig.stat().st_mode & 0o077 == 0
    assert plane.kubeconfig.parent.stat().st_mode & 0o077 == 0


def test_a_webhook_of_a_service_without_endpoints_fails_at_once(plane: Cluster) -> None:
    ca = plane.get("configmap", "kube-root-ca.crt")["data"]["ca.crt"]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hook", "namespace": "default"}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    hook = {
        "name": "nobody.example.com",
        "clientConfig": {"service": {"name": "hook", "namespace": "default"}, "caBundle": _base64(ca)},
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    plane.apply(service | {"spec": {"selector": {"app": "nobody"}, "ports": [{"port": 443}]}})
    plane.apply(kind | {"metadata": {"name": "nobody"}, "webhooks": [hook]})
    refused = eventually("the refusal", lambda: _refused(plane.kubectl("create", "configmap", "x", "--dry-run=server")))
    assert "503" in refused
    plane.kubectl("delete", "validatingwebhookconfiguration/nobody", "service/hook").must()


def test_every_write_of_a_user_is_in_the_audit_log_and_no_read_but_of_secrets(plane: Cluster) -> None:
    plane.kubectl("create", "configmap", "written").must()
    plane.kubectl("get", "configmap", "written").must()
    plane.kubectl("get", "secrets").must()
    plane.kubectl("delete", "configmap", "written").must()
    text = (plane.kubeconfig.parent / "logs" / "audit.log").read_text()
    events = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    mine = [e for e in events if e["user"]["username"] == "sandbox-admin"]
    assert {e["verb"] for e in mine if e["objectRef"].get("name") == "written"} == {"create", "delete"}
    assert {e["objectRef"]["resource"] for e in mine if e["verb"] in ("get", "list", "watch")} == {"secrets"}


def test_a_component_that_dies_is_started_again_and_nothing_is_lost(plane: Cluster) -> None:
    plane.kubectl("create", "configmap", "kept").must()
    api = [pid for pid in processes(plane.name) if b"kube-apiserver\0" in line_of(pid)]
    os.kill(api[0], signal.SIGKILL)
    eventually("the API server noticed", lambda: state(plane, "kube-apiserver")["restarts"] == 1)
    eventually("the API server back", lambda: state(plane, "kube-apiserver")["state"] == "ready")
    plane.kubectl("delete", "configmap", "kept").must()
    plane.apply(deployment("default", "after", replicas=1))
    plane.kubectl("rollout", "status", "deploy/after", "--timeout=120s").must()


def test_two_sandboxes_run_side_by_side_and_a_killed_supervisor_takes_its_own_with_it(plane: Cluster) -> None:
    with sandbox("side-by-side", "--nodes", "1", "--kubelet-version", "v1.36.3") as second:
        other = second.name
        assert [n["status"]["nodeInfo"]["kubeletVersion"] for n in second.get("nodes")["items"]] == ["v1.36.3"]
        first = supervisor(other)
        os.kill(first, signal.SIGKILL)
        eventually("all of its processes gone", lambda: not processes(other))
        dead = command("status", "--name", other)
        assert (dead.returncode, "has died" in dead.stderr) == (3, True)
        assert command("up", "--name", other).returncode == 0
        assert supervisor(other) != first
    assert not processes(other)
    assert len(plane.get("nodes")["items"]) == 3


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_leaves_nothing(blow: signal.Signals) -> None:
    name = f"{NAME}-{blow.name.lower()}"
    words = [sys.executable, "-m", "pilotage_sandbox.cli", "up", "--name", name]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as starting:
        eventually("its first processes", lambda: len(processes(name)) > 3)
        starting.send_signal(blow)
        _, errors = starting.communicate(timeout=60)
    assert starting.returncode == 130
    assert "Traceback" not in errors
    eventually("all of its processes gone", lambda: not processes(name))
    assert name not in command("list").stdout


def test_a_component_that_cannot_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    broken = tmp_path / "etcd"
    broken.write_text("#!/bin/sh\necho cannot open the disk\nexit 7\n")
    broken.chmod(0o755)
    name = f"{NAME}-broken"
    done = command("up", "--name", name, PILOTAGE_ASSETS=str(tmp_path))
    assert done.returncode == 1
    assert "etcd ended with code 7" in done.stderr
    assert "cannot open the disk" in done.stderr
    assert not processes(name)
    command("down", "--name", name)


def test_without_the_right_to_make_network_namespaces_it_says_what_cannot_be_tried() -> None:
    forbid = "echo 0 > /proc/sys/user/max_net_namespaces && exec "
    up = f"{sys.executable} -m pilotage_sandbox.cli up --name {NAME}-bare"
    words = ["unshare", "--map-root-user", "sh", "-c", forbid + up]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "no real istiod pods, no injection and no connected proxies" in done.stderr


def _refused(result: Any) -> str:
    return str(result.err) if result.code else ""


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
