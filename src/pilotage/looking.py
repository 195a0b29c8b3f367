"""One look of the loop: the question, what is seen, the plan. Called by `reconcile`.

While a control plane gets ready little changes, so for a while only that little is looked at.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from msgspec import structs

from pilotage.decide.badpairs import asks_proxies
from pilotage.decide.entrants import entrants
from pilotage.decide.getting_ready import getting_ready
from pilotage.decide.install import istiods_start
from pilotage.decide.patches import Facts, course
from pilotage.decide.plan import needs_guard, plan
from pilotage.decide.versions import unpublished
from pilotage.desired import desire
from pilotage.domain.actions import Plan, Wait
from pilotage.domain.catalog import Catalog
from pilotage.domain.errors import Refused
from pilotage.domain.mesh import ServiceMesh, ServiceMeshSpec
from pilotage.domain.objects import ref_of
from pilotage.domain.patching import Course
from pilotage.domain.profile import profile_of
from pilotage.domain.state import Desired, Snapshot
from pilotage.domain.version import Version
from pilotage.edge.charts import beginning
from pilotage.edge.controlplanes import running_versions
from pilotage.edge.kube import Kube
from pilotage.edge.observe import GUARD, INSTALL, READINESS, STARTING, Parts, observe, refuse_blind
from pilotage.edge.proof import Trial, fails, injection_proof, selecting
from pilotage.edge.reads import Source
from pilotage.publishing import Looked

_GLANCES = 2.0  # seconds for which a look at readiness alone will do, while a control plane gets ready


class Rendered(NamedTuple):
    """All that what is rendered depends on."""

    spec: ServiceMeshSpec
    versions: dict[str, Version]


class Looker:
    """Looks at `source`: lists of a Kube, or what an operator's watches keep. `kube`: to try a pod, as a dry run."""

    def __init__(self, kube: Kube, source: Kube | Source, catalog: Catalog, clock: Callable[[], datetime]) -> None:
        self.kube = kube
        self.source, self.catalog, self.clock = source, catalog, clock
        self.patches = False  # whether patches that are due are begun here without being asked for
        self._desired: tuple[Rendered, Desired] | None = None  # as rendered last, and from what
        self._waiting: tuple[Looked, float] | None = None  # the last whole look, and when the next is due

    def look(self, mesh: ServiceMesh, rendering: Callable[[], None]) -> Looked:
        """Raises what the edge raises; a refusal inside a rule becomes a plan that says what blocks.

        `rendering` is called before charts are rendered, for then the look takes a while.
        """
        with beginning(rendering):
            return self._glance(mesh) or self._whole(mesh)

    def again(self) -> None:
        """What was planned was not done: the next look is a whole one."""
        self._waiting = None

    def _whole(self, mesh: ServiceMesh) -> Looked:
        desired = self._desire(mesh, self._course(mesh))
        snapshot = self._observe(mesh, desired)
        made = _planned(desired, snapshot)
        if desired.course.patch and not made.patch:  # all but the last proof: what a new pod gets
            snapshot = structs.replace(snapshot, unproven=self._unproven(desired, desired.course.patch.revision))
            made = _planned(desired, snapshot)
        looked = Looked(desired, snapshot, made)
        felt = isinstance(self.source, Kube) and not needs_guard(desired, snapshot)  # each look is, where it is lists
        self._waiting = (looked, time.monotonic() + _GLANCES) if felt else None
        return looked

    def _glance(self, mesh: ServiceMesh) -> Looked | None:
        """The plan while a control plane gets ready: little is looked at, since each look takes time from its start.

        None where a whole look is due: something else is asked for, nothing is waited for any more, or it is time.
        """
        before, until = self._waiting or (None, 0.0)
        if before is None or before.snapshot.mesh is None or before.snapshot.mesh.spec != mesh.spec:
            return None
        if time.monotonic() > until or before.snapshot.mesh.patch != mesh.patch:
            return None
        starts = istiods_start(before.desired, before.snapshot)
        snapshot = self._fresh(before, mesh, STARTING if starts else READINESS)
        if starts and not istiods_start(before.desired, snapshot):
            return None
        made = getting_ready(before.made, before.desired, snapshot)
        return Looked(before.desired, snapshot, made, whole=False) if made else None

    def _fresh(self, before: Looked, mesh: ServiceMesh, parts: Parts) -> Snapshot:
        """What was seen before, with `parts` as they are now."""
        seen = observe(self.source, before.desired.profile, self.catalog, self.clock(), parts=parts)
        refuse_blind(seen, parts)
        fresh = {part: getattr(seen, part) for part in parts}
        return structs.replace(before.snapshot, now=seen.now, mesh=mesh, **fresh)

    def _course(self, mesh: ServiceMesh) -> Course:
        running = running_versions(self.source, profile_of(mesh.spec).namespace) if unpublished(mesh) else {}
        return course(Facts(mesh, running, self.catalog, self.clock(), self.patches))

    def _desire(self, mesh: ServiceMesh, way: Course) -> Desired:
        """Nothing but spec and versions go into what is rendered: as long as they stay, so does that."""
        rendered = Rendered(mesh.spec, way.versions)
        if self._desired is None or self._desired[0] != rendered:
            self._desired = (rendered, desire(mesh, self.catalog, way.versions))
        return structs.replace(self._desired[1], course=way)

    def _unproven(self, desired: Desired, revision: str) -> str:
        """ "" where it cannot be tried either, as for a start: waiting would not change that."""
        finding = injection_proof(self.kube, Trial(desired.profile.namespace, selecting(revision), revision))
        return finding.message if fails(finding) else ""

    def _observe(self, mesh: ServiceMesh, desired: Desired) -> Snapshot:
        """What the plan needs to see; pods, workloads and istiods only where something may be removed."""
        refs = tuple(map(ref_of, desired.every_object))
        begins = desired.course.begins
        asks = begins is not None and asks_proxies(self.catalog, Version.parse(begins.to))
        parts = INSTALL | {"pods"} if asks else INSTALL
        while True:
            seen = observe(self.source, desired.profile, self.catalog, self.clock(), parts=parts, mesh=mesh, refs=refs)
            refuse_blind(seen, INSTALL)
            if parts is GUARD or not needs_guard(desired, seen):
                return self._with_kubernetes(desired, seen)
            parts = GUARD

    def _with_kubernetes(self, desired: Desired, seen: Snapshot) -> Snapshot:
        """Its version is asked for only where a revision is about to be begun."""
        if "kubernetes" not in seen.unknown or not entrants(desired.revisions, seen):
            return seen
        unknown = {part: why for part, why in seen.unknown.items() if part != "kubernetes"}
        return structs.replace(seen, kubernetes=self.source.version(), unknown=unknown)


def _planned(desired: Desired, snapshot: Snapshot) -> Plan:
    try:
        return plan(desired, snapshot)
    except Refused as refused:
        return Plan(
            "Blocked", waits=(Wait("the plan", str(refused)),), findings=refused.findings, patch=desired.course.patch
        )
