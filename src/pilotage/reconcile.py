"""The whole product on one screen: observe, plan, apply, publish, and again, for progress is what is seen.

The operator runs it for ever; a verb runs it until its step is done. Guards live in the plan, so they hold for a verb,
for Git and for an edit by hand alike.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from msgspec import structs

from pilotage.decide.catalog import version_of
from pilotage.decide.plan import needs_guard, plan
from pilotage.decide.putback import put_back
from pilotage.decide.status import refused_status, status_of
from pilotage.decide.transitions import transitions
from pilotage.domain.actions import Action, Plan, Wait
from pilotage.domain.catalog import Catalog
from pilotage.domain.errors import MeshError, Refused
from pilotage.domain.events import Event
from pilotage.domain.mesh import Mode, Owner, ServiceMesh, ServiceMeshSpec
from pilotage.domain.names import BASE
from pilotage.domain.objects import Obj, ref_of
from pilotage.domain.profile import Profile, profile_of
from pilotage.domain.state import Desired, Revision, Snapshot
from pilotage.edge.apply import apply_all
from pilotage.edge.charts import render_base, render_revision, renderer_for
from pilotage.edge.kube import Kube
from pilotage.edge.mesh import MESH, parse_mesh
from pilotage.edge.observe import GUARD, INSTALL, READINESS, observe, refuse_blind
from pilotage.edge.reads import Source
from pilotage.edge.status import publish

PAUSE = 0.05  # seconds between looks while the world moves
_CONTESTED = 30.0  # the longest pause where another undoes what we write
_GLANCES = 2.0  # seconds for which a look at readiness alone will do, while nothing else is waited for


class Looked(NamedTuple):
    """One step's question, what was seen, and the answer."""

    desired: Desired
    snapshot: Snapshot
    made: Plan


class Reconciler:
    """One mesh, written through `kube`, which a Lease fences; with `follow` nothing is written: somebody else acts.

    `source`: where to look, if not by lists of `kube`.
    """

    def __init__(
        self, kube: Kube, catalog: Catalog, clock: Callable[[], datetime], source: Source | None = None
    ) -> None:
        self.kube, self.catalog, self.clock = kube, catalog, clock
        self.source: Kube | Source = source or kube
        self.follow = False
        self.generation = 0  # of the resource as last seen, 0 for none
        self.repeats = 0  # how often the same writes came again: somebody else undoes them
        self.looked: Looked | None = None  # of the last step; None where it did not get as far as a plan
        self.status: Obj = {}  # as last published
        self.failed: Callable[[Action, MeshError], None] = lambda *_: None  # told of a write that ends a step
        self._desired: tuple[ServiceMeshSpec, Desired] | None = None  # as rendered last, and from what
        self._fault = ""  # of the last write, where it failed
        self._last: tuple[Action, ...] = ()
        self._waiting: tuple[Looked, float] | None = None  # a look that left only waits, and when the next is due

    @property
    def contested(self) -> bool:
        """Somebody undoes what we write: to act on every change would be to fight."""
        return self.repeats > 1

    def step(self, done: Callable[[Action], None] = lambda _: None) -> Plan:
        """Observe, plan, apply, publish: once. Raises what the edge raises; Refused for a mesh that does not parse."""
        resource = self.source.get(MESH)
        self.looked, self.status = None, (resource or {}).get("status", {})
        self.generation = resource["metadata"]["generation"] if resource else 0
        if resource is None:
            return Plan("NotEnabled")
        try:
            self.looked = looked = self._look(parse_mesh(resource))
        except Refused as refused:
            self._publish_refusal(resource, refused)
            raise
        if not self.follow:
            try:
                apply_all(self.kube, looked.made.now, done=done, failed=self.failed)
            except MeshError as fault:
                self._publish_fault(resource, looked, str(fault))
                raise
            self._fault = ""
            self._publish(resource, looked, put_back(looked.made, looked.snapshot.live))
        return looked.made

    def _look(self, mesh: ServiceMesh) -> Looked:
        return self._glance(mesh) or self._whole(mesh)

    def _whole(self, mesh: ServiceMesh) -> Looked:
        desired = self._desire(mesh)
        snapshot = self.look(mesh, desired)
        made = self._plan(desired, snapshot)
        lists = self.source is self.kube  # where each look is felt
        only_waits = lists and made.waits and not made.now and not needs_guard(desired, snapshot)
        self._waiting = (Looked(desired, snapshot, made), time.monotonic() + _GLANCES) if only_waits else None
        return Looked(desired, snapshot, made)

    def _glance(self, mesh: ServiceMesh) -> Looked | None:
        """The plan while a control plane gets ready: little is looked at, since each look takes time from its start.

        None where a whole look is due: something else is asked for, nothing is waited for any more, or it is time.
        """
        before, until = self._waiting or (None, 0.0)
        if before is None or before.snapshot.mesh is None or before.snapshot.mesh.spec != mesh.spec:
            return None
        if time.monotonic() > until:
            return None
        seen = observe(self.source, before.desired.profile, self.catalog, self.clock(), parts=READINESS)
        refuse_blind(seen, READINESS)
        fresh = {part: getattr(seen, part) for part in READINESS}
        snapshot = structs.replace(before.snapshot, now=seen.now, mesh=mesh, **fresh)
        try:
            made = plan(before.desired, snapshot)
        except Refused:
            return None
        return Looked(before.desired, snapshot, made) if made.waits and not made.now else None

    def _desire(self, mesh: ServiceMesh) -> Desired:
        """Nothing but the spec goes into it: as long as that stays, so does what was rendered."""
        if self._desired is None or self._desired[0] != mesh.spec:
            self._desired = (mesh.spec, desire(mesh, self.catalog))
        return self._desired[1]

    def _plan(self, desired: Desired, snapshot: Snapshot) -> Plan:
        """A refusal inside a rule becomes a plan that says what blocks. Counts plans that say the same as the last."""
        try:
            made = plan(desired, snapshot)
        except Refused as refused:
            made = Plan("Blocked", waits=(Wait("the plan", str(refused)),), findings=refused.findings)
        self.repeats = self.repeats + 1 if made.now and made.now == self._last else 0
        self._last = made.now
        return made

    def look(self, mesh: ServiceMesh, desired: Desired) -> Snapshot:
        """What the plan needs to see; pods, workloads and istiods only where something may be removed."""
        refs = tuple(ref_of(obj) for objects in desired.objects.values() for obj in objects)
        parts = INSTALL
        while True:
            seen = observe(self.source, desired.profile, self.catalog, self.clock(), parts=parts, mesh=mesh, refs=refs)
            refuse_blind(seen, INSTALL)
            if parts is GUARD or not needs_guard(desired, seen):
                return seen
            parts = GUARD

    def _publish(self, resource: Obj, looked: Looked, done: Iterable[Event]) -> None:
        previous = resource.get("status", {})
        status = status_of(looked.made, looked.desired, looked.snapshot, previous)
        self.status = status
        events = (*done, *transitions(previous, status))
        if status != previous or events:
            publish(self.kube, resource, status, events, looked.snapshot.now)

    def _publish_fault(self, resource: Obj, looked: Looked, fault: str) -> None:
        """A write that fails twice in the same way becomes a condition; one conflict is no news."""
        again, self._fault = fault == self._fault, fault
        if again:
            made = structs.replace(looked.made, waits=(Wait("the next attempt", fault), *looked.made.waits))
            with suppress(MeshError):  # the first cause counts
                self._publish(resource, looked._replace(made=made), ())

    def _publish_refusal(self, resource: Obj, refused: Refused) -> None:
        """So that the resource says what a user must change, and not only who runs the loop."""
        previous, now = resource.get("status", {}), self.clock()
        self.status = status = refused_status(refused, self.generation, now, previous)
        if status != previous and not self.follow:
            with suppress(Refused):  # who may not do the one may not do the other: the first cause counts
                publish(self.kube, resource, status, transitions(previous, status), now)


