"""Takes a revision away without stranding a proxy or leaving a webhook that points at nothing. Called by `plan`.

The order is what outages taught: tags and the default validator are repointed first, gateways drain while their istiod
is still there, webhooks go before the Service they call (a webhook that fails closed at a dead Service stops every pod
of the cluster), leases last. Each stage is done only when the one before is seen to be done.
"""

from collections.abc import Iterator
from typing import NamedTuple

from pilotage.decide.callers import callers
from pilotage.decide.force import confirmed, forced
from pilotage.decide.gateway_stages import leaving_stages, pieces_of_revision
from pilotage.decide.gateways import survivor_findings
from pilotage.decide.health import roots_differ
from pilotage.decide.install import readiness, validator_move
from pilotage.decide.inventory import is_copy, is_ours, is_webhook, part_of, parts_present
from pilotage.decide.soak import soaking, soaking_finding, soaking_wait, soaks
from pilotage.decide.stages import RUNNING, Stage
from pilotage.decide.tags import repoint, tags_of
from pilotage.decide.usage import in_use_findings
from pilotage.domain.actions import Action, Delete, Wait
from pilotage.domain.findings import Finding
from pilotage.domain.mesh import Removal
from pilotage.domain.names import BASE, REV, gateway_in
from pilotage.domain.objects import ObjectRef, ref_of
from pilotage.domain.state import Desired, Revision, Snapshot
from pilotage.domain.version import minor_in_name

SOAKING = "RemovalSoaking"
_ELECTIONS = ("deployment", "status-leader", "inferencepool")  # of istio's pilot/pkg/leaderelection, per revision


class Verdict(NamedTuple):
    """About a removal under way. `phase`: what it is in while it may not go on, "" once it may.

    `removal` is to be kept in the status: None while the guard does not hold, or where nobody needs to wait for it.
    """

    phase: str = ""
    findings: tuple[Finding, ...] = ()
    waits: tuple[Wait, ...] = ()
    removal: Removal | None = None


def removed(desired: Desired, snapshot: Snapshot) -> tuple[str, ...]:
    """Revisions of ours that are there but no longer asked for. One that became External is another's, not unwanted.

    An object that is asked for is none of theirs, whatever somebody made of its labels.
    """
    asked = {ref_of(obj) for obj in desired.every_object}
    wanted = {revision.name for revision in desired.revisions}
    rest = {ref: obj for ref, obj in snapshot.live.items() if ref not in asked}
    return tuple(revision for revision in parts_present(rest) if revision not in wanted)


def leftover(snapshot: Snapshot, survivor: Revision, *, older: bool) -> str | None:
    """A revision whose removal was begun, not ended: older than the survivor after complete, newer after rollback."""
    for name in parts_present(snapshot.live):
        if name == survivor.name:
            continue
        minor = minor_in_name(name) or next(
            (plane.version.in_minor for plane in snapshot.control_planes if plane.revision == name and plane.version),
            None,
        )
        if minor is None or (minor < survivor.version.in_minor) == older:
            return name
    return None


def guard(snapshot: Snapshot, revision: str, survivor: Revision) -> tuple[Finding, ...]:
    """Why `revision` may not go now: what is in use, and a survivor that could not take over."""
    return (
        *in_use_findings(snapshot, revision, survivor.name),
        *callers(snapshot, revision, survivor),
        *_survivor_findings(snapshot, survivor),
        *survivor_findings(snapshot, revision, survivor),
        *roots_differ(snapshot),
    )


def _survivor_findings(snapshot: Snapshot, survivor: Revision) -> Iterator[Finding]:
    for wait in readiness(snapshot, survivor, scaling=True):
        yield Finding(
            "CABundleEmpty" if "caBundle" in wait.cause else "IstiodNotAvailable",
            f"{survivor.name} would be the only control plane, but {wait.subject}: {wait.cause}",
            subject=survivor.name,
            fix="pilotage check",
        )


def judge(snapshot: Snapshot, revision: str, survivor: Revision) -> Verdict:
    """What is to be said of a removal under way. The guard is asked at every step, whoever forced or confirmed it."""
    force = forced(snapshot, revision)
    if force:
        said = Finding("RemovalForced", f"removal of {revision} was forced by {force.by}", revision)
        return Verdict(findings=(said,))
    blocking = guard(snapshot, revision, survivor)
    if blocking:
        message = f"{revision} stays until nothing depends on it: {blocking[0].message}"
        fix = f"free it, or add {revision} back to spec.revisions to cancel"
        said = Finding("RemovalBlocked", message, revision, fix)
        waits = tuple(Wait(finding.subject or revision, finding.message) for finding in blocking)
        return Verdict("RemovalBlocked", (said, *blocking), waits)
    return unless_confirmed(snapshot, revision)


