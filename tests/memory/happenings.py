"""What may happen to a mesh, as values to choose from, and the meshes that it happens to. Used by `machine`."""

from functools import cache
from typing import Any

from hypothesis import strategies as st
from lab import Clock, forked

from harness import CANARY, MESH, STABLE, Obj, deployment, namespace
from pilotage_memory.controllers.loop import Pace
from pilotage_memory.faults import Fault
from pilotage_memory.kinds import Key
from pilotage_memory.world import World
from pilotage_sandbox import assets

SPACE, TAG = "shop", "prod-stable"
SLOW = {"ready": (0, 6), "end": (0, 6), "bundle": (0, 8)}
TIME = ("--timeout", "40s")
BOTH = [STABLE, CANARY]
ENABLE = ("enable", "--profile", "aks", "--charts", str(assets.charts_dir()), *TIME)

VERBS = [
    ENABLE,
    ("upgrade", "start", "--revision", CANARY, *TIME),
    *(("upgrade", verb, "--yes", *more, *TIME) for verb in ("complete", "rollback") for more in ((), ("--force",))),
    *(("upgrade", verb, "--yes", "--no-wait") for verb in ("complete", "rollback")),
    *(("namespace", "move", SPACE, "--to", to) for to in (*BOTH, TAG)),
    *(("restart", "--not-on", revision, *TIME) for revision in BOTH),
    ("restart", "-n", SPACE, "--all", "--no-wait"),
    *(("tag", "set", TAG, "--revision", revision, "--overwrite", "-y") for revision in BOTH),
    ("tag", "remove", TAG, "-y"),
    ("disable", "--yes", *TIME),
]
_THIRD = [{"name": "asm-1-29", "version": "1.29.8"}, {"name": "next", "version": "1.31.1"}]
SPECS: list[Obj] = [
    *({"revisions": [{"name": name}, third]} for name in BOTH for third in _THIRD),
    {"revisions": [{"name": STABLE}]},
    {"revisions": [{"name": CANARY}]},
    {"revisions": [{"name": STABLE}, {"name": CANARY}]},
    {"revisions": [{"name": STABLE, "values": {"autoscaleEnabled": False}}, {"name": CANARY}]},
    {"revisions": [{"name": CANARY, "values": {"env": {"A": "b"}}}]},
    {"mode": "Disabled"},
    {"mode": "Istio"},
    {"removal": {"soak": "0s"}},
    {"removal": {"soak": "1h"}},
]


def owned(by: str, version: str, kind: str, name: str, *, space: str = "", **fields: Obj) -> Obj:
    """What an owner holds of an object, whole: what is left out is given up."""
    meta = {"name": name} | ({"namespace": space} if space else {})
    return {
        "by": by,
        "body": {"apiVersion": version, "kind": kind, **fields, "metadata": meta | fields.get("metadata", {})},
    }


def _scaled(least: int | None, revision: str) -> Obj:
    fields: Obj = {"spec": {"minReplicas": least}} if least else {}
    kind = ("argocd-controller", "autoscaling/v2", "HorizontalPodAutoscaler", f"istiod-{revision}")
    return owned(*kind, space=MESH, **fields)


def _listed(*names: str) -> Obj:
    fields: Obj = {"spec": {"revisions": [{"name": name} for name in names]}} if names else {}
    return owned("argocd-controller", "pilotage.dev/v1alpha1", "ServiceMesh", "default", **fields)


def _labelled(name: str) -> Obj:
    fields: Obj = {"metadata": {"labels": {"istio.io/rev": name}}} if name else {}
    return owned("helm", "v1", "Namespace", SPACE, **fields)


def _pointing(revision: str) -> Obj:
    fields: Obj = {"metadata": {"labels": {"istio.io/rev": revision}}} if revision else {}
    name = f"istio-revision-tag-{TAG}-{MESH}"
    return owned("helm", "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", name, **fields)


OWNED = [
    *(_pointing(revision) for revision in ("", STABLE, CANARY)),
    *(_listed(*names) for names in ((), (STABLE,), (CANARY,), (STABLE, CANARY))),
    *(_labelled(name) for name in ("", STABLE, CANARY, TAG)),
    *(_scaled(least, revision) for least in (None, 3) for revision in BOTH),
]
FAULTS = {
    "409": Fault(409),
    "429": Fault(429, {"Retry-After": "1"}),
    "500": Fault(500),
    "503": Fault(503),
    "reset": Fault(reset=True),
    "lost": Fault(lost=True),
    "no answer": Fault(delay=30.0),
}
RESOURCE = Key("pilotage.dev", "servicemeshes", "", "default")
_HOOKS = ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "")
OURS = [
    RESOURCE,
    *(Key("apps", "deployments", MESH, f"istiod-{name}") for name in BOTH),
    *(Key("", "services", MESH, f"istiod-{name}") for name in BOTH),
    *(Key("", "serviceaccounts", MESH, f"istiod-{name}") for name in BOTH),
    *(Key("autoscaling", "horizontalpodautoscalers", MESH, f"istiod-{name}") for name in BOTH),
    *(Key(*_HOOKS, f"istio-sidecar-injector-{name}-{MESH}") for name in BOTH),
]
_ACTS: dict[str, list[Any]] = {
    "edits_the_resource": SPECS,
    "owns": OWNED,
    "labels_the_namespace": [None, STABLE, CANARY, TAG],
    "deploys": [(name, replicas) for name in ("web", "cart") for replicas in (0, 1, 3)],
    "deletes_an_application": ["web", "cart"],
    "deletes": OURS,
    "applies_the_resource_again": [None],
}
ACTS = st.one_of([st.tuples(st.just(what), st.sampled_from(given)) for what, given in _ACTS.items()])

Disturbance = tuple[str, int, int]  # what happens to whom acts, at which of the writes, how many times; "" for nothing
_WHAT = ["", "", "", "killed before", "killed before", "killed after", *sorted(FAULTS)]
_AT = st.integers(1, 8) | st.integers(1, 50)
DISTURBANCES = st.tuples(st.sampled_from(_WHAT), _AT, st.integers(1, 4))

# (verbs that lead there, each once)
BEGINNINGS: dict[str, tuple[str, ...]] = {
    "a mesh": (),
    "a tagged mesh": (f"tag set {TAG} --revision {STABLE} -y", f"namespace move {SPACE} --to {TAG}"),
    "a canary": (f"upgrade start --revision {CANARY}",),
    "a mesh that moved": (
        f"upgrade start --revision {CANARY}",
        f"namespace move {SPACE} --to {CANARY}",
        f"restart --not-on {CANARY}",
    ),
}


@cache
def world_at(begin: str, seed: int | None) -> World:
    """With an application in it; with a seed everything in it takes its time."""
    with forked(World(clock=Clock(), pace=None if seed is None else Pace(seed, SLOW))) as mesh:
        mesh.enable().must()
        mesh.apply(namespace(SPACE, rev=STABLE), deployment(SPACE, "web"))
        mesh.world.loop.settle()
        for line in BEGINNINGS[begin]:
            mesh.pilotage(*line.split()).must()
        mesh.world.loop.settle()
        return mesh.world
