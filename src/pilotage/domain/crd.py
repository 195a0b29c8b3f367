"""The CustomResourceDefinition of ServiceMesh, generated from the Python types that parse it."""

import hashlib
from typing import Any, Final

import msgspec

from pilotage.domain.crd_status import STATUS
from pilotage.domain.mesh import ServiceMeshSpec
from pilotage.domain.names import APPLIED, CRD_VERSION, GROUP, MESH_KIND, MESH_NAME, VERSION
from pilotage.domain.objects import Obj
from pilotage.domain.version import Version

_SCHEMA: Final = "0.4.0"  # raise it with every change of the schema: an older Pilotage leaves a newer one alone
_RULES = (
    (
        "oldSelf.mode == 'Disabled' || self.revisions.exists(r, oldSelf.revisions.exists(o, o.name == r.name))",
        "at least one revision must stay: replacing all of them would strand every proxy",
    ),
    (
        "size(self.revisions) < 2 || size(oldSelf.revisions) < 2 || "
        "self.revisions.all(r, oldSelf.revisions.exists(o, o.name == r.name))",
        "a canary is in progress: complete it or roll it back before another is started",
    ),
    ("self.profile == oldSelf.profile", "the profile cannot be changed: its names are those of running control planes"),
)
_GATEWAY_RULES = (
    (
        "has(self.__namespace__) == has(oldSelf.__namespace__) && "
        "(!has(self.__namespace__) || self.__namespace__ == oldSelf.__namespace__)",
        "the namespace of a gateway cannot be changed: its Service and its address are there",
    ),
    (
        "self.type == oldSelf.type",
        "the type of a gateway cannot be changed: its address would be lost; remove it, and add one of another name",
    ),
)
_ONE_SCHEDULE = (
    "(has(self.daily) ? 1 : 0) + (has(self.weekly) ? 1 : 0) + "
    "(has(self.absoluteMonthly) ? 1 : 0) + (has(self.relativeMonthly) ? 1 : 0) == 1"
)
_COLUMNS = (
    ("Phase", "string", ".status.phase"),
    ("Stable", "string", ".status.stable"),
    ("Canary", "string", ".status.canary"),
    ("Age", "date", ".metadata.creationTimestamp"),
)


def schema_version() -> Version:
    """Of the resource as this Pilotage knows it."""
    return Version.parse(_SCHEMA)


def service_mesh_crd() -> Obj:
    """The whole CRD, ready to apply."""
    schema: Obj = {
        "type": "object",
        "required": ["spec"],
        "properties": {"metadata": {"type": "object"}, "spec": _spec_schema(), "status": STATUS},
        "x-kubernetes-validations": [
            {"rule": f"self.metadata.name == '{MESH_NAME}'", "message": f"the one ServiceMesh is named {MESH_NAME}"}
        ],
    }
    crd: Obj = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"servicemeshes.{GROUP}", "annotations": {CRD_VERSION: _SCHEMA}},
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": {"kind": MESH_KIND, "plural": "servicemeshes", "singular": "servicemesh", "shortNames": ["smesh"]},
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path} for name, kind, path in _COLUMNS
                    ],
                }
            ],
        },
    }
    digest = hashlib.sha256(msgspec.json.encode(crd, order="sorted")).hexdigest()[:16]
    crd["metadata"]["annotations"][APPLIED] = digest
    return crd


def _spec_schema() -> Obj:
    (reference,), components = msgspec.json.schema_components([ServiceMeshSpec], ref_template="{name}")
    spec: Obj = _structural(components[reference["$ref"]], components)
    revisions = spec["properties"]["revisions"]
    revisions.update({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]})
    gateways = spec["properties"]["gateways"]
    gateways.update({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]})
    gateways["items"]["x-kubernetes-validations"] = [
        {"rule": rule, "message": message} for rule, message in _GATEWAY_RULES
    ]
    # Where it is added or taken away no rule of one field sees it: the plan does (finding MeshElsewhere).
    spec["properties"]["names"]["properties"]["namespace"]["x-kubernetes-validations"] = [
        {"rule": "self == oldSelf", "message": "the namespace cannot be changed: control planes run in it"}
    ]
    _windows(spec["properties"]["maintenanceWindows"])
    spec["x-kubernetes-validations"] = [{"rule": rule, "message": message} for rule, message in _RULES]
    return spec


def _windows(windows: Obj) -> None:
    windows.update({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]})
    one = "give exactly one of daily, weekly, absoluteMonthly, relativeMonthly"
    windows["items"]["properties"]["schedule"]["x-kubernetes-validations"] = [{"rule": _ONE_SCHEDULE, "message": one}]
    zone = {"rule": "!(has(self.utcOffset) && has(self.timeZone))", "message": "give utcOffset or timeZone, not both"}
    windows["items"]["x-kubernetes-validations"] = [zone]


def _structural(schema: Any, components: dict[str, Any]) -> Any:
    """JSON schema -> structural schema: references inlined, no `title`, free maps keep unknown fields."""
    if isinstance(schema, list):
        return [_structural(item, components) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _structural(components[schema["$ref"]] | {k: v for k, v in schema.items() if k != "$ref"}, components)
    if "anyOf" in schema:  # `X | None`
        kinds = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
        rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
        return _structural(kinds[0] | rest, components)
    kept = {key: value for key, value in schema.items() if key not in ("title", "additionalProperties")}
    if schema.get("default", 0) in (None, {}, []):
        kept.pop("default")
    out = {key: _structural(value, components) for key, value in kept.items() if key != "properties"}
    if "enum" in out:
        out["type"] = "string"
    if not out.get("required", True):
        del out["required"]
    if "properties" in kept:
        out["properties"] = {name: _structural(value, components) for name, value in kept["properties"].items()}
    elif schema.get("type") == "object":
        out["x-kubernetes-preserve-unknown-fields"] = True
    return out
