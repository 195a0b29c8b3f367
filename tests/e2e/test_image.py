"""What goes into the operator's image: built by the script that deploy/Containerfile runs, with no container engine."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilotage.domain.findings import RULES
from release import ROOT, one, render

pytestmark = pytest.mark.e2e

_BUILD = str(ROOT / "deploy" / "image" / "build.sh")
_IMAGE = (ROOT / "deploy" / "Containerfile").read_text()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("image") / "opt"
    subprocess.run([_BUILD, "install", str(folder)], check=True, env=os.environ | {"PYTHON": sys.executable})
    yield folder
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


def test_it_runs_as_a_user_without_rights_where_nothing_can_be_written(tree: Path) -> None:
    # A namespace of its own gives the image's user id, and takes root's power to write anywhere.
    nobody = ["unshare", "--user", "--map-user=65532", "--map-group=65532"]
    said = subprocess.run([*nobody, _BUILD, "smoke", str(tree)], check=True, capture_output=True, text=True).stdout
    assert re.search(r"(?m)^pilotage +\d+\.\d+\.\d+", said)


def test_it_holds_what_the_operator_needs_and_no_tool_of_contributors(tree: Path) -> None:
    names = {path.name.partition("-")[0].lower() for path in tree.glob("lib/python*/site-packages/*.dist-info")}
    assert {"pilotage", "helm_python_sdk", "msgspec"} <= names
    assert not names & {"pilotage_sandbox", "pytest", "mypy", "pip", "setuptools"}


def test_every_module_is_compiled(tree: Path) -> None:
    (package,) = tree.glob("lib/python*/site-packages/pilotage")
    sources = {path.stem for path in package.rglob("*.py")}
    assert sources == {path.name.partition(".")[0] for path in package.rglob("*.pyc")}


def test_the_page_of_every_finding_is_in_it(tree: Path) -> None:
    (package,) = tree.glob("lib/python*/site-packages/pilotage")
    assert set(RULES) <= {page.stem for page in (package / "data" / "findings").glob("*.md")}


def test_the_chart_runs_the_image_as_the_user_it_was_tried_as() -> None:
    user = one(render(), "Deployment")["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
    assert f"USER {user}:{user}" in _IMAGE


def test_the_image_has_no_base_but_the_one_that_is_given_with_its_digest() -> None:
    assert set(re.findall(r"(?m)^FROM (\S+)", _IMAGE)) == {"${BASE}"}
    assert "*@sha256:*" in _IMAGE
    assert not re.findall(r"(?m)^ARG BASE=", _IMAGE)


def test_what_is_installed_is_what_the_one_lock_says() -> None:
    locked = _pins("lock.txt")
    for name in ("image.txt", "build.txt"):
        assert _pins(name).items() <= locked.items(), name


def _pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"(?m)^([a-z0-9-]+)==(\S+)", (ROOT / "requirements" / name).read_text()))
