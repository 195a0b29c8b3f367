"""A release of our own chart, as Helm would make it: rendered by the same engine, applied, and taken away again.

Used by the tests of the chart. What `helm install` and `uninstall` do to a cluster is done here by kubectl: nothing else
needs helm.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness import Cluster, Obj

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "deploy" / "chart"
NAME, NAMESPACE = "pilotage", "pilotage-system"
DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGE = {"image": {"repository": "registry.example/pilotage", "digest": DIGEST}}


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


def apply(cluster: Cluster, objects: list[Obj]) -> None:
    """`helm install`: the namespace, CRDs that are not there yet, then the rest. The server takes every object."""
    cluster.kubectl("create", "namespace", NAMESPACE)
    there = cluster.names("crd")
    wanted = [obj for obj in objects if not (is_crd(obj) and obj["metadata"]["name"] in there)]
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": wanted})
    cluster.kubectl("apply", "--server-side", "--field-manager=helm", "-f", "-", given=items).must()
