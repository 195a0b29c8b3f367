"""Which mesh is meant, and under what names: of the ServiceMesh, of `-i`, or of the istiod that is found."""

import msgspec

from pilotage.domain.errors import Denied
from pilotage.domain.mesh import ProfileName, ServiceMesh
from pilotage.domain.names import REV
from pilotage.domain.objects import labels_of
from pilotage.domain.profile import PROFILES, Profile, profile_of
from pilotage.edge.kube import Kube


def profile_for(kube: Kube, mesh: ServiceMesh | None, namespace: str | None) -> Profile:
    """`namespace` (-i) wins; then the resource; then what is installed; an empty cluster gets upstream's names."""
    if namespace or mesh is None:
        return named_for(namespace or _installed_in(kube))
    return profile_of(mesh.spec)


def named_for(namespace: str) -> Profile:
    """The profile whose namespace it is; upstream's names in that namespace where none is."""
    known = (profile for profile in PROFILES.values() if profile.namespace == namespace)
    default = PROFILES[ProfileName.ISTIO]
    return next(known, msgspec.structs.replace(default, namespace=namespace or default.namespace))


def _installed_in(kube: Kube) -> str:
    """The namespace of most istiods, "" where none is found or may be seen."""
    try:
        found = kube.list("apps/v1", "Deployment", labels="app=istiod")
    except Denied:
        return ""
    namespaces = [each["metadata"]["namespace"] for each in found if REV in labels_of(each)]
    return max(sorted(set(namespaces)), key=namespaces.count, default="")
