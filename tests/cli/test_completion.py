"""Completion: of shells by the script that `completion` prints, of `kubectl pilotage` by kubectl itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pilotage_sandbox.assets import binary

CLI = "pilotage.faces.cli"
ASKED = """
eval "$(pilotage completion bash)"
COMP_WORDS=(pilotage {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _pilotage_completion pilotage
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def on_path(tmp_path: Path) -> dict[str, str]:
    """Both entry points as pip makes them, on a PATH of their own."""
    entries = {"pilotage": "main:main", "kubectl-pilotage": "main:main"}
    for name, place in (entries | {"kubectl_complete-pilotage": "completion:for_kubectl"}).items():
        module, function = place.split(":")
        script = tmp_path / name
        script.write_text(f"#!{sys.executable}\nfrom {CLI}.{module} import {function}\n{function}()\n")
        script.chmod(0o755)
    return os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("upgrade ''", {"start", "complete", "rollback"}),
        ("enable --profile ''", {"istio", "aks"}),
        ("status -o j", {"json"}),
        ("explain webh", {"WebhookOverlap", "WebhookDangling"}),
    ],
)
def test_bash_and_kubectl_complete_the_same(on_path: dict[str, str], words: str, completed: set[str]) -> None:
    bash = subprocess.run(["bash", "-c", ASKED.format(words=words)], env=on_path, capture_output=True, text=True)
    assert set(bash.stdout.split()) == completed, bash.stderr
    asked = [str(binary("kubectl")), "__complete", "pilotage", *words.replace("''", "").split(" ")]
    kubectl = subprocess.run(asked, env=on_path, capture_output=True, text=True)
    *lines, directive = kubectl.stdout.splitlines()
    assert {line.split("\t")[0] for line in lines} == completed, kubectl.stderr
    assert directive == ":4"
