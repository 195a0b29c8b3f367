"""A release of our own chart, as Helm would make it: rendered by the same engine, applied, run, and taken away again.

Used by the tests of the chart. What `helm install` and `uninstall` do to a cluster is done here by kubectl: nothing
else needs helm.
"""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from harness import PILOTAGE, TODAY, Cluster, Obj, eventually
from standing import Operator

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "deploy" / "chart"
NAME, NAMESPACE = "pilotage", "pilotage-system"
DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGE = {"image": {"repository": "registry.example/pilotage", "digest": DIGEST}}
# Kinds of ours in the order in which Helm deletes them; what it does not know goes last.
_UNINSTALL = (
    "Service",
    "Deployment",
    "ClusterRoleBinding",
    "ClusterRole",
    "ServiceAccount",
    "PodDisruptionBudget",
    "NetworkPolicy",
)


def render(values: Obj | None = None, name: str = NAME) -> list[Obj]:
    """The objects of the release, CRDs first. Raises ValueError with the engine's words where it refuses the values."""
    wanted = {"path": str(CHART), "name": name, "namespace": NAMESPACE, "values": IMAGE | (values or {})}
    answer: dict[str, Any] = json.loads(
        subprocess.run(
            [sys.executable, "-m", "pilotage.edge.charts_child"],
            input=json.dumps(wanted),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    if "error" in answer:
        raise ValueError(answer["error"])
    return list(answer["objects"])


def one(objects: list[Obj], kind: str) -> Obj:
    """The only object of its kind."""
    (found,) = [obj for obj in objects if obj["kind"] == kind]
    return found


def is_crd(obj: Obj) -> bool:
    return bool(obj["kind"] == "CustomResourceDefinition")


def install(cluster: Cluster, objects: list[Obj]) -> None:
    """`helm install --create-namespace`: CRDs that are not there yet, then the rest. The server takes every object."""
    make_namespace(cluster)
    there = cluster.names("crd")
    put(cluster, [obj for obj in objects if not (is_crd(obj) and obj["metadata"]["name"] in there)])
    await_crds(cluster, objects)


def await_crds(cluster: Cluster, objects: list[Obj]) -> None:
    """Until they are served: that is written into them after they are."""
    names = [obj["metadata"]["name"] for obj in objects if is_crd(obj)]
    cluster.kubectl("wait", "--for=condition=Established", "crd", *names, "--timeout=60s").must()


def make_namespace(cluster: Cluster) -> None:
    """Of the release; a pod that is not restricted is not admitted there."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})


def put(cluster: Cluster, objects: list[Obj], *more: str) -> None:
    """Server-side apply, strictly: a field that the API server does not know is an error."""
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    words = ("apply", "--server-side", "--field-manager=helm", "--validate=strict", "-f", "-", *more)
    cluster.kubectl(*words, given=items).must()


def uninstall(cluster: Cluster, objects: list[Obj]) -> None:
    """`helm uninstall`: what was rendered goes, in Helm's order; what is in crds/ is none of the release's."""
    rank = {kind: at for at, kind in enumerate(_UNINSTALL)}
    release = [obj for obj in objects if not is_crd(obj)]
    for obj in sorted(release, key=lambda obj: rank.get(obj["kind"], len(rank))):
        place = ["-n", obj["metadata"]["namespace"]] if "namespace" in obj["metadata"] else []
        cluster.kubectl("delete", obj["kind"], obj["metadata"]["name"], *place, "--cascade=background").must()


@contextmanager
def operator(cluster: Cluster, objects: list[Obj], folder: Path) -> Iterator[str]:
    """The container of the release, run here: its arguments, its environment, its ServiceAccount's token.

    Volumes are folders below `folder`, and the port is one of loopback's that the system chooses; gives
    `http://127.0.0.1:PORT`. What it says is in `folder`/operator.log.
    """
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    words = ["--listen=127.0.0.1:0" if word.startswith("--listen=") else word for word in container["args"]]
    mounts = {mount["mountPath"]: folder / mount["name"] for mount in container["volumeMounts"]}
    for place in mounts.values():
        place.mkdir(exist_ok=True)
    said = {entry["name"]: entry["value"] for entry in container["env"]}
    said |= {name: str(mounts[value]) for name, value in said.items() if value in mounts}
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    token = _kubeconfig(cluster, pod["serviceAccountName"], folder)
    environment = kept | said | {"KUBECONFIG": str(token), "PILOTAGE_TODAY": TODAY}
    with (folder / "operator.log").open("w") as log:
        process = subprocess.Popen([*PILOTAGE, *words], stdin=subprocess.DEVNULL, stderr=log, env=environment)
        try:
            yield f"http://{eventually('the operator serves', lambda: Operator(folder / 'operator.log').listens)}"
        finally:
            process.terminate()
            process.wait(60)


def leads(address: str) -> None:
    """Awaits that the operator that serves there holds the Lease."""
    eventually("the operator leads", lambda: "\npilotage_leader 1.0\n" in read(f"{address}/metrics"))


def read(url: str) -> str:
    """What is answered there, "" where nothing is or all is not well."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def _kubeconfig(cluster: Cluster, account: str, folder: Path) -> Path:
    words = ("create", "token", account, "-n", NAMESPACE, "--duration", "2h")
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": cluster.kubectl(*words).must().out.strip()}
    path = folder / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return path
