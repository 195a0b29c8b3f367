"""The whole product on one screen: observe, plan, apply, publish, and again, for progress is what is seen.

The operator runs it for ever; a verb runs it until its step is done. Guards live in the plan, so they hold for a verb,
for Git and for an edit by hand alike.
"""

from collections.abc import Callable
from datetime import datetime

from pilotage.decide.putback import put_back
from pilotage.domain.actions import Action, Plan
from pilotage.domain.catalog import Catalog
from pilotage.domain.errors import MeshError, NoCharts, Refused
from pilotage.domain.objects import Obj
from pilotage.edge.apply import apply_all
from pilotage.edge.kube import Kube
from pilotage.edge.mesh import MESH, parse_mesh
from pilotage.edge.reads import Source
from pilotage.looking import Looker
from pilotage.publishing import Looked, Publisher

PAUSE = 0.05  # seconds between looks while the world moves
_CONTESTED = 30.0  # the longest pause where another undoes what we write


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
        self.failed: Callable[[Action, MeshError], None] = lambda *_: None  # told of a write that ends a step
        self._looker, self._publisher = Looker(kube, self.source, catalog, clock), Publisher(kube)
        self._last: tuple[Action, ...] = ()

    def begin_patches(self) -> None:
        """Begin patches that are due; else only those that a person asked for."""
        self._looker.patches = True

    @property
    def contested(self) -> bool:
        """Somebody undoes what we write: to act on every change would be to fight."""
        return self.repeats > 1

    @property
    def status(self) -> Obj:
        """As last published."""
        return self._publisher.status

    def use(self, catalog: Catalog) -> None:
        """From the next step on."""
        self.catalog = self._looker.catalog = catalog

    def step(self, done: Callable[[Action], None] = lambda _: None) -> Plan:
        """Observe, plan, apply, publish: once. Raises what the edge raises; Refused for a mesh that does not parse."""
        resource = self.source.get(MESH)
        self.looked, self._publisher.status = None, (resource or {}).get("status", {})
        self.generation = resource["metadata"]["generation"] if resource else 0
        if resource is None or "deletionTimestamp" in resource["metadata"]:
            return Plan("NotEnabled")  # whoever's finalizer keeps it: what is deleted asks for nothing
        try:
            self.looked = looked = self._looker.look(parse_mesh(resource), lambda: self._acknowledge(resource))
        except (Refused, NoCharts) as cause:
            self._publisher.halt(resource, cause, self.clock(), write=not self.follow)
            raise
        if looked.whole and not self.follow:  # who follows sees the same plan again until another one acts
            self._count(looked.made)
        if not self.follow:
            try:
                apply_all(self.kube, looked.made.now, done=done, failed=self.failed)
            except MeshError as fault:
                self._looker.again()
                self._publisher.fault(resource, looked, fault)
                raise
            self._publisher.plan(resource, looked, put_back(looked.made, looked.snapshot.live))
        return looked.made

    def _acknowledge(self, resource: Obj) -> None:
        if not self.follow:
            self._publisher.acknowledge(resource, self.clock())

    def _count(self, made: Plan) -> None:
        """Plans that say the same as the last."""
        self.repeats = self.repeats + 1 if made.now and made.now == self._last else 0
        self._last = made.now


def pause_after(reconciler: Reconciler, made: Plan, rest: float) -> float:
    """Seconds until the next look: none after a write, more and more where the same write comes again and again.

    Else `rest`, or less where a moment is known at which there will be more to do.
    """
    if reconciler.contested:
        return min(PAUSE * 2.0**reconciler.repeats, _CONTESTED)
    if made.now and not reconciler.follow:
        return 0.0
    opens = reconciler.looked.desired.course.opens if reconciler.looked else None
    moments = [moment for moment in (made.due, opens) if moment]
    return min((rest, *(max(0.0, (moment - reconciler.clock()).total_seconds()) for moment in moments)))
