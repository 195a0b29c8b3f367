"""A mesh of few objects for tests of the in-memory cluster's inhabitants: what an istiod and its webhooks need."""

from typing import Any

from harness import deployment, namespace
from pilotage_memory.controllers.objects import MUTATING, POD, key_of
from pilotage_memory.kinds import Kind, Obj
from pilotage_memory.world import World

MESH = "mesh"


def at(version: str, kind: str, name: str, space: str = "", **fields: Any) -> Obj:
    meta = {"name": name, "labels": fields.pop("labels", {})} | ({"namespace": space} if space else {})
    return {"apiVersion": version, "kind": kind, "metadata": meta, **fields}


def istiod(revision: str, image: str = "docker.io/istio/pilot:1.31.0") -> list[Obj]:
    """Deployment, Service and injector ConfigMap of a revision, and webhooks that nobody has filled in."""
    marks = {"app": "istiod", "istio.io/rev": revision}
    made = deployment(MESH, f"istiod-{revision}", replicas=1, image=image)
    made["spec"]["selector"] = {"matchLabels": marks}
    made["spec"]["template"]["metadata"]["labels"] = marks
    ports = [{"port": 443, "targetPort": 15017}]
    values = f'{{"global": {{"hub": "docker.io/istio", "tag": "{revision}", "proxy": {{"image": "proxyv2"}}}}}}'
    return [
        at("v1", "ConfigMap", f"istio-sidecar-injector-{revision}", MESH, data={"values": values}),
        at("v1", "Service", f"istiod-{revision}", MESH, spec={"selector": marks, "ports": ports}),
        injector(revision, revision),
        validator(revision),
        made,
    ]


def injector(name: str, revision: str, policy: str = "Fail", **more: str) -> Obj:
    """For namespaces labelled istio.io/rev=`name`, answered by `revision`."""
    selector = {"matchExpressions": [{"key": "istio.io/rev", "operator": "In", "values": [name]}]}
    pods = {"matchExpressions": [{"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]}]}
    service = {"name": f"istiod-{revision}", "namespace": MESH, "path": "/inject", "port": 443}
    webhook = {
        "name": "rev.namespace.sidecar-injector.istio.io",
        "clientConfig": {"service": service},
        "namespaceSelector": selector,
        "objectSelector": pods,
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "failurePolicy": policy,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    marks = {"istio.io/rev": revision} | {f"istio.io/{key}": value for key, value in more.items()}
    version = "admissionregistration.k8s.io/v1"
    return at(version, "MutatingWebhookConfiguration", f"injector-{name}", labels=marks, webhooks=[webhook])


def validator(revision: str) -> Obj:
    rule = {"apiGroups": ["networking.istio.io"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*"]}
    webhook = {
        "name": "rev.validation.istio.io",
        "clientConfig": {"service": {"name": f"istiod-{revision}", "namespace": MESH, "path": "/validate"}},
        "rules": [rule],
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    version, marks = "admissionregistration.k8s.io/v1", {"istio.io/rev": revision}
    return at(version, "ValidatingWebhookConfiguration", f"validator-{revision}", labels=marks, webhooks=[webhook])


def begin(world: World, *objects: Obj | list[Obj]) -> World:
    """The world with these in it, and time for what follows from them."""
    for each in objects:
        for obj in each if isinstance(each, list) else [each]:
            world.store.create(obj)
            world.loop.settle()
    return world


def mesh(*revisions: str) -> list[Obj]:
    """A mesh namespace with these revisions."""
    return [namespace(MESH), *(obj for revision in revisions for obj in istiod(revision))]


def pods(world: World, space: str) -> list[Obj]:
    return world.store.list(POD.group, POD.plural, space)


def one(world: World, kind: Kind, name: str, space: str = "") -> Obj:
    found = world.store.get(key_of(kind, name, space))
    assert found is not None, f"{kind.kind} {space}/{name}"
    return found


def change(world: World, kind: Kind, name: str, space: str = "", **fields: Any) -> None:
    """Fields of the spec."""
    found = one(world, kind, name, space)
    world.store.update({**found, "spec": found["spec"] | fields})
    world.loop.settle()


def end(world: World, kind: Kind, name: str, space: str = "") -> None:
    assert world.store.delete(key_of(kind, name, space))
    world.loop.settle()


def bundle(world: World, name: str) -> str:
    """caBundle of an injector."""
    return str(one(world, MUTATING, name)["webhooks"][0]["clientConfig"].get("caBundle", ""))
