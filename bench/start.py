"""`upgrade start` against the least that has to happen: the same objects applied in one pass, and the same waits.

The reference is what a user would type with the rendered manifest at hand: `kubectl apply --server-side`, then a look
every 50 ms until istiod is available, every caBundle filled and the validator fail-closed.
"""

import json
import tempfile
import time
from collections.abc import Iterator

from bench.figure import Figure, against
from bench.place import CANARY, MESH, Place, medians, until
from pilotage.decide.inventory import stamped
from pilotage.desired import desire
from pilotage.domain.mesh import Revision
from pilotage.domain.names import suffixed, validator_name
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.edge.catalog import packaged_catalog
from pilotage.edge.kube import Kube
from pilotage.edge.mesh import read_mesh, with_revisions

_ROUNDS = 5
_MOST = 1.3
_ADMISSION = "admissionregistration.k8s.io/v1"


def figures(place: Place) -> Iterator[Figure]:
    """One figure. The first start is not measured: it brings the newer minor's CRDs, which no rollback takes back."""
    kube = Kube.connect(place.environment["KUBECONFIG"])
    _start(place)
    _undo(place, kube)
    objects = _objects(kube)

    def started() -> float:
        seconds = _start(place)
        _undo(place, kube)
        return seconds

    def applied() -> float:
        seconds = _apply(place, kube, objects)
        _undo(place, kube)
        return seconds

    value, reference = medians(_ROUNDS, started, applied)
    yield against("pilotage upgrade start", value, reference, _MOST)


def _start(place: Place) -> float:
    return place.run("pilotage", "upgrade", "start", "--revision", CANARY)


def _undo(place: Place, kube: Kube) -> None:
    """Back to one revision, until the last pod of the canary is gone."""
    place.run("pilotage", "upgrade", "rollback", "--yes")
    until("no pod of the canary", lambda: not kube.list("v1", "Pod", MESH, labels=f"app=istiod,istio.io/rev={CANARY}"))


def _objects(kube: Kube) -> tuple[Obj, ...]:
    """What `upgrade start` installs for the canary, whole."""
    mesh = read_mesh(kube)
    if mesh is None:
        raise SystemExit("bench: the mesh is not enabled")
    both = with_revisions(mesh.spec, [*mesh.spec.revisions, Revision(CANARY)])
    desired = desire(type(mesh)(both), packaged_catalog())
    return tuple(stamped(obj, CANARY, desired.newest) for obj in desired.objects[CANARY])


def _apply(place: Place, kube: Kube, objects: tuple[Obj, ...]) -> float:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as manifest:
        json.dump({"apiVersion": "v1", "kind": "List", "items": objects}, manifest)
        manifest.flush()
        started = time.perf_counter()
        place.run("kubectl", "apply", "--server-side", "--field-manager=pilotage", "-f", manifest.name)
        until("the canary is ready", lambda: _ready(kube, objects))
        return time.perf_counter() - started


def _ready(kube: Kube, objects: tuple[Obj, ...]) -> bool:
    """Available, caBundles filled, validator fail-closed: what `upgrade start` waits for too."""
    istiod = kube.get(ObjectRef("apps/v1", "Deployment", MESH, suffixed("istiod", CANARY))) or {}
    if istiod.get("status", {}).get("availableReplicas", 0) < istiod.get("spec", {}).get("replicas", 1):
        return False
    kinds = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
    refs = [ObjectRef(_ADMISSION, obj["kind"], "", obj["metadata"]["name"]) for obj in objects if obj["kind"] in kinds]
    hooks = [(ref, hook) for ref in refs for hook in (kube.get(ref) or {}).get("webhooks", [{}])]
    filled = all(hook.get("clientConfig", {}).get("caBundle") for _, hook in hooks)
    own = validator_name(CANARY, MESH)
    return filled and all(hook.get("failurePolicy") == "Fail" for ref, hook in hooks if ref.name == own)
