"""The Pilotage before this one, as a clone without history has it: an archive of its package and its CRD."""

import subprocess
import tarfile
from pathlib import Path
from typing import Any

import yaml

from harness import PILOTAGE, Cluster, Obj, Result

_ARCHIVE = Path(__file__).parent / "e2e" / "fixtures" / "pilotage-0.1.0.tar.gz"


class Previous:
    """Unpacked into `folder`; runs as an administrator, whose rights the earlier one was tried with."""

    def __init__(self, folder: Path) -> None:
        with tarfile.open(_ARCHIVE) as archive:
            archive.extractall(folder, filter="data")
        self._folder = folder

    @property
    def crd(self) -> Obj:
        text = (self._folder / "deploy" / "crds" / "servicemeshes.pilotage.dev.yaml").read_text()
        return dict(yaml.safe_load(text))

    def pilotage(self, cluster: Cluster, *words: str) -> Result:
        words = (*PILOTAGE, *words)
        done = subprocess.run(
            words, input="", capture_output=True, text=True, env=self._environment(cluster), timeout=300, check=False
        )
        return Result(words, done.returncode, done.stdout, done.stderr)

    def start(self, cluster: Cluster, *words: str) -> "subprocess.Popen[Any]":
        """One that goes on by itself; the caller ends it."""
        nowhere = subprocess.DEVNULL
        words = (*PILOTAGE, *words)
        return subprocess.Popen(words, stdin=nowhere, stdout=nowhere, stderr=nowhere, env=self._environment(cluster))

    def _environment(self, cluster: Cluster) -> dict[str, str]:
        return cluster.environment | {"PYTHONPATH": str(self._folder / "src")}