def desire(mesh: ServiceMesh, catalog: Catalog) -> Desired:
    """The resource with versions resolved and charts rendered: base first, at the newest version, then each revision.

    The default validator is rendered for stable, so it stays there until the canary is the only one.
    """
    profile = profile_of(mesh.spec)
    revisions = revisions_of(mesh, catalog)
    managed = [revision for revision in revisions if revision.managed]
    objects: dict[str, tuple[Obj, ...]] = {}
    if managed and mesh.spec.mode is Mode.ISTIO:
        objects = _render(mesh, profile, revisions, managed)
    return Desired(profile, revisions, objects, disabled=mesh.spec.mode is Mode.DISABLED)


def revisions_of(mesh: ServiceMesh, catalog: Catalog) -> tuple[Revision, ...]:
    """Ascending by version: stable, then canary."""
    entries = (
        Revision(entry.name, version_of(entry.name, entry.version, catalog), entry.owner is Owner.MANAGED)
        for entry in mesh.spec.revisions
    )
    return tuple(sorted(entries, key=lambda revision: revision.version))


def _render(
    mesh: ServiceMesh, profile: Profile, revisions: tuple[Revision, ...], managed: list[Revision]
) -> dict[str, tuple[Obj, ...]]:
    renderer = renderer_for(profile.charts)
    own = {entry.name: entry.values for entry in mesh.spec.revisions}
    objects = {BASE: render_base(renderer, profile, managed[-1].version, revisions[0].name)}
    for revision in managed:
        objects[revision.name] = render_revision(renderer, profile, revision, (mesh.spec.values, own[revision.name]))
    return objects


def pause_after(reconciler: Reconciler, made: Plan, rest: float) -> float:
    """Seconds until the next look: none after a write, more and more where the same write comes again and again."""
    if reconciler.contested:
        return min(PAUSE * 2.0**reconciler.repeats, _CONTESTED)
    if made.now and not reconciler.follow:
        return 0.0
    return min(rest, made.left(reconciler.clock())) if made.due else rest
