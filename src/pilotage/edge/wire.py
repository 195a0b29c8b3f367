"""The few fields of Kubernetes objects that observing reads, decoded straight from JSON: the rest is never built.

10,000 injected pods are 137 MB of JSON; as these structs they stay under 64 MB. Used by the decoders beside it.
"""

from decimal import Decimal
from typing import Any, Final

import msgspec

from pilotage.domain.quantity import parse_quantity

_TEMPLATE_HASH: Final = "pod-template-hash"
_ROLLOUT_HASH: Final = "rollouts-pod-template-hash"
_NO_REQUESTS: Final[dict[str, str | int | float]] = {}


class Wire(msgspec.Struct, rename="camel", gc=False):
    """Base: camelCase in JSON, unknown fields are skipped, null counts as absent."""


class OwnerReference(Wire):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    controller: bool | None = False


class Meta(Wire):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None
    creation_timestamp: str | None = ""
    deletion_timestamp: str | None = None
    generation: int = 0


class Condition(Wire):
    type: str = ""
    status: str = ""
    reason: str | None = ""
    message: str | None = ""


class ResourceRequests(Wire):
    requests: dict[str, str | int | float] | None = None


class ContainerSpec(Wire):
    name: str = ""
    image: str | None = ""
    restart_policy: str | None = None  # Always: a native sidecar
    resources: ResourceRequests | None = None


class PodSpec(Wire):
    containers: list[ContainerSpec] = []
    init_containers: list[ContainerSpec] | None = None
    node_name: str | None = None
    host_network: bool = False


class Template(Wire):
    metadata: Meta | None = None
    spec: PodSpec | None = None


def controller_of(meta: Meta) -> OwnerReference | None:
    """The owner that makes and deletes it."""
    return next((owner for owner in meta.owner_references or () if owner.controller), None)


def workload_of(meta: Meta, owners: dict[str, str]) -> tuple[str, str]:
    """(kind, name) of what owns the pod; a ReplicaSet is named after its owner and a hash that is on the pod.

    `owners` collects the apiVersion of each kind that owns pods.
    """
    owner = controller_of(meta)
    if owner is None:
        return ("Pod", meta.name)
    kind, name, api_version = owner.kind, owner.name, owner.api_version
    if kind == "ReplicaSet":
        labels = meta.labels or {}
        for label, above, version in (
            (_TEMPLATE_HASH, "Deployment", "apps/v1"),
            (_ROLLOUT_HASH, "Rollout", "argoproj.io/v1alpha1"),
        ):
            suffix = f"-{labels.get(label)}"
            if label in labels and name.endswith(suffix):
                kind, name, api_version = above, name.removesuffix(suffix), version
                break
    owners[kind] = api_version
    return (kind, name)


def requests_of(container: ContainerSpec) -> dict[str, str | int | float]:
    """`{"cpu": "100m", "memory": "128Mi"}`."""
    return (container.resources and container.resources.requests) or _NO_REQUESTS


def millicores(value: Any) -> int:
    """`500m` -> 500, `2` -> 2000; rounded up."""
    return _up(parse_quantity(value) * 1000)


def count(value: Any) -> int:
    """`2Gi` -> 2147483648, `110` -> 110; rounded up."""
    return _up(parse_quantity(value))


def amount(resource: str, value: Any) -> int:
    """Millicores for cpu, else bytes or a count."""
    return millicores(value) if resource.rsplit(".", 1)[-1] == "cpu" else count(value)


def _up(value: Decimal) -> int:
    return int(value.to_integral_value(rounding="ROUND_CEILING"))
