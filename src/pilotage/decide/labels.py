"""Labels that ask for an injection nobody will do. Called by `preflight` and `check`."""

from collections.abc import Iterator

from pilotage.decide.freeing import change_template
from pilotage.decide.selectors import asked_name, namespace_labels, revision_of_name, revisions, selected_revision, tags
from pilotage.decide.wording import nearest
from pilotage.domain.cluster import Namespace, Workload
from pilotage.domain.findings import Finding
from pilotage.domain.names import INJECTION, REV, SYSTEM_NAMESPACES
from pilotage.domain.state import Snapshot


def unknown_revision_labels(snapshot: Snapshot, coming: str = "") -> Iterator[Finding]:
    """Namespaces and pod templates labelled for a revision or tag that is not there. `coming` is about to be."""
    if snapshot.unknown.keys() & {"namespaces", "injectors", "control_planes"}:
        return
    for namespace in _theirs(snapshot):
        name = namespace.labels.get(REV)
        if name and INJECTION not in namespace.labels and not _exists(snapshot, name, coming):
            yield _unknown_on_namespace(snapshot, namespace, name)
    if "workloads" in snapshot.unknown:
        return
    for workload in snapshot.workloads:
        name = _asked_by_template(snapshot, workload)
        if name and not _exists(snapshot, name, coming):
            yield _unknown_on_template(snapshot, workload, name)


def injection_label_conflicts(snapshot: Snapshot) -> Iterator[Finding]:
    """`istio-injection` beside `istio.io/rev` on a namespace: the first wins, even where it leads nowhere."""
    for namespace in _theirs(snapshot):
        injection, name = namespace.labels.get(INJECTION), namespace.labels.get(REV)
        if injection is not None and name:
            labels = f"istio-injection={injection} beside {REV}={name}"
            message = f"namespace {namespace.name} has {labels}: {_effect(snapshot, namespace)}"
            fix = f"kubectl label namespace {namespace.name} {INJECTION}-"
            yield Finding("InjectionLabelConflict", message, namespace.name, fix)


def _effect(snapshot: Snapshot, namespace: Namespace) -> str:
    if "injectors" in snapshot.unknown:
        return "the first wins"
    given = selected_revision(snapshot, namespace.name, {})
    return f"its pods get a proxy of {given}" if given else "its pods get no proxy"


def _theirs(snapshot: Snapshot) -> Iterator[Namespace]:
    """Namespaces that istiod injects at all and that will still be there."""
    for namespace in snapshot.namespaces:
        if not namespace.terminating and namespace.name not in SYSTEM_NAMESPACES:
            yield namespace


def _asked_by_template(snapshot: Snapshot, workload: Workload) -> str | None:
    """What the template's own label asks for, where its namespace leaves it the choice. Bare pods do not come back."""
    if REV not in workload.labels or workload.kind == "Pod" or workload.finished:
        return None
    labels = namespace_labels(snapshot, workload.namespace)
    return None if REV in labels or INJECTION in labels else asked_name(labels, workload.labels)


def _exists(snapshot: Snapshot, name: str, coming: str) -> bool:
    return name == coming or revision_of_name(snapshot, name) is not None


def _unknown_on_namespace(snapshot: Snapshot, namespace: Namespace, name: str) -> Finding:
    return Finding(
        "UnknownRevisionLabel",
        f"namespace {namespace.name} is labelled {REV}={name}, and there is no such revision or tag: "
        "its new pods get no proxy",
        namespace.name,
        f"pilotage namespace move {namespace.name} --to {_instead(snapshot, name)}",
    )


def _unknown_on_template(snapshot: Snapshot, workload: Workload, name: str) -> Finding:
    subject = f"{workload.kind} {workload.namespace}/{workload.name}"
    return Finding(
        "UnknownRevisionLabel",
        f"pods of {subject} are labelled {REV}={name}, and there is no such revision or tag: they get no proxy",
        subject,
        change_template(workload.kind, workload.namespace, workload.name, _instead(snapshot, name)),
    )


def _instead(snapshot: Snapshot, name: str) -> str:
    """The nearest name that is there, as it may be a slip of the pen; else some revision; else a blank to fill."""
    known = [*tags(snapshot), *revisions(snapshot)]
    return nearest(name, known) or (known[-1] if known else "REVISION")
