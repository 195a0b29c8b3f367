"""Everything that may happen to a mesh, in sequences of chance: what hypothesis drives. Run by `test_machine`.

Verbs through the real command line, edits of the resource, an owner who holds fields, applications that come and go,
objects that somebody deletes, a clock that is set, faults of the API server, kills at any write, and an operator that
steps. After each of them `invariants` hold; at the end the mesh comes to rest, and a second look writes nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

from happenings import (
    ACTS,
    BEGINNINGS,
    BOTH,
    DISTURBANCES,
    ENABLE,
    FAULTS,
    RESOURCE,
    SPACE,
    TIME,
    VERBS,
    Disturbance,
    world_at,
)
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from invariants import Watch, lost_proxies, unfinished
from lab import KILLED, Killed, forked

from harness import CANARY, Obj, deployment
from pilotage.domain.errors import MeshError
from pilotage.reconcile import Reconciler
from pilotage_memory.errors import ApiError
from pilotage_memory.kinds import Key
from pilotage_memory.lifecycle import By


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.held = ExitStack()
        self.loop: Reconciler | None = None
        self.harmed = False  # somebody broke or forced something: a proxy may have lost its istiod

    @initialize(begin=st.sampled_from(sorted(BEGINNINGS)), seed=st.sampled_from([None, 1]))
    def begin(self, begin: str, seed: int | None) -> None:
        self.mesh = self.held.enter_context(forked(world_at(begin, seed)))
        self.watch = Watch(self.mesh)

    @rule(words=st.sampled_from(VERBS), disturbance=DISTURBANCES)
    def verb(self, words: tuple[str, ...], disturbance: Disturbance) -> None:
        with self.disturbed(disturbance):
            self.run(words)

    @rule(keep=st.sampled_from(BOTH), disturbance=DISTURBANCES)
    def next_verb(self, keep: str, disturbance: Disturbance) -> None:
        """What a user who goes on with an upgrade would type."""
        with self.disturbed(disturbance):
            self.run(self.next_words(keep))

    @rule(times=st.integers(1, 12), disturbance=DISTURBANCES)
    def operator(self, times: int, disturbance: Disturbance) -> None:
        with self.disturbed(disturbance):
            self.step(times)

    @rule(act=ACTS)
    def somebody(self, act: tuple[str, Any]) -> None:
        """Does something else: the name of a method below, and what it is given."""
        what, given = act
        with self.watch.by_hand():
            getattr(self, what)(given)

    def edits_the_resource(self, spec: Obj) -> None:
        """By hand, or from a Git that owns nothing."""
        self.attempt(lambda: self.mesh.patch("servicemesh/default", {"spec": spec}))

    def owns(self, what: Obj) -> None:
        """Argo CD or Helm holds a field from now on, or lets go of all that it held."""
        body, store = what["body"], self.mesh.world.store
        by = By(what["by"], self.mesh.clock.now)
        if store.get(store.kind_of(body).key(body)) is not None:
            self.attempt(lambda: store.apply(body, by))

    def labels_the_namespace(self, label: str | None) -> None:
        self.mesh.patch(f"namespace/{SPACE}", {"metadata": {"labels": {"istio.io/rev": label}}})

    def deploys(self, what: tuple[str, int]) -> None:
        self.mesh.apply(deployment(SPACE, what[0], replicas=what[1]))

    def deletes_an_application(self, name: str) -> None:
        self.mesh.world.store.delete(Key("apps", "deployments", SPACE, name))

    def deletes(self, what: Key) -> None:
        """What Pilotage installed, or the resource itself."""
        self.harmed = True
        self.mesh.world.store.delete(what)

    def applies_the_resource_again(self, _: object) -> None:
        """As from Git: deleted, and back with another uid and no status."""
        there = self.mesh.world.store.get(RESOURCE)
        if there is not None:
            self.mesh.world.store.delete(RESOURCE)
            kept = {key: there[key] for key in ("apiVersion", "kind", "spec")}
            self.mesh.apply(kept | {"metadata": {"name": RESOURCE.name}})

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
        made = self.mesh.rest()
        self.holds()
        if made.phase in ("Settled", "Canary", "Disabled", "NotEnabled") and not made.waits:
            assert not list(unfinished(self.mesh.world.store))
        self.mesh.writes()
        self.mesh.reconciler().step()
        assert self.mesh.writes() == []

    def run(self, words: tuple[str, ...]) -> None:
        self.harmed |= "--force" in words
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
            except Killed:
                self.loop = None
                return
            self.mesh.sleep(1.0)

    def next_words(self, keep: str) -> tuple[str, ...]:
        mesh = self.mesh.world.store.get(RESOURCE)
        space = self.mesh.world.store.get(Key("", "namespaces", "", SPACE))
        if mesh is None or mesh["spec"].get("mode") == "Disabled":
            return ENABLE
        if len(mesh["spec"]["revisions"]) < 2:
            return ("upgrade", "start", "--revision", CANARY, *TIME)
        if space is None or space["metadata"]["labels"].get("istio.io/rev") != keep:
            return ("namespace", "move", SPACE, "--to", keep)
        if self.mesh.proxies(SPACE).get("web", {keep}) != {keep}:
            return ("restart", "--not-on", keep, *TIME)
        return ("upgrade", "complete" if keep == CANARY else "rollback", "--yes", *TIME)

    @contextmanager
    def disturbed(self, disturbance: Disturbance) -> Iterator[None]:
        kind, write, times = disturbance
        if kind.startswith("killed"):
            self.mesh.server.kill_at(write, after=kind == "killed after")
        elif kind:
            self.mesh.trouble(FAULTS[kind], at=write, times=times)
        try:
            yield
        finally:
            self.mesh.calm()

    def attempt(self, write: Callable[[], object]) -> None:
        """What the API server refuses did not happen."""
        try:
            write()
        except (ApiError, AssertionError) as refused:
            note(f"refused: {refused}")
