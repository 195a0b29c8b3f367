"""What must never be seen in a mesh, whatever happens to it and in whatever order: one definition for all tests.

A function returns a sentence for each thing that is wrong, none where all is well. They know Kubernetes and Istio, not
Pilotage: what is in use is found out here by other means than in the product.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness import MESH, Obj
from inmemory import InMemory
from pilotage_memory.controllers.objects import deleting, finished, holds, labels_of
from pilotage_memory.errors import ApiError
from pilotage_memory.history import Change
from pilotage_memory.store import Store

OWNERS = ("argocd-controller", "helm")
REV, TAG = "istio.io/rev", "istio.io/tag"
_WEBHOOKS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
_CORE_OF_REVISION = ("deployments", "services", "mutatingwebhookconfigurations")
_POD: Obj = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "one-more"},
    "spec": {"containers": [{"name": "one-more", "image": "example/app:1"}]},
}


class Watch:
    """Judges every write at the moment of its commit, before anything follows from it. `broken` is what it found.

    What is wrong already is told once. What a person breaks, `by_hand`, is nobody's fault.
    """

    def __init__(self, mesh: InMemory) -> None:
        self._store = mesh.world.store
        self.broken: list[str] = []
        self._hands = False
        self._known = self._wrong()
        self._store.history.inspectors.append(self._see)

    @contextmanager
    def by_hand(self) -> Iterator[None]:
        self._hands = True
        try:
            yield
        finally:
            self._hands = False

    def _see(self, change: Change) -> None:
        found = set(self._known)
        if change.key.plural in _CORE_OF_REVISION or change.key.plural in _WEBHOOKS:
            found = self._wrong()
        new = found - self._known
        self._known = found
        if not self._hands:
            at = f"after {change.type} {change.key.plural}/{change.key.name}: "
            causes = (
                *sorted(new),
                *emptied(change),
                *removed_in_use(self._store, change),
                *taken_from_owner(self._store, change),
            )
            self.broken += [at + cause for cause in causes]

    def _wrong(self) -> set[str]:
        return {*more_than_two_revisions(self._store), *calls_without_a_service(self._store)}


def more_than_two_revisions(store: Store) -> Iterator[str]:
    if len(_standing(store)) > 2:
        yield f"{len(_standing(store))} revisions: {sorted(_standing(store))}"


def calls_without_a_service(store: Store) -> Iterator[str]:
    """A webhook that must be called calls a Service that does not exist."""
    services = {(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in _all(store, "", "services")}
    for config in _configs(store):
        for hook in config.get("webhooks") or ():
            called = hook["clientConfig"].get("service")
            if _must_be_called(hook) and called and (called["namespace"], called["name"]) not in services:
                yield f"{config['metadata']['name']} calls {called['name']}, which is not there"


def unfinished(store: Store) -> Iterator[str]:
    """Of a mesh that says it is done: control planes that are not asked for, or not there, and webhooks in the air."""
    mesh = _mesh(store)
    if mesh:
        asked = {entry["name"] for entry in mesh["spec"]["revisions"] if mesh["spec"].get("mode") != "Disabled"}
        if _standing(store) != asked:
            yield f"{sorted(_standing(store))} stand, {sorted(asked)} are asked for"
    yield from calls_without_a_service(store)
    for config in _configs(store):
        for hook in config.get("webhooks") or ():
            if not hook["clientConfig"].get("caBundle"):
                yield f"{config['metadata']['name']} has no caBundle"


def emptied(change: Change) -> Iterator[str]:
    """A webhook that must be called has no caBundle.

    But the injector that a revision comes with: Istio's charts have it fail closed from its first moment, so that no
    pod of the new revision starts without a proxy, and istiod fills it when it runs. Nobody relied on it before.
    """
    if change.key.plural not in _WEBHOOKS or change.type == "DELETED":
        return
    before = {hook["name"]: hook for hook in (change.before.obj.get("webhooks") or () if change.before else ())}
    comes = TAG not in labels_of(change.entry.obj)
    for hook in change.entry.obj.get("webhooks") or ():
        was = before.get(hook["name"])
        unfilled = not was["clientConfig"].get("caBundle") if was else comes
        if _must_be_called(hook) and not hook["clientConfig"].get("caBundle") and not unfilled:
            yield f"{hook['name']} must be called and has no caBundle"


def removed_in_use(store: Store, change: Change) -> Iterator[str]:
    """What a revision lives by is taken away although somebody depends on it and nobody forced it."""
    labels = labels_of(change.entry.obj)
    revision = labels.get("pilotage.dev/part", "")
    if change.type != "DELETED" or change.key.plural not in _CORE_OF_REVISION or TAG in labels:
        return
    if revision not in ("", "base") and revision not in _forced(store):
        yield from (f"{revision} is in use by {holder}" for holder in users(store, revision))


def users(store: Store, revision: str) -> Iterator[str]:
    """Pods with its proxy; and while the mesh is enabled, namespaces whose label selects it."""
    for pod in _all(store, "", "pods"):
        injected = (pod["metadata"].get("annotations") or {}).get(REV)
        if injected == revision and not deleting(pod) and not finished(pod):
            yield f"pod {pod['metadata']['name']}"
    if _mesh(store).get("spec", {}).get("mode") == "Disabled":
        return
    tags = {
        labels_of(config)[TAG]: labels_of(config).get(REV) for config in _configs(store) if TAG in labels_of(config)
    }
    for space in _all(store, "", "namespaces"):
        asked = labels_of(space).get(REV)
        if asked and tags.get(asked, asked) == revision and not deleting(space):
            yield f"namespace {space['metadata']['name']}"


def taken_from_owner(store: Store, change: Change) -> Iterator[str]:
    """An owner loses a field, or its value.

    But that of a tag whose revision is removed by force: left as it is, it would fail closed at nothing.
    """
    if change.type != "MODIFIED" or change.before is None:
        return
    before = labels_of(change.before.obj)
    if TAG in before and REV in before and before[REV] in _forced(store):
        return
    after = {_who(entry): entry["fieldsV1"] for entry in change.entry.obj["metadata"].get("managedFields") or ()}
    for entry in change.before.obj["metadata"].get("managedFields") or ():
        if entry["manager"] in OWNERS and not _within(entry["fieldsV1"], after.get(_who(entry), {})):
            yield f"{entry['manager']} had {entry['fieldsV1']}, and has {after.get(_who(entry), {})}"


def refused_pods(mesh: InMemory, space: str, *revisions: str) -> Iterator[str]:
    """A pod cannot be created there, or does not get a proxy of one of these revisions ("" for none)."""
    try:
        pod = mesh.world.store.create({**_POD, "metadata": {"name": "one-more", "namespace": space}}, dry_run=True)
    except ApiError as error:
        yield f"no pod can be created in {space}: {error.message}"
        return
    got = (pod["metadata"].get("annotations") or {}).get(REV, "")
    if got not in revisions:
        yield f"a pod in {space} gets a proxy of {got!r}"


def lost_proxies(mesh: InMemory, space: str) -> Iterator[str]:
    """A proxy that lives has no istiod of its revision that is ready."""
    pods = [pod for pod in _all(mesh.world.store, "", "pods", MESH) if labels_of(pod).get("app") == "istiod"]
    ready = {labels_of(pod)[REV] for pod in pods if holds(pod, "Ready") and not deleting(pod)}
    lost = set().union(*mesh.proxies(space).values()) - ready - {""}
    if lost:
        yield f"proxies of {sorted(lost)}, istiods of {sorted(ready)}"


def _all(store: Store, group: str, plural: str, namespace: str = "") -> list[Obj]:
    return [entry.obj for _, entry in store.entries(group, plural, namespace)]


def _configs(store: Store) -> list[Obj]:
    return [config for kind in _WEBHOOKS for config in _all(store, "admissionregistration.k8s.io", kind)]


def _mesh(store: Store) -> Obj:
    return next(iter(_all(store, "pilotage.dev", "servicemeshes")), {})


def _forced(store: Store) -> str:
    return str((_mesh(store).get("metadata", {}).get("annotations") or {}).get("pilotage.dev/force-removal", ""))


def _standing(store: Store) -> set[str]:
    deployments = _all(store, "apps", "deployments")
    return {labels_of(obj).get(REV, "default") for obj in deployments if labels_of(obj).get("app") == "istiod"}


def _must_be_called(hook: Obj) -> bool:
    return bool(hook.get("failurePolicy", "Fail") == "Fail")


def _who(entry: Obj) -> tuple[str, str, str]:
    return entry["manager"], entry["operation"], entry.get("subresource", "")


def _within(fields: Any, others: Any) -> bool:
    return all(key in others and _within(inner, others[key]) for key, inner in fields.items())
