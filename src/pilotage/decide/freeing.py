"""The command that frees what holds a revision. Called by `holders`; words and flags are those of the CLI."""

import json

from pilotage.decide.selectors import Labels, asked_name, namespace_labels, selected_revision, tags
from pilotage.domain.istio import IstioResource
from pilotage.domain.names import INJECTION, REV
from pilotage.domain.state import Snapshot

RESTARTABLE = ("Deployment", "StatefulSet", "DaemonSet")


def move_tag(tag: str, survivor: str) -> str:
    return f"pilotage tag set {tag} --revision {survivor} --overwrite"


def move_namespace(namespace: str, labels: Labels, survivor: str) -> str:
    """`istio-injection` hides the revision label, so it has to go as well."""
    also = " --remove-injection-label" if INJECTION in labels else ""
    return f"pilotage namespace move {namespace} --to {survivor}{also}"


def relabel(resource: IstioResource, revision: str) -> str:
    kind = f"{resource.kind.lower()}.{resource.api_version.partition('/')[0]}"
    return f"kubectl label {kind} {resource.name} -n {resource.namespace} {REV}={revision} --overwrite"


def change_template(kind: str, namespace: str, name: str, survivor: str) -> str:
    """A template can only be relabelled by a patch, which restarts the pods too."""
    template = {"template": {"metadata": {"labels": {REV: survivor}}}}
    spec = {"jobTemplate": {"spec": template}} if kind == "CronJob" else template
    if kind not in (*RESTARTABLE, "CronJob"):
        return f"set label {REV}={survivor} in the pod template of {kind} {namespace}/{name}"
    return f"kubectl patch {kind.lower()} {name} -n {namespace} --type merge -p '{json.dumps({'spec': spec})}'"


def change_selection(snapshot: Snapshot, workload: tuple[str, str, str], pod_labels: Labels, survivor: str) -> str:
    """What makes injection give a workload's (kind, namespace, name) next pods the survivor's proxy."""
    kind, namespace, name = workload
    labels = namespace_labels(snapshot, namespace)
    asked = asked_name(labels, pod_labels)
    if asked in tags(snapshot):
        return move_tag(str(asked), survivor)
    if REV in labels or INJECTION in labels:
        return move_namespace(namespace, labels, survivor)
    return change_template(kind, namespace, name, survivor)


def replace_pod(kind: str, namespace: str, name: str, pod: str) -> str:
    """What replaces a running pod by a new one, or ends it where nothing would bring it back."""
    if kind in RESTARTABLE:
        return f"pilotage restart {kind.lower()}/{name} -n {namespace}"
    if kind in ("Job", "CronJob"):
        return f"wait until its {kind} {name} is done, or: kubectl delete pod {pod} -n {namespace}"
    return f"kubectl delete pod {pod} -n {namespace}"


def free_pod(snapshot: Snapshot, revision: str, survivor: str, pod: tuple[tuple[str, str, str], str, Labels]) -> str:
    """Frees one pod, given as (workload, name, labels): where injection would give it `revision` again, that first."""
    workload, name, labels = pod
    kind, namespace, owner = workload
    replace = replace_pod(kind, namespace, owner, name)
    if selected_revision(snapshot, namespace, labels) != revision:
        return replace
    first = change_selection(snapshot, workload, labels, survivor)
    return first if first.startswith("kubectl patch") else f"{first} && {replace}"
