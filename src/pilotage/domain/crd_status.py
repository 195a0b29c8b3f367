"""The schema of what the operator tells in the status of a ServiceMesh. Part of the CRD, made by `crd`."""

from typing import Final

from pilotage.domain.objects import Obj

_TEXT: Obj = {"type": "string"}
_MOMENT: Obj = {"type": "string", "format": "date-time"}
_RESTARTS: Obj = {
    "type": "object",
    "description": "Restarts of applications in the last opening of the window for them.",
    "properties": {
        "window": _TEXT,
        "opened": _MOMENT,
        "until": _MOMENT,
        "restarted": {"type": "integer", "description": "Workloads whose pods are all new and Ready."},
        "behind": {"type": "integer", "description": "Workloads that are yet to be restarted."},
        "underway": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["workload"],
            "items": {
                "type": "object",
                "description": "With `cause`, one that is late: it stops all others.",
                "required": ["workload", "since"],
                "properties": {"workload": _TEXT, "since": _MOMENT, "cause": _TEXT},
            },
        },
        "heldBack": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["workload"],
            "items": {
                "type": "object",
                "description": "One that is behind and not restarted, and why; the first ten.",
                "required": ["workload", "cause"],
                "properties": {"workload": _TEXT, "cause": _TEXT},
            },
        },
        "stopped": {"type": "string", "description": "Why no workload is begun."},
    },
}
STATUS: Final[Obj] = {
    "type": "object",
    "properties": {
        "phase": _TEXT,
        "observedGeneration": {"type": "integer", "format": "int64"},
        "stable": _TEXT,
        "canary": _TEXT,
        "removal": {
            "type": "object",
            "description": "A removal that waits: nothing has been seen to use the revision since `since`.",
            "required": ["revision", "since", "until"],
            "properties": {
                "revision": _TEXT,
                "since": _MOMENT,
                "until": _MOMENT,
            },
        },
        "leavingGateways": {
            "type": "array",
            "description": "Gateways that are not asked for any more, and wait: nothing uses them since `since`.",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["gateway"],
            "items": {
                "type": "object",
                "required": ["gateway", "since", "until"],
                "properties": {
                    "gateway": {"type": "string", "description": "namespace/name"},
                    "since": _MOMENT,
                    "until": _MOMENT,
                },
            },
        },
        "patch": {
            "type": "object",
            "description": "A patch under way; with `failed`, one that was not ready in time and is not tried again.",
            "required": ["revision", "from", "to", "since"],
            "properties": {
                "revision": _TEXT,
                "from": _TEXT,
                "to": _TEXT,
                "since": _MOMENT,
                "failed": _TEXT,
            },
        },
        "proxyRestarts": _RESTARTS,
        "revisions": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": _TEXT,
                    "version": _TEXT,
                    "desired": {"type": "integer"},
                    "available": {"type": "integer"},
                },
            },
        },
        "conditions": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            "items": {
                "type": "object",
                "required": ["type", "status", "reason", "lastTransitionTime"],
                "properties": {
                    "type": _TEXT,
                    "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                    "reason": _TEXT,
                    "message": _TEXT,
                    "observedGeneration": {"type": "integer", "format": "int64"},
                    "lastTransitionTime": _MOMENT,
                },
            },
        },
    },
}
