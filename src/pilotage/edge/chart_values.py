"""Values for Istio's charts: what the profile says, what the user says over it, and what nobody may change."""

from collections.abc import Mapping
from typing import Any, Final

from pilotage.domain.errors import Refused
from pilotage.domain.mesh import ProfileName
from pilotage.domain.names import DEFAULT_REVISION, shared_config
from pilotage.domain.profile import Profile
from pilotage.domain.version import Version

Values = dict[str, Any]

# Values that name a control plane. Changed behind our back, its objects would get other names, or two owners.
_OURS: Final = {
    ("revision",): "it is the name of the entry in spec.revisions",
    ("revisionTags",): "set tags with: pilotage tag set",
    ("global", "istioNamespace"): "set spec.names.namespace",
    ("configMap",): "settings of the user go to the shared mesh configuration",
    ("env", "SHARED_MESH_CONFIG"): "its name follows from the revision",
}
_AKS_REPLICAS: Final[Values] = {"autoscaleMin": 2, "autoscaleMax": 5}  # a provider's defaults; 2 brings a PDB


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> Values:
    """Deep merge as Helm does it: mappings merge, anything else is replaced."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = merged(below, value) if both else value  # type: ignore[arg-type]
    return result


def base_values(profile: Profile, default_revision: str) -> Values:
    """Values of the chart `base`; `default_revision` is the one that validates what no revision claims."""
    return {"defaultRevision": default_revision, "global": {"istioNamespace": profile.namespace}}


def revision_values(profile: Profile, revision: str, version: Version, layers: tuple[Values, ...]) -> Values:
    """Values of the chart `istiod`; later layers win. Raises Refused for a layer that names the control plane anew."""
    settings: Values = {
        "revision": "" if revision == DEFAULT_REVISION else revision,
        "env": {"SHARED_MESH_CONFIG": shared_config(revision)},
        "global": {"istioNamespace": profile.namespace, "hub": profile.hub, "tag": str(version)},
    }
    if profile.proxy_image:
        image = {"image": profile.proxy_image_of(version)}
        settings = merged(settings, {"global": {"proxy": image, "proxy_init": image}})
    if profile.name is ProfileName.AKS:
        settings = merged(settings, _AKS_REPLICAS)
    for layer in layers:
        _refuse_ours(layer)
        settings = merged(settings, layer)
    return settings


def _refuse_ours(values: Values) -> None:
    """The charts read a value flat or, as older ones did, under `pilot`."""
    for path, instead in _OURS.items():
        for full in (path, ("pilot", *path)):
            if _has(values, full):
                raise Refused(f"values.{'.'.join(full)} is set by Pilotage: {instead}.", fix="remove it from values")


def _has(values: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(values, Mapping) or key not in values:
            return False
        values = values[key]
    return True
