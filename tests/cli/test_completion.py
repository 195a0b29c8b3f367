"""Completion: of shells by the script that `completion` prints, of `kubectl pilotage` by kubectl itself."""

import os
import shutil
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

IN_ZSH = """
compdef() {{ }}  # of a session; completion itself calls these two
compadd() {{ print -rl -- "${{completions[@]}}" }}
_describe() {{ print -rl -- "${{completions_with_descriptions[@]}}" }}
source <(pilotage completion zsh)
words=(pilotage {words}); CURRENT=$#words; _pilotage_completion
"""


def has(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"no {shell} on this machine")


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


@pytest.mark.parametrize("option", ["--charts", "--kubeconfig"])
def test_where_a_file_is_meant_the_shell_completes_it(on_path: dict[str, str], option: str) -> None:
    asked = [str(binary("kubectl")), "__complete", "pilotage", "enable", option, "/et"]
    kubectl = subprocess.run(asked, env=on_path, capture_output=True, text=True)
    assert kubectl.stdout.splitlines() == [":0"], kubectl.stderr


def test_the_script_for_fish_keeps_explanations_whole(on_path: dict[str, str]) -> None:
    script = subprocess.run(["pilotage", "completion", "fish"], env=on_path, capture_output=True, text=True)
    assert 'string split --max 1 "," $completion' in script.stdout


@has("fish")
def test_fish_completes_with_explanations(on_path: dict[str, str]) -> None:
    typed = "pilotage completion fish | source; complete -C 'pilotage upgrade start --wi'"
    fish = subprocess.run(["fish", "--private", "-c", typed], env=on_path, capture_output=True, text=True)
    assert fish.stdout == "--without-mesh-config\tStart although only stable has one.\n", fish.stderr
    typed = typed.replace("start --wi", "''")
    fish = subprocess.run(["fish", "--private", "-c", typed], env=on_path, capture_output=True, text=True)
    assert "complete\tKeep the canary, remove the old revision." in fish.stdout.splitlines()


@has("zsh")
def test_zsh_completes_with_explanations(on_path: dict[str, str]) -> None:
    zsh = subprocess.run(["zsh", "-fc", IN_ZSH.format(words="upgrade ''")], env=on_path, capture_output=True, text=True)
    assert "complete:Keep the canary, remove the old revision." in zsh.stdout.splitlines(), zsh.stderr
    zsh = subprocess.run(
        ["zsh", "-fc", IN_ZSH.format(words="status -o j")], env=on_path, capture_output=True, text=True
    )
    assert zsh.stdout == "json\n"
