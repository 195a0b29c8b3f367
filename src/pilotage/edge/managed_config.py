"""The mesh ConfigMap that a chart renders, made to hold no more than it must. Called by `charts`; pure.

It wins over the user's shared one (istio-revisions 2.2). A setting that the chart repeats although it is istiod's own
default would undo what the user wrote there, without a word and for nothing; so such settings are left out.
"""

from collections.abc import Collection
from typing import Final

import yaml

from pilotage.domain.names import MESH_KEY
from pilotage.domain.objects import Obj

_DEFAULTS: Final = {"trustDomain": "cluster.local", "enablePrometheusMerge": True}  # DefaultMeshConfig of istiod


def without_defaults(obj: Obj, name: str, asked: Collection[str]) -> Obj:
    """The object; if it is ConfigMap `name`, without istiod's defaults but those that the values `asked` for."""
    if obj["kind"] != "ConfigMap" or obj["metadata"]["name"] != name:
        return obj
    mesh = yaml.safe_load(obj["data"][MESH_KEY]) or {}
    kept = {key: value for key, value in mesh.items() if key in asked or _DEFAULTS.get(key, object()) != value}
    return {**obj, "data": {**obj["data"], MESH_KEY: yaml.safe_dump(kept)}}
