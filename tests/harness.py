"""Real commands against a real control plane: what scenarios and e2e share.

A `Cluster` is a sandbox of its own with kubectl, istioctl and pilotage bound to it. Conditions are awaited.
kubectl and istioctl are an administrator's. Each verb of pilotage runs with the smallest role that docs/rbac.md names
for it, as a ServiceAccount of its own, so that the audit log tells what each verb asks; see tools/rbac.
"""

import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tools.rbac import calls
from tools.rbac.verbs import Role, verb_of

from accounts import role_objects, write_kubeconfig

TODAY = "2026-10-20"  # a day on which 1.30 and 1.31 are supported and 1.29 is not
STABLE, CANARY = "asm-1-30", "asm-1-31"
MESH = "aks-istio-system"
PATIENCE = 120.0  # seconds for any one condition
Obj = dict[str, Any]


class Result(NamedTuple):
    """One command that ended."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    def must(self, code: int = 0) -> "Result":
        """Fails with all that was printed unless the exit code is `code`."""
        assert self.code == code, f"{' '.join(self.words)}\nexit code {self.code}, not {code}\n{self.out}\n{self.err}"
        return self

    @property
    def document(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


class Cluster:
    """One that runs, with the words for it."""

    def __init__(self, name: str, kubeconfig: Path, assets: dict[str, Path]) -> None:
        self.name, self.kubeconfig, self.assets = name, kubeconfig, assets
        given = {"KUBECONFIG": str(kubeconfig), "PILOTAGE_TODAY": TODAY, "COLUMNS": "200"}
        self.environment = os.environ | given | {"PILOTAGE_LISTEN": "off"}  # runs side by side would share the port

    def run(
        self,
        *words: str,
        given: str | None = None,
        timeout: float = 300.0,
        environment: dict[str, str] | None = None,
    ) -> Result:
        """One command, no terminal; `given` is its standard input. An administrator's environment if none is given."""
        env = environment or self.environment
        done = subprocess.run(
            words, input=given or "", capture_output=True, text=True, env=env, timeout=timeout, check=False
        )
        return Result(words, done.returncode, done.stdout, done.stderr)

    def kubectl(self, *words: str, given: str | None = None) -> Result:
        return self.run(str(self.assets["kubectl"]), *words, given=given)

    def istioctl(self, *words: str) -> Result:
        return self.run(str(self.assets["istioctl"]), *words)

    def pilotage(self, *words: str, given: str | None = None, timeout: float = 300.0) -> Result:
        """With the rights that its verb needs, and no other."""
        return self.run(*PILOTAGE, *words, given=given, timeout=timeout, environment=self.environment_of(*words))

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """A pilotage that goes on by itself; the caller ends it."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*PILOTAGE, *words],
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            text=True,
            env=self.environment_of(*words),
        )

    def environment_of(self, *words: str) -> dict[str, str]:
        """What a verb of pilotage runs with, as in `environment_of("tag", "set")`."""
        return self._as(calls.account_of(verb_of(words) or "version"))

    def environment_as(self, role: Role) -> dict[str, str]:
        """Who holds the role and does by it what no verb of it does: for trying what it forbids."""
        return self._as(str(role))

    def _as(self, account: str) -> dict[str, str]:  # noqa: ARG002 - of a cluster that keeps no rights
        return self.environment

    def get(self, *words: str) -> Any:
        """`kubectl get … -o json`."""
        return self.kubectl("get", *words, "-o", "json").must().document

    def names(self, kind: str, namespace: str = "", labels: str = "") -> set[str]:
        place = ["-n", namespace] if namespace else []
        chosen = ["-l", labels] if labels else []
        return {item["metadata"]["name"] for item in self.get(kind, *place, *chosen)["items"]}

    def apply(self, *objects: Obj) -> None:
        """As a user would: `kubectl apply -f -`."""
        objects_of_list = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.kubectl("apply", "-f", "-", given=json.dumps(objects_of_list)).must()

    def patch(self, what: str, patch: Obj, namespace: str = "") -> None:
        """A merge patch; `what` is as in `node/node-1`."""
        place = ["-n", namespace] if namespace else []
        self.kubectl("patch", what, *place, "--type=merge", "-p", json.dumps(patch)).must()

    def strike(self, *objects: Obj) -> None:
        """Delete what is there of them; nothing is waited for."""
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.kubectl("delete", "-f", "-", "--wait=false", "--ignore-not-found", given=listed).must()

    def token(self, account: str) -> str:
        """Of a ServiceAccount in namespace default."""
        return self.kubectl("create", "token", account, "-n", "default").must().out.strip()

    def obey(self, command: str) -> Result:
        """Run what was printed, as a user would: in a shell that finds kubectl and pilotage."""
        path = f"PATH={sysconfig.get_path('scripts')}:{self.environment['PATH']}"
        return self.run("env", path, "bash", "-euc", command)

    def expect_injection(self, space: str, revision: str, **labels: Any) -> None:
        """Awaits that a new pod there gets a proxy of it; `labels` are the pod's, with `rev` for `istio.io/rev`.

        An API server's admission learns of labels and webhooks after they were written: a pod that is made before that
        stays as it is.
        """
        pod = deployment(space, "trial", **labels)["spec"]["template"]
        asked = {"apiVersion": "v1", "kind": "Pod"} | pod | {"metadata": pod["metadata"] | {"name": "trial"}}
        words = ("create", "-n", space, "-f", "-", "--dry-run=server", "-o", "json")

        def given() -> bool:
            tried = self.kubectl(*words, given=json.dumps(asked))
            return tried.code == 0 and tried.document["metadata"].get("annotations", {}).get("istio.io/rev") == revision

        eventually(f"new pods in {space} get a proxy of {revision}", given)

    def enable(self, revision: str = STABLE, *more: str) -> Result:
        """The guide's starting point, with the charts of this sandbox."""
        charts = str(self.assets["charts"])
        return self.pilotage("enable", "--revision", revision, "--profile", "aks", "--charts", charts, *more)

    def proxies(self, namespace: str) -> dict[str, set[str]]:
        """Deployment -> revisions of its live pods' proxies, by annotation."""
        found: dict[str, set[str]] = {}
        for pod in self.get("pods", "-n", namespace)["items"]:
            meta = pod["metadata"]
            if "deletionTimestamp" not in meta and pod["status"].get("phase") == "Running":
                found.setdefault(meta["labels"]["app"], set()).add(meta.get("annotations", {}).get("istio.io/rev", ""))
        return found


