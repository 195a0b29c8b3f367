"""How the values of a kind merge: which lists are maps by key or sets, and which values are one whole.

For built-in kinds by the names of fields, which tests/conformance compares with what a real API server publishes; for
custom resources by their schema. Used by `fieldsets` and `merge`.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pilotage_memory.kinds import Kind, Obj


class Shape(NamedTuple):
    """`keys`: a list that is a map by these fields of its items. `unique`: a list that is a set. Other lists are one
    value, and so is a map that is `atomic`. `free`: the keys of a map are the user's, not fields. `defaults`: its keys
    have some.
    """

    inside: Callable[[str], "Shape"]  # of a field, or ("") of the items of a list
    keys: tuple[str, ...] = ()
    unique: bool = False
    atomic: bool = False
    free: bool = False
    defaults: bool = False

    def key(self, item: Obj, name: str) -> Any:
        """The value of a key; None where it is missing and has no default, as built-in kinds' have."""
        return item.get(name, _KEY_DEFAULTS.get(name, "") if self.defaults else None)


_KEY_DEFAULTS: Final = {"protocol": "TCP", "containerPort": 0, "port": 0}

# Field -> keys of its items, wherever a list has that name; with a parent or kind in front where names are shared.
_MAPS: Final = {
    "claims": "name",
    "conditions": "type",
    "Job.conditions": "",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "spec.imagePullSecrets": "name",
    "initContainers": "name",
    "matchConditions": "name",
    "metadata.ownerReferences": "uid",
    "podIPs": "ip",
    "resourceClaimStatuses": "name",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "ServiceAccount.secrets": "name",
    "topologySpreadConstraints": "topologyKey whenUnsatisfiable",
    "variables": "name",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
    "webhooks": "name",
    "x-kubernetes-validations": "rule",
    "containers.ports": "containerPort protocol",
    "initContainers.ports": "containerPort protocol",
    "ephemeralContainers.ports": "containerPort protocol",
    "Service.ports": "port protocol",
    "Node.addresses": "type",
}
_SETS: Final = {
    "exitCodes.values",
    "metadata.finalizers",
    "onExitCodes.values",
    "podCIDRs",
    "uncountedTerminatedPods.failed",
    "uncountedTerminatedPods.succeeded",
    "validationActions",
}
_WHOLE: Final = {
    "configMapKeyRef",
    "controllerExpandSecretRef",
    "controllerPublishSecretRef",
    "dataSource",
    "defaultBackend.resource",
    "fieldRef",
    "fileKeyRef",
    "involvedObject",
    "labelSelector",
    "matchConstraints",
    "matchResources",
    "namespaceSelector",
    "objectSelector",
    "paramKind",
    "paramRef",
    "podSelector",
    "preference",
    "regarding",
    "related",
    "nodeAffinity.required",
    "nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution",
    "nodeExpandSecretRef",
    "nodePublishSecretRef",
    "nodeStageSecretRef",
    "resourceFieldRef",
    "roleRef",
    "scopeSelector",
    "secretKeyRef",
    "secretRef",
    "selector",
    "Ingress.port",
    "nodeSelector",
    "targetRef",
    "ownerReferences.",
}
_FREE: Final = {
    "allocatable",
    "annotations",
    "binaryData",
    "capacity",
    "data",
    "hard",
    "labels",
    "limits",
    "matchLabels",
    "overhead",
    "properties",
    "requests",
    "used",
}


def shape_of(kind: Kind, version: str) -> Shape:
    """Of a whole object."""
    if kind.crd is None:
        return _built_in(kind.kind, "", kind.kind)
    served = {each["name"]: each for each in kind.crd["spec"]["versions"]}
    return _of_schema(served[version].get("schema", {}).get("openAPIV3Schema", {}), top=True)


@lru_cache(maxsize=4096)
def _built_in(kind: str, parent: str, name: str) -> Shape:
    """`name` "" is an item of the list `parent`."""
    names = (f"{parent}.{name}", name, f"{kind}.{name}") if name else (f"{parent}.",)
    found = next((_MAPS[each] for each in (names[0], names[-1], name) if each in _MAPS), "")
    return Shape(
        lambda field: _built_in(kind, name or parent, field),
        keys=tuple(found.split()),
        unique=any(each in _SETS for each in names),
        atomic=any(each in _WHOLE for each in names),
        free=name in _FREE,
        defaults=True,
    )


def _of_schema(schema: dict[str, Any], *, top: bool = False) -> Shape:
    fields = schema.get("properties", {})

    def inside(name: str) -> Shape:
        if top and name == "metadata":
            return _built_in("", "", "metadata")
        if not name:
            return _of_schema(schema.get("items", {}))
        more = schema.get("additionalProperties")
        return _of_schema(fields.get(name) or (more if isinstance(more, dict) else {}))

    kind = schema.get("x-kubernetes-list-type", "atomic")
    return Shape(
        inside,
        keys=tuple(schema.get("x-kubernetes-list-map-keys", ())) if kind == "map" else (),
        unique=kind == "set",
        atomic=schema.get("x-kubernetes-map-type") == "atomic",
        free=not fields and not top,
    )
