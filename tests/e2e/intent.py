"""The ServiceMesh as Git or a hand edits it, and what it says of itself. Shared by tests that run an operator."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness import PILOTAGE, Cluster, Obj, eventually


def ask(mesh: Cluster, **spec: Any) -> None:
    """As Git or a hand would: an edit of fields of the spec."""
    mesh.kubectl("patch", "servicemesh", "default", "--type=merge", "-p", json.dumps({"spec": spec})).must()


def resource(mesh: Cluster) -> Obj:
    return dict(mesh.get("servicemesh", "default"))


def asked(mesh: Cluster) -> list[str]:
    return [entry["name"] for entry in resource(mesh)["spec"]["revisions"]]


def expect_phase(mesh: Cluster, phase: str) -> Obj:
    """Awaits the phase for the resource as it is now; the status."""

    def reached() -> Obj | None:
        seen = resource(mesh)
        status: Obj = seen.get("status", {})
        fresh = status.get("observedGeneration") == seen["metadata"]["generation"]
        return status if fresh and status.get("phase") == phase else None

    return dict(eventually(f"phase {phase}", reached))


def conditions(status: Obj) -> dict[str, tuple[str, str]]:
    """Condition -> (status, reason)."""
    return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}


def events(mesh: Cluster, reason: str) -> list[Obj]:
    """Events of the ServiceMesh with that reason, the oldest first."""
    found = [event for event in mesh.get("events.v1.events.k8s.io", "-n", "default")["items"]]
    return sorted((event for event in found if event["reason"] == reason), key=lambda event: event["eventTime"])


@contextmanager
def operator(mesh: Cluster) -> Iterator[None]:
    """A plain `pilotage operator`, stopped as a Deployment would stop it."""
    said = mesh.kubeconfig.with_name("operator.log")  # a pipe that nobody reads would stop it in the middle
    with said.open("wb") as log:
        words, env = (*PILOTAGE, "operator"), mesh.environment_of("operator")
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    err = said.read_text()
    assert process.returncode == 0, err
    assert "Traceback" not in err, err
