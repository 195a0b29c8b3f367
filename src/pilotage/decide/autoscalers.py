"""Which autoscaler (HPA) scales which component of which revision, and where two of them differ.

Called by `autoscaling`, `replicas` and `hpa_findings`. Two HPAs are a pair where they scale the same component of two
revisions: `istiod-asm-1-30` and `istiod-asm-1-31`, or a gateway's `<gateway>-<revision>`.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pilotage.decide.inventory import is_ours, part_of
from pilotage.domain.names import DEFAULT_REVISION, revision_in
from pilotage.domain.objects import Obj, ObjectRef, ref_of
from pilotage.domain.state import Snapshot

HPA: Final = "HorizontalPodAutoscaler"
DEPLOYMENT: Final = ("apps/v1", "Deployment")
TARGET: Final = "scaleTargetRef"  # the one field of the spec that each revision has for itself
Component = tuple[str, str]  # namespace, and a name without its revision: istiod, or a gateway's


class Difference(NamedTuple):
    """A field of the spec, its value here and there; None where it is absent. A list is one value."""

    path: tuple[str, ...]
    here: Any
    there: Any

    def __str__(self) -> str:
        return ".".join(("spec", *self.path))


def autoscalers(snapshot: Snapshot) -> tuple[Obj, ...]:
    """Every HPA that was seen, ours and others'."""
    seen = {ref_of(obj): obj for obj in snapshot.autoscalers}
    return tuple((seen | {ref: obj for ref, obj in snapshot.live.items() if ref.kind == HPA}).values())


def autoscalers_of(snapshot: Snapshot, revision: str) -> dict[Component, Obj]:
    """Ours by their label, others' by the Deployment that they scale; ours where both scale one."""
    ours = (obj for obj in autoscalers(snapshot) if is_ours(obj) and revision_in(part_of(obj)) == revision)
    others = {component(scaled(obj), revision): obj for obj in _others(snapshot, revision)}
    return others | {component(ref_of(obj), revision): obj for obj in ours}


def component(ref: ObjectRef, revision: str) -> Component:
    """Of a Deployment, or of an HPA of ours, which is named as what it scales: `istiod-asm-1-31` -> `istiod`.

    The unnamed revision adds nothing to names.
    """
    return ref.namespace, ref.name if revision in ("", DEFAULT_REVISION) else ref.name.removesuffix(f"-{revision}")


def scaled(hpa: Obj) -> ObjectRef:
    """What it scales; an HPA scales within its namespace."""
    reference = hpa["spec"].get(TARGET) or {}
    kind, name = reference.get("kind", ""), reference.get("name", "")
    return ObjectRef(reference.get("apiVersion", ""), kind, hpa["metadata"]["namespace"], name)


def controller_of(hpa: Obj) -> str:
    """The object that it is made from, as KEDA makes it from a ScaledObject; "" where it stands for itself."""
    owners = hpa["metadata"].get("ownerReferences") or ()
    return next((f"{owner['kind']} {owner['name']}" for owner in owners if owner.get("controller")), "")


def settings(hpa: Obj) -> Obj:
    """Its spec, but for what it scales."""
    return {key: value for key, value in hpa["spec"].items() if key != TARGET}


def differences(here: Any, there: Any, path: tuple[str, ...] = ()) -> Iterator[Difference]:
    """Between two settings: as few and as small as they can be."""
    if here == there:
        return
    if isinstance(here, dict) and isinstance(there, dict):
        for key in sorted(here.keys() | there.keys()):
            yield from differences(here.get(key), there.get(key), (*path, key))
    else:
        yield Difference(path, here, there)


def _others(snapshot: Snapshot, revision: str) -> Iterator[Obj]:
    """HPAs that are not ours and scale a Deployment of the revision."""
    planes = (plane for plane in snapshot.control_planes if plane.revision == revision)
    deployments = {ObjectRef(*DEPLOYMENT, plane.namespace, plane.name) for plane in planes}
    deployments |= {ref for ref, obj in snapshot.live.items() if revision_in(part_of(obj)) == revision}
    yield from (obj for obj in autoscalers(snapshot) if not is_ours(obj) and scaled(obj) in deployments)
