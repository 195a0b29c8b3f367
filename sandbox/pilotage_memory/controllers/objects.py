"""The kinds that the simulated controllers know, and small readings of any object. Used by everything in here."""

from typing import Any, Final

from pilotage_memory.kinds import Key, Kind, Kinds, Obj, group_of

_BUILT_IN: Final = Kinds()


def _known(group: str, plural: str) -> Kind:
    kind = _BUILT_IN.at(group, plural)
    assert kind is not None, plural
    return kind


NODE: Final = _known("", "nodes")
NAMESPACE: Final = _known("", "namespaces")
POD: Final = _known("", "pods")
SERVICE: Final = _known("", "services")
CONFIG_MAP: Final = _known("", "configmaps")
ACCOUNT: Final = _known("", "serviceaccounts")
QUOTA: Final = _known("", "resourcequotas")
DEPLOYMENT: Final = _known("apps", "deployments")
REPLICA_SET: Final = _known("apps", "replicasets")
STATEFUL_SET: Final = _known("apps", "statefulsets")
DAEMON_SET: Final = _known("apps", "daemonsets")
JOB: Final = _known("batch", "jobs")
AUTOSCALER: Final = _known("autoscaling", "horizontalpodautoscalers")
LEASE: Final = _known("coordination.k8s.io", "leases")
MUTATING: Final = _known("admissionregistration.k8s.io", "mutatingwebhookconfigurations")
VALIDATING: Final = _known("admissionregistration.k8s.io", "validatingwebhookconfigurations")


def key_of(kind: Kind, name: str, namespace: str = "") -> Key:
    return Key(kind.group, kind.plural, namespace, name)


def named(kind: Kind, name: str, namespace: str = "", **fields: Any) -> Obj:
    """A new object; `labels` go into its metadata."""
    meta: Obj = {"name": name} | ({"namespace": namespace} if namespace else {})
    if "labels" in fields:
        meta["labels"] = fields.pop("labels")
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, **fields}


def is_a(kind: Kind, obj: Obj) -> bool:
    """In any version of its group."""
    return bool(obj["kind"] == kind.kind) and group_of(obj["apiVersion"]) == kind.group


def labels_of(obj: Obj) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Obj) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def deleting(obj: Obj) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def owner_of(obj: Obj) -> Obj | None:
    """The reference to what made it and deletes it."""
    return next((owner for owner in obj["metadata"].get("ownerReferences") or () if owner.get("controller")), None)


def owned_by(owner: Obj) -> Obj:
    """The reference that the controller of `owner` puts on what it makes."""
    meta = owner["metadata"]
    kind = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"]}
    return kind | {"controller": True, "blockOwnerDeletion": True}


def condition(obj: Obj, kind: str) -> Obj:
    """A condition of its status, {} where there is none."""
    return next((each for each in obj.get("status", {}).get("conditions") or () if each["type"] == kind), {})


def holds(obj: Obj, kind: str) -> bool:
    return bool(condition(obj, kind).get("status") == "True")


def finished(pod: Obj) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def selects(selector: Obj, labels: dict[str, str]) -> bool:
    """A LabelSelector; an empty one selects everything. NotIn holds for an absent key, as in Kubernetes."""
    exact = (labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return all(exact) and all(_meets(each, labels) for each in selector.get("matchExpressions") or ())


def _meets(requirement: Obj, labels: dict[str, str]) -> bool:
    value, values = labels.get(requirement["key"]), requirement.get("values") or ()
    match requirement["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise ValueError(f"operator {requirement['operator']!r} of a selector")
