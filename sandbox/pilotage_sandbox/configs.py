"""The configuration files that the components read, as data. Written by the supervisor before it starts them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pilotage_sandbox import realpods
from pilotage_sandbox.layout import write

EGRESS_SOCKET = Path("/run/egress.sock")
"""In the sandbox's private /run: a path in the user's folder could be longer than a socket's name may be."""

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        # The heartbeat of the sandbox itself would be most of the log.
        {
            "level": "None",
            "users": [
                "system:kube-controller-manager",
                "system:kube-scheduler",
                "system:apiserver",
                "kwok",
            ],
            "resources": [
                {"group": "coordination.k8s.io", "resources": ["leases"]},
                {"group": "events.k8s.io", "resources": ["events"]},
                {"group": "", "resources": ["events"]},
            ],
        },
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        # Pilotage promises never to read a Secret: this is where that can be seen.
        {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]},
        # What Pilotage itself does, reads too, where it runs with accounts of its own: its roles follow from that.
        {"level": "Metadata", "userGroups": ["system:serviceaccounts:pilotage-system"]},
        {"level": "None"},
    ],
}

EGRESS = {
    "apiVersion": "apiserver.k8s.io/v1beta1",
    "kind": "EgressSelectorConfiguration",
    "egressSelections": [
        {
            "name": "cluster",
            "connection": {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(EGRESS_SOCKET)}}},
        }
    ],
}

STAGES = ("node/fast", "node/heartbeat-with-lease", "pod/fast")
CRDS = ("kwok.x-k8s.io_portforwards.yaml", "kwok.x-k8s.io_logs.yaml")


def write_configs(folder: Path, kwok_files: Path) -> None:
    """audit-policy.yaml, egress.yaml and stages.yaml in `folder`."""
    write(folder / "audit-policy.yaml", yaml.safe_dump(AUDIT_POLICY))
    write(folder / "egress.yaml", yaml.safe_dump(EGRESS))
    write(folder / "stages.yaml", yaml.safe_dump_all([_spare_real_pods(s) for s in _stages(kwok_files)]))


def kwok_crds(kwok_files: Path) -> list[dict[str, Any]]:
    """The two definitions that per-pod port-forward and logs need (see context.py)."""
    return [yaml.safe_load((kwok_files / "crd" / "bases" / name).read_text()) for name in CRDS]


def _stages(kwok_files: Path) -> Iterator[dict[str, Any]]:
    for folder in STAGES:
        for path in sorted((kwok_files / "stage" / folder).glob("*.yaml")):
            for document in yaml.safe_load_all(path.read_text()):
                if document["kind"] == "Stage":
                    yield document


def _spare_real_pods(stage: dict[str, Any]) -> dict[str, Any]:
    """A pod stage that does not select the pods which real processes stand for."""
    if stage["spec"]["resourceRef"]["kind"] == "Pod":
        stage["spec"]["selector"]["matchExpressions"] += [
            {"key": '.metadata.labels["app"]', "operator": "NotIn", "values": list(realpods.APPS)},
            {
                "key": f'.metadata.annotations["{realpods.TEMPLATES}"]',
                "operator": "NotIn",
                "values": [realpods.GATEWAY],
            },
        ]
    return stage
