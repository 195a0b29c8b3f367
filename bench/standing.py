"""An operator as it stands in a cluster: a process with an account of its own, so that the audit log tells it apart."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from tools.audit import Request, requests

ROOT: Final = Path(__file__).resolve().parents[1]
_SPACE, _ACCOUNT = "pilotage-system", "pilotage"
_USER: Final = f"system:serviceaccount:{_SPACE}:{_ACCOUNT}"
_RBAC: Final = "rbac.authorization.k8s.io"
_OBJECTS: Final[tuple[dict[str, Any], ...]] = (
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _SPACE}},
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": _ACCOUNT, "namespace": _SPACE}},
    {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": _ACCOUNT},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "pilotage"},
        "subjects": [{"kind": "ServiceAccount", "name": _ACCOUNT, "namespace": _SPACE}],
    },
)
Kubectl = Callable[..., str]


class Standing:
    """`kubectl` takes words, and `given` as its input, and returns what it printed. `name`: of its log file."""

    USER: Final = _USER

    def __init__(
        self, kubectl: Kubectl, kubeconfig: Path, environment: Mapping[str, str], name: str = "standing"
    ) -> None:
        self._kubectl, self._kubeconfig = kubectl, kubeconfig
        own = {"KUBECONFIG": str(self._own_config()), "PILOTAGE_LISTEN": "off"}
        self._environment = dict(environment) | own
        self.log = kubeconfig.with_name(f"{name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pilotage", "operator"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )

    def stop(self) -> str:
        """As a Deployment would; what it said. Raises TimeoutExpired where it does not end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=60)
        return self.log.read_text()

    @property
    def pid(self) -> int:
        """0 before it was started."""
        return self._process.pid if self._process else 0

    @property
    def resident(self) -> float:
        """MiB that it holds now. Raises FileNotFoundError where it has ended."""
        pid = self.pid
        (line,) = (each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def requests(self) -> list[Request]:
        """All of them so far."""
        return list(requests(self._kubeconfig.parent / "logs" / "audit.log", _USER))

    def _own_config(self) -> Path:
        """Its kubeconfig, with no right but those of its role."""
        self._kubectl("apply", "-f", str(ROOT / "deploy" / "rbac.yaml"))
        self._kubectl("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": _OBJECTS}))
        token = self._kubectl("create", "token", _ACCOUNT, "-n", _SPACE, "--duration=4h").strip()
        config = yaml.safe_load(self._kubeconfig.read_text())
        config["users"][0]["user"] = {"token": token}
        path = self._kubeconfig.with_name("standing.kubeconfig")
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(yaml.safe_dump(config))
        return path
