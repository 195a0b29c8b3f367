"""What brings the control planes about: namespace, CRDs, base, then each managed revision. Called by `plan`."""

from collections.abc import Iterable, Iterator

from pilotage.decide.inventory import (
    is_copy,
    is_ours,
    part_of,
    parts_present,
    stamped,
    taken,
    without_newer_crds,
    writes,
)
from pilotage.decide.wording import first_of
from pilotage.domain.actions import Action, Apply, Delete, Patch, Wait
from pilotage.domain.findings import Finding
from pilotage.domain.istio import ControlPlane
from pilotage.domain.names import (
    BASE,
    CREATE_MANAGER,
    DEFAULT_VALIDATOR,
    RESTARTED_FOR,
    REV,
    gateway_in,
    in_words,
    suffixed,
    validator_name,
)
from pilotage.domain.objects import Obj, ObjectRef, labels_of, ref_of
from pilotage.domain.state import Desired, Revision, Snapshot
from pilotage.domain.version import Version


def namespace_action(desired: Desired, snapshot: Snapshot) -> Iterator[Action]:
    """The mesh's namespace where it is not there. Never ours to delete: it holds the CA and the user's ConfigMaps."""
    name = desired.profile.namespace
    if all(namespace.name != name for namespace in snapshot.namespaces):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        yield Apply(body, "namespace of the control planes", CREATE_MANAGER)


def part_actions(desired: Desired, snapshot: Snapshot, part: str) -> Iterator[Action]:
    """Applies what differs of one part, then deletes what is ours but no longer in the chart (never a CRD)."""
    yield from object_actions(desired.objects[part], part, desired.newest, snapshot)


def object_actions(objects: Iterable[Obj], part: str, newest: Version, snapshot: Snapshot) -> Iterator[Action]:
    """The same for any part, of a gateway too."""
    rendered = tuple(stamped(obj, part, newest) for obj in objects)
    for obj in without_newer_crds(rendered, snapshot.live):
        live = snapshot.live.get(ref_of(obj))
        if live is not None and not is_ours(live):
            continue  # `foreign_findings` names it
        if not _moves_validator(obj, live, snapshot):
            yield from writes(obj, live, f"{in_words(part)}: as its chart says")
    wanted = {ref_of(obj) for obj in rendered}
    spaces = {ref.namespace for ref in wanted}
    for ref, obj in snapshot.live.items():
        if gateway_in(part) and ref.namespace not in spaces:
            continue  # of a gateway of that name in another namespace, which `gateway_removal` judges
        left = is_ours(obj) and part_of(obj) == part and ref not in wanted and not is_copy(obj)
        if left and ref.kind != "CustomResourceDefinition":
            yield Delete(ref, f"{in_words(part)}: no longer in its chart")


def account_actions(desired: Desired, snapshot: Snapshot) -> Iterator[Action]:
    """Restarts an istiod that is older than its ServiceAccount.

    A token is bound to the account's uid: once the account was deleted, the one that comes back under its name does not
    help a running istiod, whose every request is answered 401 until its token is renewed, most of an hour later.
    """
    for revision in desired.revisions:
        plane, account = control_plane(snapshot, revision.name), _account(snapshot, revision.name)
        if plane is None or account is None or not plane.oldest:
            continue
        created, uid = account["metadata"].get("creationTimestamp", ""), account["metadata"].get("uid", "")
        ref = ObjectRef("apps/v1", "Deployment", plane.namespace, plane.name)
        template = snapshot.live.get(ref, {}).get("spec", {}).get("template", {}).get("metadata", {})
        if plane.oldest < created and (template.get("annotations") or {}).get(RESTARTED_FOR) != uid:
            body = {"spec": {"template": {"metadata": {"annotations": {RESTARTED_FOR: uid}}}}}
            yield Patch(ref, body, f"{revision.name}: its pods hold tokens of a ServiceAccount that was deleted")


def _account(snapshot: Snapshot, revision: str) -> Obj | None:
    name = suffixed("istiod", revision)
    account = snapshot.live.get(ObjectRef("v1", "ServiceAccount", snapshot.profile.namespace, name))
    return account if account is not None and is_ours(account) else None


def _moves_validator(obj: Obj, live: Obj | None, snapshot: Snapshot) -> bool:
    """Whether this is the default validator on its way from a revision that still stands.

    It stays there until the removal stage, which checks the target first. From one that is gone it moves at once.
    """
    if live is None or obj["metadata"]["name"] != DEFAULT_VALIDATOR:
        return False
    there = labels_of(live).get(REV)
    return there != labels_of(obj).get(REV) and there in parts_present(snapshot.live)


