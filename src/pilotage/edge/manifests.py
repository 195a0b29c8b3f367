"""Text that an engine printed, made into whole objects in apply order. Called by `charts` and by its child process."""

import re
from typing import Any, Final

import yaml

from pilotage.domain.names import MANAGED_BY
from pilotage.domain.objects import Obj

CLUSTER_SCOPED: Final = frozenset(
    {
        "CustomResourceDefinition",
        "Namespace",
        "ClusterRole",
        "ClusterRoleBinding",
        "PriorityClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    }
)

# What comes later needs what comes before; a webhook must not be called before its Service and pods can answer.
_ORDER: Final = (
    "CustomResourceDefinition",
    "Namespace",
    "NetworkPolicy",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Service",
    "Deployment",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
)
_LAST: Final = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
_WEBHOOKS: Final = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_RANK: Final = {kind: rank for rank, kind in enumerate((*_ORDER, "", *_LAST, *_WEBHOOKS))}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as Kubernetes reads it: a date is text, and so is 1:30, which YAML 1.1 takes for a number in base 60."""


_BASE_60: Final = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$")
_Loader.yaml_implicit_resolvers = {
    first: [("tag:yaml.org,2002:str", _BASE_60), *(known for known in resolvers if not known[0].endswith(":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(text: str) -> list[Obj]:
    """The objects of a stream of documents; empty ones and comments are dropped.

    Raises yaml.YAMLError for what is no YAML, and ValueError for a document that is no Kubernetes object.
    """
    objects = []
    for document in yaml.load_all(text, Loader=_Loader):  # noqa: S506 - the loader is derived from SafeLoader
        if document is None:
            continue
        if not isinstance(document, dict) or not {"apiVersion", "kind", "metadata"} <= document.keys():
            raise ValueError(f"not a Kubernetes object: {str(document)[:80]!r}")
        objects.append(document)
    return objects


def whole(obj: Obj, namespace: str) -> Obj:
    """The object with its namespace written down, without the label that says Helm manages it."""
    meta = obj["metadata"]
    if obj["kind"] not in CLUSTER_SCOPED:
        meta.setdefault("namespace", namespace)
    template = (obj.get("spec") or {}).get("template") if obj["kind"] == "Deployment" else None
    for holder in (meta, (template or {}).get("metadata") or {}):
        labels: dict[str, Any] = holder.get("labels") or {}
        if labels.get(MANAGED_BY) == "Helm":
            del labels[MANAGED_BY]
    return obj


def in_order(objects: list[Obj]) -> tuple[Obj, ...]:
    """CustomResourceDefinitions first, webhooks last; objects of a kind keep the chart's order."""
    return tuple(sorted(objects, key=lambda obj: _RANK.get(obj["kind"], _RANK[""])))
