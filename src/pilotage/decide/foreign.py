"""What others installed: never touched, always named. Called by `preflight`."""

from collections.abc import Iterator, Sequence

from pilotage.decide.inventory import taken
from pilotage.decide.wording import first_of
from pilotage.domain.findings import Finding, Verb
from pilotage.domain.names import AKS_ADDON_LABEL
from pilotage.domain.objects import Obj
from pilotage.domain.state import Revision, Snapshot

_ADDON_NAMESPACE = "aks-istio-system"
_EXTERNAL = "pilotage status (tag, namespace move and restart work on it as it is; its owner installs and removes it)"


def foreign_control_planes(
    snapshot: Snapshot, target: Revision, objects: Sequence[Obj], verb: Verb
) -> Iterator[Finding]:
    """An Istio that is not ours: any when enabling; when starting, one of the target's name or where it would be."""
    if not target.managed:
        return
    for plane in snapshot.control_planes:
        if not plane.managed and (verb is Verb.ENABLE or plane.revision == target.name):
            by = plane.owner or "someone else"
            message = f"istiod {plane.namespace}/{plane.name} of revision {plane.revision} was installed by {by}"
            yield Finding("ForeignControlPlane", f"{message}: it is left alone", plane.revision, _EXTERNAL)
    theirs = taken(objects, snapshot.live)
    if theirs:
        names = first_of(theirs, 3)
        message = f"objects of revision {target.name} are there already and not ours: {names}"
        yield Finding("ForeignControlPlane", message, target.name, "choose another name, or remove them")


def addon_present(snapshot: Snapshot, target: Revision) -> Iterator[Finding]:
    """The provider's own manager installs into the namespace that profile `aks` would use."""
    if not target.managed:
        return
    marked = any(
        namespace.name == _ADDON_NAMESPACE and AKS_ADDON_LABEL in namespace.labels for namespace in snapshot.namespaces
    )
    owner = next((plane for plane in snapshot.control_planes if "add-on" in plane.owner), None)
    if marked or owner:
        shown = f"istiod {owner.namespace}/{owner.name}" if owner else f"namespace {_ADDON_NAMESPACE}"
        message = f"the AKS Istio add-on is on in this cluster ({shown} is managed by it)"
        yield Finding("AddonPresent", message, _ADDON_NAMESPACE, _EXTERNAL)
