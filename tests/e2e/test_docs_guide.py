"""README and docs/guide, executed: every command as it stands, each with the output that the document promises.

`pilotage` has the rights of role `full`, as the guide says, and no other; kubectl is an administrator's.
"""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from as_reader import shim
from documents import Shell, Step, missing, section, steps
from harness import eventually

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide"
CLUSTER, MESH = "A cluster to try it on", "A mesh to try it on"
PAGES = [
    pytest.param(ROOT / "README.md", (), id="README"),
    pytest.param(GUIDE / "minor-upgrade.md", (CLUSTER,), id="minor-upgrade"),
    pytest.param(GUIDE / "tags.md", (CLUSTER, MESH), id="tags"),
    pytest.param(GUIDE / "gateways.md", (CLUSTER, MESH), id="gateways"),
    pytest.param(GUIDE / "drift.md", (CLUSTER, MESH), id="drift"),
    pytest.param(GUIDE / "mesh-configuration.md", (CLUSTER, MESH), id="mesh-configuration"),
    pytest.param(GUIDE / "releases.md", (CLUSTER, MESH), id="releases"),
    pytest.param(GUIDE / "autoscaling.md", (CLUSTER, MESH), id="autoscaling"),
    pytest.param(GUIDE / "patches.md", (CLUSTER, MESH), id="patches"),
    pytest.param(GUIDE / "troubleshooting.md", (CLUSTER, MESH), id="troubleshooting"),
    pytest.param(GUIDE / "existing-mesh.md", (CLUSTER,), id="existing-mesh"),
]
_LOOKS = ("kubectl get", "pilotage status", "pilotage check", "pilotage drift", "pilotage gateway list")


@pytest.mark.parametrize(("page", "before"), PAGES)
def test_every_command_of_the_page_does_what_the_page_says(page: Path, before: tuple[str, ...], tmp_path: Path) -> None:
    """`before`: sections of the guide's first page that the page begins from."""
    texts = [*(section(GUIDE / "README.md", heading) for heading in before), page.read_text()]
    shim(tmp_path / "bin")
    path = os.pathsep.join([str(tmp_path / "bin"), sysconfig.get_path("scripts"), os.environ["PATH"]])
    own = {"PATH": path, "PILOTAGE_SANDBOX": f"docs{os.getpid()}"}
    try:
        with Shell(os.environ | own, tmp_path) as shell:
            for step in (step for text in texts for step in steps(text)):
                follow(shell, step)
    finally:
        down = [sys.executable, "-m", "pilotage_sandbox.cli", "down"]
        subprocess.run(down, env=os.environ | own, stdin=subprocess.DEVNULL, check=True)


def test_every_page_of_the_guide_is_executed() -> None:
    assert {*GUIDE.glob("*.md"), ROOT / "README.md"} == {page.values[0] for page in PAGES} | {GUIDE / "README.md"}


def follow(shell: Shell, step: Step) -> None:
    """What only looks is asked again, as a reader would, until the cluster shows what is promised."""
    if step.command.endswith("/activate"):
        return  # the tests run in the environment already
    wrong = difference(shell, step)
    if wrong and step.command.startswith(_LOOKS):
        eventually(wrong, lambda: not difference(shell, step), patience=60)
        return
    assert not wrong, wrong


def difference(shell: Shell, step: Step) -> str:
    """Runs the command once; how it does not do what the page says, "" if it does."""
    code, output = shell.run(step.command)
    if code != step.code:
        return f"{step.command}\nexit code {code}, not {step.code}\n{output}"
    line = missing(step.promised, output)
    return f"{step.command}\ndoes not print: {line}\nbut:\n{output}" if line else ""
