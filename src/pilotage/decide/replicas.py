"""`replicas` of a Deployment that an autoscaler scales: never written. Called by `autoscaling`.

The charts leave it out where they bring an HPA themselves; here are those of somebody else, KEDA's among them. To leave
out of an apply what was applied before would delete it, and one replica would be left (istio#41481): so it is given to
the manager that never applies again, at the value that is there, before it is left out.
"""

from collections.abc import Iterable, Iterator

from pilotage.decide.autoscalers import HPA, autoscalers, scaled
from pilotage.decide.ownership import holds
from pilotage.domain.actions import Apply
from pilotage.domain.names import CREATE_MANAGER, MANAGER
from pilotage.domain.objects import Obj, ObjectRef, ref_of
from pilotage.domain.state import Snapshot

_PATH = ("spec", "replicas")
_META = ("name", "namespace", "resourceVersion")  # the last so that a newer number is not overwritten


def without_replicas(objects: Iterable[Obj], snapshot: Snapshot) -> tuple[Obj, ...]:
    """What was rendered, without `replicas` where an HPA decides them."""
    everything = tuple(objects)
    targets = _targets((*everything, *autoscalers(snapshot)))
    return tuple(
        _without(obj) if ref_of(obj) in targets and "replicas" in obj.get("spec", ()) else obj for obj in everything
    )


def handed_over(objects: Iterable[Obj], snapshot: Snapshot) -> Iterator[Apply]:
    """Of Deployments that are to be applied without `replicas`, and were applied with them."""
    everything = tuple(objects)
    targets = _targets((*everything, *autoscalers(snapshot)))
    for obj in everything:
        live = snapshot.live.get(ref_of(obj))
        if live is None or ref_of(obj) not in targets or "replicas" not in live.get("spec", {}):
            continue
        if not _held(live, MANAGER) or _held(live, CREATE_MANAGER):
            continue
        meta = {key: live["metadata"][key] for key in _META if key in live["metadata"]}
        body = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": meta}
        spec = {"replicas": live["spec"]["replicas"]}
        yield Apply(body | {"spec": spec}, "its autoscaler decides the replicas from now on", CREATE_MANAGER)


def _targets(objects: Iterable[Obj]) -> set[ObjectRef]:
    return {scaled(obj) for obj in objects if obj["kind"] == HPA}


def _without(deployment: Obj) -> Obj:
    return deployment | {"spec": {key: value for key, value in deployment["spec"].items() if key != "replicas"}}


def _held(live: Obj, manager: str) -> bool:
    entries = live["metadata"].get("managedFields") or ()
    own = [entry for entry in entries if entry.get("manager") == manager and not entry.get("subresource")]
    return any(holds(entry.get("fieldsV1") or {}, _PATH) for entry in own)
