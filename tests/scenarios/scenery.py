"""Worlds on a cluster, real or in memory, a few lines each: what a scenario adds or changes is as before at its end.

Called by the scenarios and by e2e. A `Scene` is objects to add, `Edit`s of objects that are there, and `Tag`s.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import yaml

from harness import CANARY, MESH, Cluster, Obj, Result, eventually
from pilotage.edge.kube import Kube


class Edit(NamedTuple):
    """A merge patch of something that is there; undone afterwards. `what` is as in `node/node-0`."""

    what: str
    patch: Obj
    namespace: str = ""


class Tag(NamedTuple):
    """A revision tag, removed afterwards."""

    name: str
    revision: str


Scene = tuple[Obj | Edit | Tag, ...]


@contextmanager
def staged(cluster: Cluster, *scene: Obj | Edit | Tag) -> Iterator[None]:
    """The world with the scene in it, pods running and quotas counted."""
    added = [thing for thing in scene if isinstance(thing, dict)]
    with ExitStack() as undo:
        for tag in (thing for thing in scene if isinstance(thing, Tag)):
            undo.callback(cluster.pilotage, "tag", "remove", tag.name, "-y")
            cluster.pilotage("tag", "set", tag.name, "--revision", tag.revision, "-y").must()
        for edit in (thing for thing in scene if isinstance(thing, Edit)):
            place = ["-n", edit.namespace] if edit.namespace else []
            before = cluster.get(edit.what, *place)
            undo.callback(cluster.patch, edit.what, _undoing(edit.patch, before), edit.namespace)
            cluster.patch(edit.what, edit.patch, edit.namespace)
        if added:
            undo.callback(_strike, cluster, added)
            cluster.apply(*added)
        for thing in added:
            _await(cluster, thing)
        yield


def findings(result: Result) -> list[dict[str, str]]:
    """Of a verb run with `-o json`: in its answer, or in its refusal."""
    if result.code == 0:
        return list(result.document["findings"])
    return list(json.loads(result.must(3).err)["error"]["findings"])


def codes(result: Result) -> set[str]:
    return {finding["code"] for finding in findings(result)}


def user(cluster: Cluster, name: str, *rules: Obj) -> str:
    """Path of a kubeconfig for a ServiceAccount that has these RBAC rules in the whole cluster and no other right."""
    subject = {"kind": "ServiceAccount", "name": name, "namespace": "default"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    version, meta = "rbac.authorization.k8s.io/v1", {"metadata": {"name": name}}
    cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"}},
        {"apiVersion": version, "kind": "ClusterRole", "rules": list(rules)} | meta,
        {"apiVersion": version, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [subject]} | meta,
    )
    token = cluster.token(name)
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = cluster.kubeconfig.with_name(f"{name}.kubeconfig")
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    for rule in rules:
        _await_right(str(path), rule)
    return str(path)


def _await_right(config: str, rule: Obj) -> None:
    """Until the authorizer, which learns of roles after they were written, counts the rule's last."""
    verb, resource, group = rule["verbs"][-1], rule["resources"][-1], rule["apiGroups"][-1]
    kube = Kube.connect(config)
    eventually(f"{verb} {resource} is granted", lambda: kube.may(verb, group, resource))


def may(verbs: str, resources: str = "*", groups: str = "*") -> Obj:
    """An RBAC rule; words are separated by commas."""
    return {"apiGroups": groups.split(","), "resources": resources.split(","), "verbs": verbs.split(",")}


def obj(kind: str, name: str, *, space: str = "", version: str = "v1", **fields: Any) -> Obj:
    """Any object; `labels` go into its metadata."""
    meta = {"name": name} | ({"namespace": space} if space else {}) | {"labels": fields.pop("labels", {})}
    return {"apiVersion": version, "kind": kind, "metadata": meta} | fields


def mesh_config(revision: str, text: str) -> Obj:
    """The user's mesh configuration of a revision."""
    return obj("ConfigMap", f"istio-shared-configmap-{revision}", space=MESH, data={"mesh": text})


def injector(name: str, matching: str, **labels: str) -> Obj:
    """An injection webhook for namespaces labelled istio.io/rev=`matching`. Nobody answers it, and nobody minds."""
    selector = {"matchExpressions": [{"key": "istio.io/rev", "operator": "In", "values": [matching]}]}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    webhook = {
        "name": "namespace.sidecar-injector.istio.io",
        "clientConfig": {"url": "https://127.0.0.1:1/inject"},
        "namespaceSelector": selector,
        "rules": [rule],
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    marks = {f"istio.io/{key}": value for key, value in labels.items()}
    version = "admissionregistration.k8s.io/v1"
    return obj("MutatingWebhookConfiguration", name, version=version, labels=marks, webhooks=[webhook])


def canary_start(cluster: Cluster, *words: str) -> Result:
    """`upgrade start` of the canary as far as its preflight."""
    return cluster.pilotage("upgrade", "start", "--revision", CANARY, "--dry-run", "-o", "json", *words)


def _strike(cluster: Cluster, added: list[Obj]) -> None:
    """Namespaces themselves are not waited for: rules ignore terminating ones. Their pods are."""
    cluster.strike(*added)
    for space in {thing["metadata"].get("namespace") for thing in added if _pods_of(thing)}:
        eventually(f"no pods in {space}", lambda space=space: not cluster.names("pods", space))


def _undoing(patch: Obj, before: Obj) -> Obj:
    """The merge patch that puts back what `patch` changes; null takes away what was not there."""
    undo: Obj = {}
    for key, value in patch.items():
        old = before.get(key)
        undo[key] = _undoing(value, old) if isinstance(value, dict) and isinstance(old, dict) else old
    return undo


def _pods_of(thing: Obj) -> int:
    """How many pods an object brings with it, at least."""
    if thing["kind"] in ("Pod", "DaemonSet", "Job"):
        return 1
    return int(thing["spec"].get("replicas", 0)) if thing["kind"] in ("Deployment", "StatefulSet") else 0


def _await(cluster: Cluster, thing: Obj) -> None:
    name, space = thing["metadata"]["name"], thing["metadata"].get("namespace", "")
    if thing["kind"] == "ResourceQuota":
        counted = lambda: cluster.get("quota", name, "-n", space).get("status", {}).get("used")  # noqa: E731
        eventually(f"quota {name} is counted", counted)
    elif thing["kind"] == "Job":
        eventually(f"Job {name} is done", lambda: cluster.get("job", name, "-n", space)["status"].get("succeeded"))
    elif wanted := _pods_of(thing):
        eventually(f"{name} runs", lambda: _running(cluster, name, space) >= wanted)


def _running(cluster: Cluster, name: str, space: str) -> int:
    pods = cluster.get("pods", "-n", space, "-l", f"app={name}")["items"]
    return sum(pod["status"].get("phase") in ("Running", "Succeeded") for pod in pods)
