"""Moves of namespaces and restarts of workloads: what to write, and what cannot be. Called by the CLI's direct verbs.

Neither changes the other: relabelling touches no running pod, a restart takes what injection selects at that moment.
"""

import json
from collections.abc import Iterable, Iterator

import msgspec

from pilotage.decide.freeing import RESTARTABLE, change_selection, move_namespace
from pilotage.decide.ownership import owner_of
from pilotage.decide.selectors import revision_of_name, revisions, selected_revision, tags
from pilotage.decide.wording import did_you_mean
from pilotage.domain.actions import Patch
from pilotage.domain.cluster import Namespace, Pod, Workload
from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding
from pilotage.domain.names import INJECTION, RESTARTED_FOR, REV, SYSTEM_NAMESPACES
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.domain.state import Snapshot

Key = tuple[str, str, str]  # kind, namespace, name


class Moves(msgspec.Struct, frozen=True):
    """`actions` to write; `findings` name what is left alone, with the patch for the owner of a label that has one."""

    actions: tuple[Patch, ...]
    findings: tuple[Finding, ...]


class Selection(msgspec.Struct, frozen=True):
    """Workloads by name; or all of these namespaces that have a proxy or would get one; or all not on a revision.

    `not_on` takes only what has a proxy, in these namespaces, or everywhere where none are given.
    """

    names: tuple[Key, ...] = ()
    namespaces: tuple[str, ...] = ()
    not_on: str = ""


def move_namespaces(snapshot: Snapshot, names: Iterable[str], to: str, remove_injection: bool = False) -> Moves:
    """Relabels namespaces to a tag or revision; one that has the label already needs nothing.

    Raises Refused for a namespace, tag or revision that is not there. `istio-injection` beside the label would win, so
    a namespace that has it is left alone unless `remove_injection`; so is one whose label somebody owns.
    """
    if revision_of_name(snapshot, to) is None:
        raise Refused(
            f'there is no tag or revision "{to}" (there: {_listed([*revisions(snapshot), *tags(snapshot)])})',
            fix="pilotage tag list",
        )
    actions, findings = [], []
    for space in _named(snapshot, names):
        patch = _relabelling(space, to, remove_injection)
        problem = _hidden(space, to, remove_injection) or (_owned(space, patch, to) if patch else None)
        if problem:
            findings.append(problem)
        elif patch:
            actions.append(patch)
    return Moves(tuple(actions), tuple(findings))


def computed(snapshot: Snapshot, moves: Moves, unknown: Finding, pods: dict[str, str]) -> Finding:
    """The finding of a proof in a namespace that could not be tried, with what the webhooks' selectors say instead.

    `pods`: labels of the pod that was to be tried.
    """
    labels = {action.ref.name: action.body["metadata"]["labels"] for action in moves.actions}
    spaces = (
        msgspec.structs.replace(space, labels=_patched(space.labels, labels.get(space.name, {})))
        for space in snapshot.namespaces
    )
    after = msgspec.structs.replace(snapshot, namespaces=tuple(spaces))
    gives = selected_revision(after, unknown.subject.removeprefix("namespace "), pods)
    words = f"; by the selectors of the webhooks it would get {f'a proxy of {gives}' if gives else 'no proxy'}"
    return msgspec.structs.replace(unknown, message=unknown.message + words)


