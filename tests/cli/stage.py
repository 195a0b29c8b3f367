"""The command line on a world: verbs run in this process, on a Snapshot and a cluster that records writes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from pilotage.decide.selectors import selected_revision
from pilotage.domain.cluster import Namespace, Pod, Workload
from pilotage.domain.objects import Obj, ObjectRef, labels_of, ref_of
from pilotage.domain.state import Snapshot


class Answer(NamedTuple):
    code: int
    out: str
    err: str


class Recorder:
    """A cluster that starts as a Snapshot, keeps what it is told, and shows it next time. Injects dry-run pods."""

    namespace = "default"

    def __init__(self, snapshot: Snapshot) -> None:
        self.start = snapshot
        self.objects: dict[ObjectRef, Obj] = {}
        self.written: list[tuple[str, ObjectRef]] = []
        self.injects = True
        self.without_proxies: set[str] = set()  # namespaces in which no pod gets a proxy
        self.behind = 0  # so many pods are still injected by what the world was at first

    def seen(self) -> Snapshot:
        """The world with the labels and restarts that were written; restarted pods are there at once."""
        spaces = tuple(self._relabelled(space) for space in self.start.namespaces)
        workloads = tuple(self._restarted(each) for each in self.start.workloads)
        now = msgspec.structs.replace(self.start, namespaces=spaces, workloads=workloads)
        return msgspec.structs.replace(now, pods=tuple(self._moved(pod, now) for pod in now.pods))

    def get(self, ref: ObjectRef) -> Obj | None:
        return self.objects.get(ref)

    def list_metadata(self, _api: str, _kind: str, _namespace: str = "", *, labels: str = "") -> list[Obj]:
        key, _, value = labels.partition("=")
        return [{"metadata": {"name": each.name}} for each in self.start.namespaces if each.labels.get(key) == value]

    def apply(self, obj: Obj, manager: str, *, dry_run: bool = False) -> Obj:  # noqa: ARG002
        return self._write("apply", ref_of(obj), obj, dry_run)

    def create(self, obj: Obj, *, dry_run: bool = False) -> Obj:
        labels = labels_of(obj)
        known = self.start if self.behind else self.seen()
        self.behind = max(0, self.behind - 1)
        revision = selected_revision(known, obj["metadata"]["namespace"], labels)
        if revision is None or not self.injects or obj["metadata"]["namespace"] in self.without_proxies:
            return obj if dry_run else self._write("create", ref_of(obj), obj, dry_run)
        proxied = {"containers": [*obj["spec"]["containers"], {"name": "istio-proxy", "image": "proxyv2"}]}
        annotated = obj["metadata"] | {"annotations": {"istio.io/rev": revision}}
        return obj | {"metadata": annotated, "spec": obj["spec"] | proxied}

    def patch(self, ref: ObjectRef, body: Obj, **more: Any) -> Obj:
        return self._write("patch", ref, body, bool(more.get("dry_run")))

    def delete(self, ref: ObjectRef, *, dry_run: bool = False) -> bool:
        self._write("delete", ref, {}, dry_run)
        return True

    def _write(self, how: str, ref: ObjectRef, obj: Obj, dry_run: bool) -> Obj:
        if not dry_run:
            self.written.append((how, ref))
            self.objects[ref] = obj
        return obj

    def _relabelled(self, space: Namespace) -> Namespace:
        written = labels_of(self.objects.get(ObjectRef("v1", "Namespace", "", space.name), {}))
        labels = {key: value for key, value in (space.labels | written).items() if value is not None}
        return msgspec.structs.replace(space, labels=labels)

    def _restarted(self, workload: Workload) -> Workload:
        patch = self.objects.get(ObjectRef(workload.api_version, workload.kind, workload.namespace, workload.name))
        annotations = patch["spec"]["template"]["metadata"]["annotations"] if patch else workload.annotations
        return msgspec.structs.replace(workload, annotations=annotations)

    def _moved(self, pod: Pod, now: Snapshot) -> Pod:
        kind, name = pod.workload
        if ObjectRef("apps/v1", kind, pod.namespace, name) not in self.objects:
            return pod
        revision = selected_revision(now, pod.namespace, pod.labels) or ""
        return msgspec.structs.replace(pod, annotations=pod.annotations | {"istio.io/rev": revision})

    def list(self, _api: str, kind: str, **_: str) -> list[Obj]:
        """Only of what no Snapshot has: no operator is installed, and no CRD differs."""
        assert kind in ("Deployment", "CustomResourceDefinition"), kind
        return []


class Stage(NamedTuple):
    """`pilotage("tag", "list")` on the world; `kube` holds what was written."""

    kube: Recorder
    pilotage: Callable[..., Answer]


SetStage = Callable[..., Stage]  # fixture `stage`
