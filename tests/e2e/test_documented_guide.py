"""The commands of README and docs/guide, run as they stand there: a document that does not work fails here."""

import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_every_command_of_the_guide_works_as_written(guide: Path) -> None:
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```$", guide.read_text())
    assert blocks
    blocks = [block for block in blocks if "activate" not in block]  # the tests run in the environment already
    scripts = sysconfig.get_path("scripts")
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "PILOTAGE_SANDBOX": "guide"}
    try:
        done = subprocess.run(
            ["bash", "-exuo", "pipefail", "-c", "\n".join(blocks)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert "prod-stable" in done.stdout
    finally:
        subprocess.run([f"{scripts}/pilotage-sandbox", "down"], env=environment, check=True)
