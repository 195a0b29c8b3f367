"""Desired and Snapshot: all facts one decision may use, time among them. `edge/observe` fills a Snapshot.

`None` for a fact means "not known"; unknown is never read as "not in use" or "healthy".
"""

from datetime import date, datetime
from functools import cached_property

import msgspec

from pilotage.domain.catalog import Catalog
from pilotage.domain.cluster import Labels, Namespace, Node, Pod, Quota, Workload
from pilotage.domain.istio import (
    ControlPlane,
    IstiodReport,
    IstioGateway,
    IstioResource,
    RevisionService,
    WebhookConfig,
)
from pilotage.domain.mesh import Gateway, ServiceMesh
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.domain.patching import Course
from pilotage.domain.profile import Profile
from pilotage.domain.roles import Right
from pilotage.domain.version import Version


class Revision(msgspec.Struct, frozen=True):
    """A revision that should be there, its version resolved from name and catalog."""

    name: str
    version: Version
    managed: bool = True


class Desired(msgspec.Struct, frozen=True):
    """What the ServiceMesh asks for. `objects`: charts rendered, by part (`base` or a revision), in apply order.

    `gateway_objects`: the same of gateways, by `names.gateway_part`; that of BASE holds the gateway's Service.
    """

    profile: Profile
    revisions: tuple[Revision, ...]  # ascending by version: stable, then canary
    objects: dict[str, tuple[Obj, ...]] = {}
    disabled: bool = False
    gateways: tuple[Gateway, ...] = ()  # each with its namespace
    gateway_objects: dict[str, tuple[Obj, ...]] = {}
    course: Course = Course()

    @property
    def every_object(self) -> tuple[Obj, ...]:
        """Of control planes and gateways."""
        parts = (*self.objects.values(), *self.gateway_objects.values())
        return tuple(obj for objects in parts for obj in objects)

    @property
    def stable(self) -> Revision:
        return self.revisions[0]

    @property
    def newest(self) -> Version:
        """The version that CRDs and other shared objects come from."""
        managed = [revision.version for revision in self.revisions if revision.managed]
        return managed[-1] if managed else self.revisions[-1].version

    @property
    def canary(self) -> Revision | None:
        return self.revisions[1] if len(self.revisions) > 1 else None


class Snapshot(msgspec.Struct, frozen=True, dict=True):
    """The cluster at one moment, as far as it was looked at."""

    now: datetime
    catalog: Catalog
    profile: Profile
    kubernetes: Version
    mesh: ServiceMesh | None = None
    namespaces: tuple[Namespace, ...] = ()
    pods: tuple[Pod, ...] = ()
    workloads: tuple[Workload, ...] = ()
    nodes: tuple[Node, ...] = ()
    quotas: tuple[Quota, ...] = ()
    injectors: tuple[WebhookConfig, ...] = ()  # mutating, Istio's
    validators: tuple[WebhookConfig, ...] = ()  # validating, Istio's
    control_planes: tuple[ControlPlane, ...] = ()
    services: frozenset[tuple[str, str]] = frozenset()  # (namespace, name) of the mesh namespace and webhook targets
    revision_services: tuple[RevisionService, ...] = ()
    resources: tuple[IstioResource, ...] = ()  # Istio resources that carry label istio.io/rev
    istio_gateways: tuple[IstioGateway, ...] = ()
    configs: dict[str, str] = {}  # ConfigMap name -> key `mesh`, of the mesh namespace
    roots: dict[str, str] = {}  # revision -> digest of the root certificate its istiod serves
    istiods: tuple[IstiodReport, ...] = ()  # one per running istiod pod
    autoscalers: tuple[Obj, ...] = ()  # HPAs where our Deployments are, whoever made them
    live: dict[ObjectRef, Obj] = {}  # our inventory, and what stands where our objects would be
    leases: tuple[str, ...] = ()  # names in the mesh namespace
    denied: tuple[Right, ...] = ()  # that the caller lacks
    ungrantable: tuple[Right, ...] = ()  # that the charts' roles hold and the caller does not, so may not grant
    unproven: str = ""  # why a pod that was tried is not injected by the revision being patched
    operator: bool = False  # an operator holds the Lease
    unknown: dict[str, str] = {}  # fields of this Snapshot that were not read -> why: never read them as empty

    @property
    def today(self) -> date:
        return self.now.date()

    @cached_property
    def labels_by_namespace(self) -> dict[str, Labels]:
        """Rules ask it once for each of thousands of pods."""
        return {namespace.name: namespace.labels for namespace in self.namespaces}