def _patched(labels: dict[str, str], patch: dict[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in (labels | patch).items() if value is not None}


def _named(snapshot: Snapshot, names: Iterable[str]) -> Iterator[Namespace]:
    known = {space.name: space for space in snapshot.namespaces if not space.terminating}
    for name in dict.fromkeys(names):
        if name in SYSTEM_NAMESPACES:
            raise Refused(f"istiod never injects namespace {name}", fix="leave it out")
        if name not in known:
            raise Refused(f'there is no namespace "{name}"{did_you_mean(name, known)}', fix="kubectl get namespaces")
        yield known[name]


def _relabelling(space: Namespace, to: str, remove_injection: bool) -> Patch | None:
    labels: Obj = {} if space.labels.get(REV) == to else {REV: to}
    if remove_injection and INJECTION in space.labels:
        labels[INJECTION] = None
    if not labels:
        return None
    before = space.labels.get(REV, "no revision")
    ref = ObjectRef("v1", "Namespace", "", space.name)
    return Patch(ref, {"metadata": {"labels": labels}}, f"namespace {space.name} moves from {before} to {to}")


def _hidden(space: Namespace, to: str, remove_injection: bool) -> Finding | None:
    if remove_injection or INJECTION not in space.labels:
        return None
    label = f"{INJECTION}={space.labels[INJECTION]}"
    message = f"namespace {space.name} has label {label}, which beats {REV}: it is left alone"
    return Finding("InjectionLabelConflict", message, space.name, move_namespace(space.name, space.labels, to))


def _owned(space: Namespace, patch: Patch, to: str) -> Finding | None:
    obj = space.raw or {"metadata": {"labels": space.labels}}
    for label in patch.body["metadata"]["labels"]:
        owner = owner_of(obj, ("metadata", "labels", label))
        if owner:
            message = f"label {label} of namespace {space.name} is kept by {owner}: it is left alone"
            fix = f"have it set to {to} there, with this patch: {json.dumps(patch.body)}"
            return Finding("FieldOwned", message, space.name, fix)
    return None


def to_restart(snapshot: Snapshot, selection: Selection) -> tuple[Workload, ...]:
    """The workloads that a restart would bring to what is selected, by namespace, kind and name.

    With `not_on`, those that injection would give that revision now; named ones whatever they have.
    `restart_findings` explains what is left out. Raises Refused for a name that is not there, a revision's too.
    """
    if selection.not_on and selection.not_on not in revisions(snapshot):
        words = f'there is no revision "{selection.not_on}" (there: {_listed([*revisions(snapshot)])})'
        raise Refused(words, fix="pilotage status")
    tuple(_named(snapshot, selection.namespaces))  # refuses one that is not there
    chosen = (
        each for each, pods in _candidates(snapshot, selection) if _explained(snapshot, selection, each, pods) is None
    )
    return tuple(sorted(chosen, key=lambda each: (each.namespace, each.kind, each.name)))


def restart_findings(snapshot: Snapshot, selection: Selection) -> tuple[Finding, ...]:
    """Why selected workloads are not restarted: `NotRestartable`, `RestartChangesNothing`."""
    found = (_explained(snapshot, selection, each, pods) for each, pods in _candidates(snapshot, selection))
    return tuple(finding for finding in found if finding)


def restart_action(workload: Workload, token: str) -> Patch:
    """Restarts once for `token`: the same value again is no write. The annotation is ours, so that Flux leaves it."""
    ref = ObjectRef(workload.api_version, workload.kind, workload.namespace, workload.name)
    template = {"metadata": {"annotations": {RESTARTED_FOR: token}}}
    return Patch(ref, {"spec": {"template": template}}, f"restart {workload.kind} {workload.namespace}/{workload.name}")


def expected_revision(snapshot: Snapshot, workload: Workload) -> str | None:
    """The revision whose proxy the workload's next pods get; None if injection gives them none."""
    return selected_revision(snapshot, workload.namespace, workload.labels)


def _candidates(snapshot: Snapshot, selection: Selection) -> Iterator[tuple[Workload, list[Pod]]]:
    """Selected workloads with their live pods. What owns pods but is no workload we know is made up from them."""
    pods: dict[Key, list[Pod]] = {}
    for pod in snapshot.pods:
        if not pod.finished and not pod.deleting:
            kind, name = pod.workload
            pods.setdefault((kind, pod.namespace, name or pod.name), []).append(pod)
    known = {(each.kind, each.namespace, each.name): each for each in snapshot.workloads}
    if selection.names:
        for key in dict.fromkeys(selection.names):
            yield _known(known, key), pods.get(key, [])
        return
    for key, theirs in pods.items():
        kind, namespace, name = key
        workload = known.get(key) or Workload(kind, namespace, name, "", theirs[0].labels)
        here = not selection.namespaces or namespace in selection.namespaces
        if here and _meant(snapshot, selection.not_on, workload, theirs):
            yield workload, theirs


def _meant(snapshot: Snapshot, not_on: str, workload: Workload, pods: list[Pod]) -> bool:
    if not_on:  # gateways of ours move with no restart: each revision has its own
        return any(pod.proxy and pod.revision != not_on and not pod.ours for pod in pods)
    return any(pod.revision for pod in pods) or expected_revision(snapshot, workload) is not None


def _known(known: dict[Key, Workload], key: Key) -> Workload:
    if key not in known:
        kind, namespace, name = key
        hint = did_you_mean(name, (each[2] for each in known if each[:2] == key[:2]))
        raise Refused(
            f"there is no {kind} {name} in namespace {namespace}{hint}", fix=f"kubectl get all -n {namespace}"
        )
    return known[key]


def _explained(snapshot: Snapshot, selection: Selection, workload: Workload, pods: list[Pod]) -> Finding | None:
    place = f"{workload.kind} {workload.namespace}/{workload.name}"
    unable = _unable(workload, pods)
    if unable:
        reason, fix = unable
        return Finding("NotRestartable", f"{place}: {reason}", place, fix)
    gives = expected_revision(snapshot, workload)
    if selection.not_on and gives != selection.not_on:
        key = (workload.kind, workload.namespace, workload.name)
        message = (
            f"{place}: new pods would get {f'a proxy of {gives}' if gives else 'no proxy'}, not {selection.not_on}"
        )
        fix = change_selection(snapshot, key, workload.labels, selection.not_on)
        return Finding("RestartChangesNothing", message, place, fix)
    return None


def _unable(workload: Workload, pods: list[Pod]) -> tuple[str, str] | None:
    """Why a change of the template replaces no pod, and what does."""
    delete = f"kubectl delete pod {' '.join(pod.name for pod in pods)} -n {workload.namespace}" if pods else ""
    if workload.paused:
        resume = f"kubectl rollout resume {workload.kind.lower()}/{workload.name} -n {workload.namespace}"
        return "it is paused, so a change of its template waits", resume
    if workload.on_delete:
        return "its update strategy is OnDelete: pods are replaced when they are deleted", delete
    if workload.kind in RESTARTABLE:
        return None
    reasons = {
        "Job": ("a Job's template cannot change; its pods end by themselves", ""),
        "CronJob": ("its next run gets the new proxy by itself", ""),
        "Pod": ("a pod without a workload: nothing would bring it back", delete),
    }
    return reasons.get(workload.kind, ("it belongs to a controller that Pilotage does not know", delete))


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"
