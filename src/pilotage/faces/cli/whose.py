"""Which mesh is meant, and under what names: of the ServiceMesh, of `-i`, or of the istiod that is found."""

import msgspec

from pilotage.domain.errors import Denied, Refused
from pilotage.domain.mesh import ProfileName, ServiceMesh
from pilotage.domain.names import REV
from pilotage.domain.objects import labels_of
from pilotage.domain.profile import PROFILES, Profile, profile_of
from pilotage.edge.kube import Kube


def profile_for(kube: Kube, mesh: ServiceMesh | None, namespace: str | None) -> Profile:
    """`namespace` (-i) wins; then the resource; then what is installed; an empty cluster gets upstream's names.

    Raises Refused for a namespace without istiod while one runs elsewhere.
    """
    ours = profile_of(mesh.spec) if mesh else None
    if ours and namespace in (None, ours.namespace):
        return ours
    there = _istiods(kube)
    if namespace and there and namespace not in there:
        places = sorted(set(there))
        words = f"no istiod is in namespace {namespace}, only in {', '.join(places)}"
        raise Refused(words, fix=f"the same command with -i {places[0]}, or without -i")
    return named_for(namespace or max(sorted(set(there)), key=there.count, default=""))


def named_for(namespace: str) -> Profile:
    """The profile whose namespace it is; upstream's names in that namespace where none is."""
    known = (profile for profile in PROFILES.values() if profile.namespace == namespace)
    default = PROFILES[ProfileName.ISTIO]
    return next(known, msgspec.structs.replace(default, namespace=namespace or default.namespace))


def _istiods(kube: Kube) -> list[str]:
    """The namespace of each istiod; none where they may not be seen."""
    try:
        found = kube.list("apps/v1", "Deployment", labels="app=istiod")
    except Denied:
        return []
    return [each["metadata"]["namespace"] for each in found if REV in labels_of(each)]