def validator_move(desired: Desired, snapshot: Snapshot) -> Iterator[Action]:
    """Points the default validator at stable. Called by the removal stage once the survivor is proven."""
    for obj in desired.objects.get(BASE, ()):
        ours = stamped(obj, BASE, desired.newest)
        live = snapshot.live.get(ref_of(ours))
        if live is not None and is_ours(live) and _moves_validator(ours, live, snapshot):
            yield from writes(ours, live, f"default validator moves to {desired.stable.name}")


def foreign_findings(desired: Desired, snapshot: Snapshot) -> Iterator[Finding]:
    """Objects that stand where ours would be, and are another's: never touched."""
    for part, objects in desired.objects.items():
        theirs = taken(objects, snapshot.live)
        if not theirs:
            continue
        names = first_of(theirs, 3)
        if part == BASE:
            yield Finding("ForeignBase", f"left alone, installed by someone else: {names}", subject=BASE)
        else:
            yield Finding(
                "ForeignControlPlane",
                f"revision {part} was not installed by Pilotage: {names}",
                subject=part,
                fix="choose another revision, or remove that installation with the tool that made it",
            )


def mesh_elsewhere(snapshot: Snapshot) -> Iterator[Finding]:
    """Control planes of ours in another namespace than the resource names: pruning them would strand every proxy."""
    here = snapshot.profile.namespace
    ours = ((ref, obj) for ref, obj in snapshot.live.items() if is_ours(obj) and not is_copy(obj))
    planes = (ref for ref, obj in ours if not gateway_in(part_of(obj)))
    others = sorted({ref.namespace for ref in planes} - {here, ""})
    for namespace in others:
        message = f"Pilotage installed control planes in {namespace}, but the ServiceMesh names {here}"
        yield Finding("MeshElsewhere", message, namespace, f"set spec.names.namespace back to {namespace}")


def control_plane(snapshot: Snapshot, revision: str) -> ControlPlane | None:
    """The istiod Deployment of a revision: in the mesh's namespace, or where somebody else put it."""
    here = snapshot.profile.namespace
    planes = [plane for plane in snapshot.control_planes if plane.revision == revision]
    return min(planes, key=lambda plane: plane.namespace != here, default=None)


def readiness(snapshot: Snapshot, revision: Revision, *, scaling: bool = False) -> Iterator[Wait]:
    """What a revision still lacks before it can be trusted with a pod.

    `scaling`: one replica is enough, as while its HPA brings it from one to two.
    """
    yield from _starting(snapshot, revision.name, scaling=scaling)
    yield from _webhooks_ready(snapshot, revision.name)


def istiods_start(desired: Desired, snapshot: Snapshot) -> bool:
    """Whether an istiod that is asked for is not available yet. Until it is, nothing of its revision is ready."""
    managed = (revision.name for revision in desired.revisions if revision.managed)
    return any(True for name in managed for _ in _starting(snapshot, name, scaling=False))


def _starting(snapshot: Snapshot, revision: str, *, scaling: bool) -> Iterator[Wait]:
    plane = control_plane(snapshot, revision)
    if plane is None:
        yield Wait(f"Deployment istiod of {revision}", "is not there yet")
        return
    least = 1 if scaling else max(plane.desired, 1)
    if plane.available < least or plane.updated < min(least, plane.desired) or plane.outdated:
        replaced = f"{plane.outdated} of its pods are still to be replaced"
        counted = replaced if plane.outdated else f"{plane.available} of {plane.desired} replicas available"
        cause = plane.reason or counted
        yield Wait(f"Deployment {plane.namespace}/{plane.name}", cause)


def _webhooks_ready(snapshot: Snapshot, revision: str) -> Iterator[Wait]:
    for config in snapshot.injectors:
        if config.revision == revision and any(not webhook.ca_bundle for webhook in config.webhooks):
            yield Wait(f"{config.kind} {config.name}", "istiod has not filled its caBundle yet")
    own = validator_name(revision, snapshot.profile.namespace)
    for config in snapshot.validators:
        if config.name != own:
            continue
        if any(not webhook.ca_bundle for webhook in config.webhooks):
            yield Wait(f"{config.kind} {config.name}", "istiod has not filled its caBundle yet")
        elif any(webhook.failure_policy != "Fail" for webhook in config.webhooks):
            yield Wait(f"{config.kind} {config.name}", "istiod has not proven it yet: failurePolicy is still Ignore")