def unless_confirmed(snapshot: Snapshot, revision: str) -> Verdict:
    """Of a removal whose guard holds: it soaks, unless a person has decided it."""
    if confirmed(snapshot, revision):
        return Verdict()
    removal = soaking(snapshot, revision)
    if not soaks(snapshot, removal):
        return Verdict(removal=removal)
    return Verdict(SOAKING, (soaking_finding(removal),), (soaking_wait(removal),), removal)


def removal_stages(desired: Desired, snapshot: Snapshot, revision: str) -> Iterator[Stage]:
    """Steps in order. The first that is not done is the one to do now."""
    tags = f"repoint tags and default validator to {desired.stable.name}"
    yield Stage(tags, _repointing(desired, snapshot, revision))
    yield from leaving_stages(snapshot, pieces_of_revision(snapshot, revision))
    yield from deletion_stages(snapshot, revision)


def deletion_stages(snapshot: Snapshot, part: str) -> Iterator[Stage]:
    """Deletes all of a part but CRDs. Accounts and roles go last: a stopping istiod still gives its leases back."""
    kept = [ref for ref in _refs(snapshot, part) if not is_webhook(ref.kind) and ref.kind != "CustomResourceDefinition"]
    yield webhook_stage(snapshot, part)
    running = tuple(Delete(ref, f"{part} is removed") for ref in kept if ref.kind in RUNNING)
    yield Stage(f"stop istiod of {part}", running)
    yield Stage(f"wait for the pods of {part} to end", waits=tuple(_stopping(snapshot, part)))
    yield Stage(f"delete leases of {part}", tuple(_leases(snapshot, part)), tuple(_unread(snapshot)))
    yield Stage(f"delete {part}", tuple(Delete(ref, f"{part} is removed") for ref in kept if ref.kind not in RUNNING))


def webhook_stage(snapshot: Snapshot, part: str) -> Stage:
    """They go before what they call."""
    refs = (ref for ref in _refs(snapshot, part) if is_webhook(ref.kind))
    return Stage(f"delete webhooks of {part}", tuple(Delete(ref, f"{part}: webhooks go first") for ref in refs))


def _refs(snapshot: Snapshot, part: str) -> tuple[ObjectRef, ...]:
    """In the mesh's namespace also those that somebody wrote anew: a revision must not stay in halves."""
    ours = ((ref, obj) for ref, obj in snapshot.live.items() if is_ours(obj) and part_of(obj) == part)
    around = {snapshot.profile.namespace, ""}
    return tuple(ref for ref, obj in ours if gateway_in(part) or ref.namespace in around or not is_copy(obj))


def _stopping(snapshot: Snapshot, part: str) -> Iterator[Wait]:
    for pod in snapshot.pods:
        mine = pod.labels.get("app") == "istiod" and pod.labels.get(REV) == part
        if mine and pod.namespace == snapshot.profile.namespace and not pod.finished:
            yield Wait(f"pod {pod.namespace}/{pod.name}", "is still stopping")


def _repointing(desired: Desired, snapshot: Snapshot, revision: str) -> tuple[Action, ...]:
    tags = tags_of(snapshot, revision)
    moves = (action for tag in tags for action in repoint(snapshot, tag, desired.stable.name))
    return (*validator_move(desired, snapshot), *moves)


def _unread(snapshot: Snapshot) -> Iterator[Wait]:
    """Leases that may not be read are not leases that are gone."""
    if "leases" in snapshot.unknown:
        yield Wait(f"leases in {snapshot.profile.namespace}", snapshot.unknown["leases"])


def _leases(snapshot: Snapshot, part: str) -> Iterator[Action]:
    """istiod leaves these behind (istio#61155)."""
    if part == BASE:
        return
    for name in snapshot.leases:
        if name in {f"istio-gateway-{kind}-{part}" for kind in _ELECTIONS}:
            ref = ObjectRef("coordination.k8s.io/v1", "Lease", snapshot.profile.namespace, name)
            yield Delete(ref, f"its holder {part} is gone")
