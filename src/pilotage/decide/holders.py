"""What still depends on a revision, thing by thing. Called by `usage`.

The words are product.md's "in use": a live pod's proxy, a connected proxy, a label of a namespace or pod template that
selects the revision, an Istio resource labelled for it.
"""

from collections.abc import Iterator

import msgspec

from pilotage.decide.freeing import change_selection, free_pod, move_namespace, move_tag, relabel
from pilotage.decide.selectors import asked_name, namespace_labels, revision_of_name, tags
from pilotage.decide.tag_source import tag_owner
from pilotage.domain.cluster import Pod
from pilotage.domain.names import INJECTION, OWNER_LABEL, REV
from pilotage.domain.objects import ObjectRef, labels_of
from pilotage.domain.state import Snapshot

GATEWAY_API = "gateway.networking.k8s.io"


class Holder(msgspec.Struct, frozen=True):
    """One thing that holds a revision. `group` names what it is listed under; `fix` is the command that frees it.

    One that is `leaving` holds it too, but goes by itself.
    """

    kind: str
    namespace: str
    name: str
    why: str
    fix: str
    group: str = ""
    leaving: bool = False


def pod_holders(snapshot: Snapshot, revision: str, survivor: str) -> Iterator[Holder]:
    """Live pods by what injected them, not by what they asked for. Finished pods hold nothing.

    A pod that is being deleted holds the revision for as long as its proxy is still connected.
    """
    connected = _connected(snapshot, revision)
    templates = {(each.kind, each.namespace, each.name): each.labels for each in snapshot.workloads}
    fixes: dict[tuple[str, str, str], str] = {}
    for pod in snapshot.pods:
        if pod.revision != revision or not _alive(pod, connected) or _installed(snapshot, pod):
            continue
        kind, owner = pod.workload
        key = (kind, pod.namespace, owner or pod.name)
        if key not in fixes or kind not in ("Deployment", "StatefulSet", "DaemonSet"):
            fixes[key] = free_pod(snapshot, revision, survivor, (key, pod.name, templates.get(key, pod.labels)))
        group = f"pods of {kind} {owner}" if kind != "Pod" else "pods without a workload"
        why = f"its proxy is of {revision}" + (", still connected while the pod is deleted" if pod.deleting else "")
        fix = f"wait: kubectl get pods -n {pod.namespace}" if pod.deleting else fixes[key]
        yield Holder("Pod", pod.namespace, pod.name, why, fix, group, pod.deleting)


def proxy_holders(snapshot: Snapshot, revision: str) -> Iterator[Holder]:
    """Proxies that istiods of the revision serve but that are no pods of it here: VMs, remote clusters, odd pods."""
    pods = {f"{pod.name}.{pod.namespace}": pod for pod in snapshot.pods}
    for name in sorted(_connected(snapshot, revision)):
        pod = pods.get(name)
        if pod and (pod.finished or pod.revision == revision or _installed(snapshot, pod)):
            continue
        here = "a pod that another revision injected" if pod else "no pod of this cluster: a VM or another cluster"
        workload, _, namespace = name.rpartition(".")
        fix = f"point it at another revision (it is {here}), then see it gone from: pilotage check"
        yield Holder(
            "Proxy", namespace, workload, f"connected to istiod of {revision}; {here}", fix, "connected proxies"
        )


def namespace_holders(snapshot: Snapshot, revision: str, survivor: str) -> Iterator[Holder]:
    """Namespaces whose label selects the revision, directly or through a tag, with pods or without."""
    for space in snapshot.namespaces:
        asked = asked_name(space.labels, {})
        if space.terminating or not _stands_for(snapshot, asked, revision):
            continue
        by_tag = asked in tags(snapshot)
        fix = move_tag(str(asked), survivor) if by_tag else move_namespace(space.name, space.labels, survivor)
        label = f"{INJECTION}={space.labels[INJECTION]}" if INJECTION in space.labels else f"{REV}={asked}"
        through = f", through tag {asked}" if by_tag else ""
        yield Holder("Namespace", "", space.name, f"label {label} selects {revision}{through}", fix, "namespaces")


def template_holders(snapshot: Snapshot, revision: str, survivor: str) -> Iterator[Holder]:
    """Pod templates whose own label selects the revision: those at 0 replicas and suspended CronJobs come back too."""
    for workload in snapshot.workloads:
        space = namespace_labels(snapshot, workload.namespace)
        ref = ObjectRef(workload.api_version, workload.kind, workload.namespace, workload.name)
        if workload.finished or REV in space or INJECTION in space or _ours(snapshot, ref):
            continue
        asked = asked_name(space, workload.labels)
        if _stands_for(snapshot, asked, revision):
            key = (workload.kind, workload.namespace, workload.name)
            through = f", through tag {asked}" if asked in tags(snapshot) else ""
            why = f"the labels of its pod template select {revision}{through}"
            fix = change_selection(snapshot, key, workload.labels, survivor)
            yield Holder(workload.kind, workload.namespace, workload.name, why, fix, f"templates of {workload.kind}s")


def resource_holders(snapshot: Snapshot, revision: str, survivor: str) -> Iterator[Holder]:
    """Istio resources labelled for the revision: no other istiod reads them. Gateway API resources may name a tag."""
    for each in snapshot.resources:
        by_tag = each.revision in tags(snapshot) and each.api_version.startswith(GATEWAY_API)
        selects = revision_of_name(snapshot, each.revision) == revision if by_tag else each.revision == revision
        if not selects or _ours(snapshot, ObjectRef(each.api_version, each.kind, each.namespace, each.name)):
            continue
        fix = move_tag(each.revision, survivor) if by_tag else relabel(each, survivor)
        why = f"label {REV}={each.revision}: only istiod of {revision} reads it"
        yield Holder(each.kind, each.namespace, each.name, why, fix, f"{each.kind} resources")


def tag_holders(snapshot: Snapshot, revision: str, survivor: str) -> Iterator[Holder]:
    """Tags that a removal could not repoint, because somebody else would put them back."""
    for config in snapshot.injectors:
        owner = tag_owner(config) if config.tag and config.revision == revision else None
        if owner:
            fix = f"change it there: pilotage tag generate {config.tag} --revision {survivor} --overwrite"
            yield Holder("Tag", "", config.tag, f"points at {revision} and is kept by {owner}", fix, "tags")


def _stands_for(snapshot: Snapshot, asked: str | None, revision: str) -> bool:
    return asked is not None and (revision_of_name(snapshot, asked) or asked) == revision


def _connected(snapshot: Snapshot, revision: str) -> frozenset[str]:
    reports = (report for report in snapshot.istiods if report.revision == revision)
    return frozenset(proxy.name for report in reports for proxy in report.proxies)


def _alive(pod: Pod, connected: frozenset[str]) -> bool:
    return not pod.finished and (not pod.deleting or f"{pod.name}.{pod.namespace}" in connected)


def _installed(snapshot: Snapshot, pod: Pod) -> bool:
    """Pods of what Pilotage installs with the revision (its gateways) go with it."""
    kind, owner = pod.workload
    return pod.ours or _ours(snapshot, ObjectRef("apps/v1", kind, pod.namespace, owner))


def _ours(snapshot: Snapshot, ref: ObjectRef) -> bool:
    return OWNER_LABEL in labels_of(snapshot.live.get(ref, {}))
