"""What we install, object by object: what to hold, whether it differs, how it comes into being.

Called by `install` and `removal`. Server-side apply gives up a field that is left out, so two managers are used:
`pilotage-create` writes an object once, whole; `pilotage` applies only what it will hold. Others own the rest:
istiod its webhooks' `failurePolicy` and `caBundle`, the user an HPA's spec.
"""

import copy
import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from pilotage.domain.actions import Action, Apply
from pilotage.domain.names import (
    APPLIED,
    BASE,
    CRD_VERSION,
    CREATE_MANAGER,
    MANAGED_BY,
    MANAGER,
    MANAGERS,
    OWNER_LABEL,
    PART,
    installed_by_us,
    revision_in,
)
from pilotage.domain.objects import Obj, ObjectRef, annotations_of, labels_of, ref_of
from pilotage.domain.quantity import same_quantity
from pilotage.domain.version import Version

_WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


def stamped(obj: Obj, part: str, version: Version) -> Obj:
    """The object with the labels that make it ours, and part of `part` (a revision's name, or `base`)."""
    marked = obj | {"metadata": _own_metadata(obj)}  # no deep copy: a CRD's schema is large, and never changed here
    if is_crd(obj):
        marked["metadata"].setdefault("annotations", {})[CRD_VERSION] = str(version)
    labels = marked["metadata"].setdefault("labels", {})
    labels.update({OWNER_LABEL: "true", PART: part, MANAGED_BY: MANAGER})
    return marked


def _own_metadata(obj: Obj) -> Obj:
    """Metadata whose labels and annotations may be changed without changing the object's."""
    metadata: Obj = obj["metadata"]
    return metadata | {key: dict(metadata[key]) for key in ("labels", "annotations") if metadata.get(key)}


def is_ours(obj: Obj) -> bool:
    return installed_by_us(labels_of(obj))


def is_copy(obj: Obj) -> bool:
    """Whether only others wrote it: who copies an object of ours copies its labels, too.

    False where managedFields tell nothing: somebody took them off.
    """
    writers = {entry.get("manager") for entry in obj["metadata"].get("managedFields") or ()}
    return bool(writers) and writers.isdisjoint(MANAGERS)


def taken(objects: Iterable[Obj], live: dict[ObjectRef, Obj]) -> tuple[ObjectRef, ...]:
    """Where an object of these would be and another's stands."""
    return tuple(ref for ref in map(ref_of, objects) if ref in live and not is_ours(live[ref]))


def part_of(obj: Obj) -> str:
    return labels_of(obj).get(PART, "")


def held(obj: Obj) -> Obj:
    """What `pilotage` holds of the object, with the digest of it as an annotation."""
    body = obj | {"metadata": _own_metadata(obj)}
    if body["kind"] in _WEBHOOKS:
        body["webhooks"] = copy.deepcopy(body.get("webhooks", []))
        for webhook in body["webhooks"]:
            webhook.pop("failurePolicy", None)
            webhook["clientConfig"].pop("caBundle", None)
    elif body["kind"] == "HorizontalPodAutoscaler":
        body["spec"] = {"scaleTargetRef": body["spec"]["scaleTargetRef"]}
    return digested(body)


def digested(body: Obj) -> Obj:
    """What is held, with the digest of it as an annotation."""
    annotations = body["metadata"].get("annotations") or {}
    return body | {"metadata": body["metadata"] | {"annotations": annotations | {APPLIED: _digest(body)}}}


def writes(obj: Obj, live: Obj | None, why: str) -> tuple[Action, ...]:
    """The applies that bring `obj` (already stamped) about; none where nothing differs."""
    body = held(obj)
    if live is None:
        whole = Apply(obj, f"create: {why}", CREATE_MANAGER)
        return (whole, Apply(body, why)) if _holds_less(obj) else (Apply(body, why),)
    return () if stands(body, live) else (Apply(body, why),)


def stands(body: Obj, live: Obj) -> bool:
    """Whether what we hold is there, as it was last applied."""
    return annotations_of(live).get(APPLIED) == annotations_of(body)[APPLIED] and within(body, live)


def without_newer_crds(objects: Iterable[Obj], live: dict[ObjectRef, Obj]) -> tuple[Obj, ...]:
    """Drops CRDs that stand there from a newer version, or from another owner: CRDs are never rolled back."""
    return tuple(obj for obj in objects if not (is_crd(obj) and _newer(live.get(ref_of(obj)), obj)))


def is_crd(obj: Obj) -> bool:
    return bool(obj["kind"] == "CustomResourceDefinition")


def is_webhook(kind: str) -> bool:
    return kind in _WEBHOOKS


def parts_present(live: dict[ObjectRef, Obj]) -> tuple[str, ...]:
    """Revisions of which at least one object of ours stands there, be it a gateway's."""
    return tuple(sorted({revision_in(part_of(obj)) for obj in live.values() if is_ours(obj)} - {BASE, ""}))


def _holds_less(obj: Obj) -> bool:
    return obj["kind"] in _WEBHOOKS or bool(obj["kind"] == "HorizontalPodAutoscaler")


def _newer(live: Obj | None, obj: Obj) -> bool:
    if live is None:
        return False
    there, ours = (annotations_of(each).get(CRD_VERSION, "0.0") for each in (live, obj))
    return not is_ours(live) or Version.parse(there) > Version.parse(ours)


def _digest(body: Obj) -> str:
    return hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest()[:16]


def within(wanted: Any, there: Any) -> bool:
    """Whether every wanted value is there. An object read as metadata only has no spec: its digest decides."""
    if isinstance(wanted, dict):
        if not isinstance(there, dict):
            return not wanted and there is None
        metadata_only = wanted.get("kind") == "CustomResourceDefinition" and "spec" not in there
        return all(
            within(value, there.get(key))
            for key, value in wanted.items()
            if value is not None and not (metadata_only and key == "spec")
        )
    if isinstance(wanted, list):
        return _list_within(wanted, there) if isinstance(there, list) else not wanted and there is None
    return bool(wanted == there) or same_quantity(wanted, there) or (wanted in ("", False, 0) and there is None)


def _list_within(wanted: list[Any], there: list[Any]) -> bool:
    """Lists of named items may hold more, put there by others; any other list is one value."""
    if wanted and all(isinstance(item, dict) and "name" in item for item in wanted):
        return all(any(within(item, other) for other in there) for item in wanted)
    return len(wanted) == len(there) and all(map(within, wanted, there))
