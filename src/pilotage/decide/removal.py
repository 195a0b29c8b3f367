"""Takes a revision away without stranding a proxy or leaving a webhook that points at nothing. Called by `plan`.

The order is what outages taught: tags and the default validator are repointed first, webhooks go before the Service
they call (a webhook that fails closed at a dead Service stops every pod of the cluster), leases last. Each stage is
done only when the one before is seen to be done.
"""

from collections.abc import Iterator

from pilotage.decide.force import forced
from pilotage.decide.install import readiness, validator_move
from pilotage.decide.inventory import is_ours, is_webhook, part_of, parts_present
from pilotage.decide.tags import repoint
from pilotage.decide.usage import in_use_findings
from pilotage.domain.actions import Action, Delete
from pilotage.domain.findings import Finding
from pilotage.domain.names import BASE
from pilotage.domain.objects import ObjectRef
from pilotage.domain.state import Desired, Revision, Snapshot
from pilotage.domain.version import minor_in_name

# Dependents before what they depend on; whatever is not named goes with the last.
_ORDER = ("HorizontalPodAutoscaler", "PodDisruptionBudget", "Deployment", "Service", "NetworkPolicy", "ConfigMap")


def removed(desired: Desired, snapshot: Snapshot) -> tuple[str, ...]:
    """Revisions of ours that are there but no longer asked for."""
    wanted = {revision.name for revision in desired.revisions if revision.managed}
    return tuple(revision for revision in parts_present(snapshot.live) if revision not in wanted)


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
    return (*in_use_findings(snapshot, revision, survivor.name), *_survivor_findings(snapshot, survivor))


def _survivor_findings(snapshot: Snapshot, survivor: Revision) -> Iterator[Finding]:
    for wait in readiness(snapshot, survivor):
        yield Finding(
            "CABundleEmpty" if "caBundle" in wait.cause else "IstiodNotAvailable",
            f"{survivor.name} would be the only control plane, but {wait.subject}: {wait.cause}",
            subject=survivor.name,
            fix="pilotage check",
        )


def blockers(snapshot: Snapshot, revision: str, survivor: Revision) -> tuple[Finding, ...]:
    """The guard, unless it is forced."""
    return () if forced(snapshot, revision) else guard(snapshot, revision, survivor)


def removal_stages(desired: Desired, snapshot: Snapshot, revision: str) -> Iterator[tuple[str, tuple[Action, ...]]]:
    """Named stages in order, with what is left to do of each. The first that is not empty is the one to do now."""
    yield f"repoint tags and default validator to {desired.stable.name}", _repointing(desired, snapshot, revision)
    yield from deletion_stages(snapshot, revision)


def deletion_stages(snapshot: Snapshot, part: str) -> Iterator[tuple[str, tuple[Action, ...]]]:
    """Deletes all of a part but CRDs: webhooks, then the rest, then the leases its istiod held."""
    refs = tuple(ref for ref, obj in snapshot.live.items() if is_ours(obj) and part_of(obj) == part)
    webhooks = tuple(Delete(ref, f"{part}: webhooks go first") for ref in refs if is_webhook(ref.kind))
    yield f"delete webhooks of {part}", webhooks
    rest = (ref for ref in refs if not is_webhook(ref.kind) and ref.kind != "CustomResourceDefinition")
    yield f"delete {part}", tuple(Delete(ref, f"{part} is removed") for ref in sorted(rest, key=_rank))
    yield f"delete leases of {part}", tuple(_leases(snapshot, part))


def _repointing(desired: Desired, snapshot: Snapshot, revision: str) -> tuple[Action, ...]:
    tags = (config.tag for config in snapshot.injectors if config.tag and config.revision == revision)
    moves = (action for tag in tags for action in repoint(snapshot, tag, desired.stable.name))
    return (*validator_move(desired, snapshot), *moves)


def _leases(snapshot: Snapshot, part: str) -> Iterator[Action]:
    """istiod leaves these behind (istio#61155)."""
    if part == BASE:
        return
    for name in snapshot.leases:
        if name.startswith("istio-gateway-") and name.endswith(f"-{part}"):
            ref = ObjectRef("coordination.k8s.io/v1", "Lease", snapshot.profile.namespace, name)
            yield Delete(ref, f"its holder {part} is gone")


def _rank(ref: ObjectRef) -> int:
    return _ORDER.index(ref.kind) if ref.kind in _ORDER else len(_ORDER)