class _Sandbox(Cluster):
    """A real API server, where each verb has its rights and no other."""

    def __init__(self, name: str, kubeconfig: Path, assets: dict[str, Path]) -> None:
        super().__init__(name, kubeconfig, assets)
        self._accounts: dict[str, Path] = {}  # ServiceAccount of a verb or role -> its kubeconfig

    def _as(self, account: str) -> dict[str, str]:
        if not self._accounts:
            self._grant()
        if account not in self._accounts:
            words = ("create", "token", account, "-n", calls.NAMESPACE, "--duration", "12h")  # outlasts every test
            token = self.kubectl(*words).must().out.strip()
            self._accounts[account] = write_kubeconfig(self.kubeconfig, account, token)
        return self.environment | {"KUBECONFIG": str(self._accounts[account])}

    def _grant(self) -> None:
        """The API server's authorizer learns of roles after they were written: of each kind in their order."""
        made = [*role_objects()]
        self.apply(*made)
        last = f"system:serviceaccount:{calls.NAMESPACE}:{made[-1]['subjects'][-1]['name']}"
        asked = ("auth", "can-i", "list", "namespaces", f"--as={last}")
        eventually("the last role counts", lambda: self.kubectl(*asked).out.strip() == "yes")


PILOTAGE = (sys.executable, "-m", "pilotage")
_SANDBOX = (sys.executable, "-m", "pilotage_sandbox.cli")


@contextmanager
def sandbox(name: str, *words: str) -> Iterator[Cluster]:
    """A sandbox of this run's own, gone at the end. Without the right to make one the tests fail."""
    name = f"{name}-{os.getpid()}"  # one that a killed run left under the same name is never taken for ours
    subprocess.run([*_SANDBOX, "up", "--name", name, *words], check=True, stdin=subprocess.DEVNULL)
    try:
        kubeconfig = subprocess.check_output([*_SANDBOX, "kubeconfig", "--name", name], text=True).strip()
        yield sandbox_at(Path(kubeconfig), name)
        _keep_calls(name, Path(kubeconfig).with_name("logs") / "audit.log")
    finally:
        subprocess.run([*_SANDBOX, "down", "--name", name], check=True, stdin=subprocess.DEVNULL)


def sandbox_at(kubeconfig: Path, name: str = "") -> Cluster:
    """One that runs already."""
    return _Sandbox(name, kubeconfig, _assets())


def _keep_calls(name: str, log: Path) -> None:
    """What verbs asked of the API server, where `python -m tools.rbac` finds it."""
    folder = os.environ.get("PILOTAGE_AUDIT_DIR")
    if folder:
        with log.open() as lines:
            calls.write(Path(folder) / f"{name}.json", calls.seen_in(lines))


def eventually(what: str, holds: Callable[..., Any], patience: float = PATIENCE) -> Any:
    """Awaits a condition, a function without arguments, and returns what it gave; fails naming it."""
    deadline = time.monotonic() + patience
    while True:
        seen = holds()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"not seen within {patience:g} s: {what}"
        time.sleep(0.2)


def namespace(name: str, **labels: str) -> Obj:
    """`istio.io/rev` is written `rev`."""
    marks = {"istio.io/rev" if key == "rev" else key.replace("_", "-"): value for key, value in labels.items()}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": marks}}


def deployment(space: str, name: str, replicas: int = 2, image: str = "example/app:1", **labels: str) -> Obj:
    """A workload of the crowd; its pods carry label app=<name>."""
    marks = {"app": name} | {key.replace("rev", "istio.io/rev"): value for key, value in labels.items()}
    pods = {"containers": [{"name": name, "image": image}]}
    template = {"metadata": {"labels": marks}, "spec": pods}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": space}, "spec": spec}


def _assets() -> dict[str, Path]:
    lines = subprocess.check_output([*_SANDBOX, "assets"], text=True).splitlines()
    found = {name: Path(path) for name, path in (line.split("\t") for line in lines)}
    wheel = Path(sysconfig.get_path("scripts")) / "kubectl"
    return {"kubectl": wheel} | found
