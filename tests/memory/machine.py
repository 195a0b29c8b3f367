"""Everything that may happen to a mesh, in sequences of chance: what hypothesis drives. Run by `test_machine`.

Verbs through the real command line, edits of the resource, an owner who holds fields, applications that come and go,
objects that somebody deletes, a clock that is set, faults of the API server, kills at any write, and an operator that
steps. After each of them `invariants` hold; at the end the mesh comes to rest, and a second look writes nothing.
"""

from contextlib import ExitStack
from datetime import timedelta
from functools import cache

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from invariants import Watch, lost_proxies
from lab import KILLED, Clock, forked

from harness import CANARY, MESH, STABLE, Obj, deployment, namespace
from pilotage.domain.errors import MeshError
from pilotage.reconcile import Reconciler
from pilotage_memory.controllers.loop import Pace
from pilotage_memory.errors import ApiError
from pilotage_memory.faults import Fault
from pilotage_memory.kinds import Key
from pilotage_memory.lifecycle import By
from pilotage_memory.world import World

SPACE, TAG = "shop", "prod-stable"
SLOW = {"ready": (0, 6), "end": (0, 6), "bundle": (0, 8)}
_TIME = ("--timeout", "40s")
_BOTH = [STABLE, CANARY]

VERBS = [
    *((*words, *_TIME) for words in (("upgrade", "start", "--revision", CANARY), ("enable",))),
    *(("upgrade", verb, "--yes", *more, *_TIME) for verb in ("complete", "rollback") for more in ((), ("--force",))),
    *(("upgrade", verb, "--yes", "--no-wait") for verb in ("complete", "rollback")),
    *(("namespace", "move", SPACE, "--to", to) for to in (*_BOTH, TAG)),
    *(("restart", "--not-on", revision, *_TIME) for revision in _BOTH),
    ("restart", "-n", SPACE, "--all", "--no-wait"),
    *(("tag", "set", TAG, "--revision", revision, "--overwrite", "-y") for revision in _BOTH),
    ("tag", "remove", TAG, "-y"),
    ("disable", "--yes", *_TIME),
]
SPECS: list[Obj] = [
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
FAULTS = {
    "409": Fault(409),
    "429": Fault(429, {"Retry-After": "1"}),
    "500": Fault(500),
    "503": Fault(503),
    "reset": Fault(reset=True),
    "lost": Fault(lost=True),
}
OURS = [
    ("apps", "deployments", MESH, "istiod-{}"),
    ("", "services", MESH, "istiod-{}"),
    ("", "serviceaccounts", MESH, "istiod-{}"),
    ("autoscaling", "horizontalpodautoscalers", MESH, "istiod-{}"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "", "istio-sidecar-injector-{}-" + MESH),
    ("pilotage.dev", "servicemeshes", "", "default"),
]


@cache
def inhabited(seed: int | None) -> World:
    """A mesh on the old revision with an application in it; with a seed everything in it takes its time."""
    with forked(World(clock=Clock(), pace=None if seed is None else Pace(seed, SLOW))) as mesh:
        mesh.enable().must()
        mesh.apply(namespace(SPACE, rev=STABLE), deployment(SPACE, "web"))
        mesh.world.loop.settle()
        return mesh.world


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.held = ExitStack()
        self.loop: Reconciler | None = None
        self.harmed = False  # somebody broke or forced something: a proxy may have lost its istiod

    @initialize(seed=st.sampled_from([None, 1, 2]))
    def begin(self, seed: int | None) -> None:
        self.mesh = self.held.enter_context(forked(inhabited(seed)))
        self.watch = Watch(self.mesh)

    @rule(words=st.sampled_from(VERBS))
    def verb(self, words: tuple[str, ...]) -> None:
        self.run(words)

    @rule(words=st.sampled_from(VERBS), write=st.integers(1, 45), after=st.booleans())
    def verb_is_killed(self, words: tuple[str, ...], write: int, after: bool) -> None:
        self.mesh.server.kill_at(write, after=after)
        self.run(words)
        self.mesh.calm()

    @rule(
        words=st.sampled_from(VERBS),
        fault=st.sampled_from(sorted(FAULTS)),
        write=st.integers(1, 45),
        times=st.integers(1, 4),
    )
    def verb_meets_trouble(self, words: tuple[str, ...], fault: str, write: int, times: int) -> None:
        self.mesh.trouble(FAULTS[fault], at=write, times=times)
        self.run(words)
        self.mesh.calm()

    @rule(times=st.integers(1, 12))
    def operator_steps(self, times: int) -> None:
        self.step(times)

    @rule(write=st.integers(1, 30), after=st.booleans())
    def operator_is_killed(self, write: int, after: bool) -> None:
        self.mesh.server.kill_at(write, after=after)
        self.step(12)
        self.mesh.calm()

    @rule(fault=st.sampled_from(sorted(FAULTS)), write=st.integers(1, 30), times=st.integers(1, 4))
    def operator_meets_trouble(self, fault: str, write: int, times: int) -> None:
        self.mesh.trouble(FAULTS[fault], at=write, times=times)
        self.step(12)
        self.mesh.calm()

    @rule(spec=st.sampled_from(SPECS))
    def resource_is_edited(self, spec: Obj) -> None:
        """By hand, or from a Git that owns nothing."""
        with self.watch.by_hand():
            self.attempt(lambda: self.mesh.patch("servicemesh/default", {"spec": spec}))

    @rule(revisions=st.sampled_from([None, [STABLE], [STABLE, CANARY]]))
    def owner_of_the_resource(self, revisions: list[str] | None) -> None:
        """Argo CD applies which revisions there are, or lets go of them."""
        spec = {"spec": {"revisions": [{"name": name} for name in revisions]}} if revisions else {}
        self.apply("argocd-controller", "pilotage.dev/v1alpha1", "ServiceMesh", "default", spec)

    @rule(label=st.sampled_from([None, STABLE, CANARY, TAG]))
    def owner_of_the_namespace(self, label: str | None) -> None:
        labels = {"metadata": {"labels": {"istio.io/rev": label}}} if label else {}
        self.apply("helm", "v1", "Namespace", SPACE, labels)

    @rule(least=st.sampled_from([None, 1, 3]), revision=st.sampled_from(_BOTH))
    def owner_of_an_autoscaler(self, least: int | None, revision: str) -> None:
        spec = {"spec": {"minReplicas": least}} if least else {}
        if ("autoscaling", f"istiod-{revision}") in self.there("autoscaling", "horizontalpodautoscalers"):
            self.apply("argocd-controller", "autoscaling/v2", "HorizontalPodAutoscaler", f"istiod-{revision}", spec)

    @rule(label=st.sampled_from([None, STABLE, CANARY, TAG]))
    def namespace_is_labelled(self, label: str | None) -> None:
        with self.watch.by_hand():
            self.mesh.patch(f"namespace/{SPACE}", {"metadata": {"labels": {"istio.io/rev": label}}})

    @rule(name=st.sampled_from(["web", "cart"]), replicas=st.integers(0, 3))
    def application_comes_or_changes(self, name: str, replicas: int) -> None:
        with self.watch.by_hand():
            self.mesh.apply(deployment(SPACE, name, replicas=replicas))

    @rule(name=st.sampled_from(["web", "cart"]))
    def application_goes(self, name: str) -> None:
        self.delete(("apps", "deployments", SPACE, name))

    @rule(what=st.sampled_from(OURS), revision=st.sampled_from(_BOTH))
    def somebody_deletes(self, what: tuple[str, str, str, str], revision: str) -> None:
        self.harmed = True
        self.delete((*what[:3], what[3].format(revision)))

    @rule(minutes=st.sampled_from([-90, -10, 1, 10, 35, 61]))
    def clock_is_set(self, minutes: int) -> None:
        self.mesh.clock.jump(timedelta(minutes=minutes))

    @rule(ticks=st.integers(1, 12))
    def time_passes(self, ticks: int) -> None:
        for _ in range(ticks):
            self.mesh.sleep(1.0)

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "mesh"):
            return
        assert not self.watch.broken
        if not self.harmed:
            assert not list(lost_proxies(self.mesh, SPACE))

    def teardown(self) -> None:
        try:
            if hasattr(self, "mesh"):
                self.come_to_rest()
        finally:
            self.held.close()

    def come_to_rest(self) -> None:
        self.mesh.calm()
        self.mesh.rest()
        self.holds()
        self.mesh.writes()
        self.mesh.reconciler().step()
        assert self.mesh.writes() == []

    def run(self, words: tuple[str, ...]) -> None:
        if words[-1] == "--force" or "--force" in words:
            self.harmed = True
        done = self.mesh.pilotage(*words)
        note(f"exit code {done.code}: {done.out[-300:]}{done.err[-600:]}")
        assert done.code in (0, 1, 3, KILLED), done
        assert "unexpected" not in done.err and "Traceback" not in done.err, done.err

    def step(self, times: int) -> None:
        """As an operator would, which comes back where it was killed or failed."""
        self.loop = self.loop or self.mesh.reconciler()
        for _ in range(times):
            try:
                self.loop.step()
            except MeshError as error:
                note(f"the operator: {error}")
            except BaseException as killed:  # noqa: BLE001
                if type(killed).__name__ != "Killed":
                    raise
                self.loop = None
                return
            self.mesh.sleep(1.0)

    def apply(self, manager: str, version: str, kind: str, name: str, fields: Obj) -> None:
        """What an owner holds of an object, whole: what is left out is given up."""
        meta = {"name": name} | ({"namespace": MESH} if kind.startswith("Horizontal") else {})
        body = {"apiVersion": version, "kind": kind, **fields, "metadata": meta | fields.get("metadata", {})}
        by = By(manager, self.mesh.clock.now)
        with self.watch.by_hand():
            self.attempt(lambda: self.mesh.world.store.apply(body, by))

    def delete(self, key: tuple[str, str, str, str]) -> None:
        with self.watch.by_hand():
            self.mesh.world.store.delete(Key(*key))

    def there(self, group: str, plural: str) -> set[tuple[str, str]]:
        return {(key.group, key.name) for key, _ in self.mesh.world.store.entries(group, plural)}

    def attempt(self, write: object) -> None:
        """What the API server refuses did not happen."""
        try:
            write()  # type: ignore[operator]
        except (ApiError, AssertionError) as refused:
            note(f"refused: {refused}")
