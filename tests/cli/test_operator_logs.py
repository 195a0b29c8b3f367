"""Lines of the operator: for machines, each failure with its next command, and never a secret."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pilotage.domain.errors import NoCluster, Refused, Retry, Unreachable
from pilotage.faces.operator.logs import Log

SECRET = "s3cr3t-w0rd"
DEAD = "https://127.0.0.1:9"  # nothing listens there


def kubeconfig(folder: Path, user: Any, cluster: Any) -> Path:
    path = folder / "config"
    path.write_text(
        json.dumps(
            {
                "current-context": "there",
                "contexts": [{"name": "there", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": DEAD} | cluster}],
                "users": [{"name": "u", "user": user}],
            }
        )
    )
    return path


def plugin(script: str) -> Any:
    """A credential plug-in that is given a secret, as a shell script."""
    given = [{"name": "PLUGIN_SECRET", "value": SECRET}]
    api = "client.authentication.k8s.io/v1"
    return {
        "exec": {"apiVersion": api, "command": "sh", "args": ["-c", script], "env": given, "interactiveMode": "Never"}
    }


USERS = {
    "a token": {"token": SECRET},
    "a password": {"username": "ann", "password": SECRET},
    "a plug-in that fails": plugin("exit 3"),
    "a plug-in whose answer cannot be read": plugin('echo "{\\"status\\": {\\"token\\": \\"$PLUGIN_SECRET\\""'),
    "a plug-in whose answer is of another kind": plugin('echo "{\\"status\\": {\\"token\\": [\\"$PLUGIN_SECRET\\"]}}"'),
    "a plug-in whose key is none": plugin(
        'echo "{\\"status\\": {\\"clientCertificateData\\": \\"x\\", \\"clientKeyData\\": \\"$PLUGIN_SECRET\\"}}"'
    ),
    "a key that is none": {"client-certificate-data": "eA==", "client-key-data": SECRET},
}
CLUSTERS = {
    "a proxy with a password": {"proxy-url": f"http://ann:{SECRET}@127.0.0.1:9"},
    "a proxy of a kind that is refused": {"proxy-url": f"socks5://ann:{SECRET}@127.0.0.1:9"},
    "a server with a password": {"server": f"https://ann:{SECRET}@127.0.0.1:9"},
}
WORLDS = [pytest.param(user, {}, id=name) for name, user in USERS.items()] + [
    pytest.param({"token": SECRET}, cluster, id=name) for name, cluster in CLUSTERS.items()
]


@pytest.mark.parametrize(("user", "cluster"), WORLDS)
def test_no_secret_of_the_kubeconfig_is_in_what_the_operator_or_a_verb_says(
    tmp_path: Path, user: Any, cluster: Any
) -> None:
    environment = os.environ | {"KUBECONFIG": str(kubeconfig(tmp_path, user, cluster)), "PILOTAGE_LISTEN": "off"}
    pilotage = [sys.executable, "-m", "pilotage"]
    operator = subprocess.Popen(
        [*pilotage, "operator"], env=environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    assert operator.stderr
    lines: list[str] = []
    for line in operator.stderr:  # it tries for ever; or it ends by itself, and so do its lines
        lines.append(line)
        if line.startswith("{") and json.loads(line)["level"] == "error":
            operator.send_signal(signal.SIGTERM)
            break
    lines.append(operator.communicate(timeout=60)[1])
    verb = subprocess.run(
        [*pilotage, "status"], env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert verb.returncode in (1, 3)
    said = "".join(lines) + verb.stdout + verb.stderr
    assert "127.0.0.1:9" in said or "plug-in" in said or "key" in said or "proxies" in said
    assert "Traceback" not in said
    assert SECRET not in said


@pytest.mark.parametrize(
    ("error", "level", "then"),
    [
        (Refused("no such chart", fix="pilotage get-revisions"), "error", "pilotage get-revisions"),
        (Refused("no such chart"), "error", "pilotage check"),
        (Unreachable("no answer"), "error", "kubectl get --raw /readyz"),
        (NoCluster("no kubeconfig"), "error", "kubectl config get-contexts"),
        (Retry("busy"), "warning", "pilotage status"),
    ],
)
def test_a_failure_carries_the_next_command(
    error: Any, level: str, then: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Log("json").fail("cannot reconcile", error)
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["next"], line["message"]) == (level, then, str(error))


def test_a_line_is_one_line_for_machines_and_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    for shape in ("json", "text", None):
        Log(shape).say("wrote", object="Service a\nb", why="")
    as_json, as_text, by_default = capsys.readouterr().err.splitlines()
    assert json.loads(as_json) | {"time": ""} == {
        "time": "",
        "level": "info",
        "event": "wrote",
        "object": "Service a\nb",
    }
    assert as_text.endswith(r"info wrote object='Service a\nb'")
    assert by_default.startswith("{")  # stderr of a test is no terminal
