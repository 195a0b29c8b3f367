"""One invocation: the options of `options.everywhere`, and what they lead to, each made when first asked for.

Imports of `edge` are inside the functions: `pilotage --help` and completion need none of them.
"""

from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pilotage.domain.errors import Denied, NoCluster, Refused
from pilotage.domain.roles import TO_LOOK

if TYPE_CHECKING:
    from pilotage.domain.catalog import Catalog
    from pilotage.domain.mesh import ServiceMesh
    from pilotage.domain.objects import ObjectRef
    from pilotage.domain.profile import Profile
    from pilotage.domain.state import Snapshot
    from pilotage.edge.kube import Kube

_DEADLINE = 30.0  # seconds for one answer of the API server


class Session:
    """`click`'s context object. Options not given are None."""

    def __init__(self) -> None:
        self.kubeconfig: str | None = None
        self.context: str | None = None
        self.istio_namespace: str | None = None
        self.request_timeout: float | None = None
        self.today: date | None = None
        self.catalog_place: str | None = None  # a file, configmap/NAMESPACE/NAME, or a URL
        self.catalog_key: str | None = None  # of ed25519 in base64: who signs what the URL has
        self.newer_fields: list[str] = []  # of the ServiceMesh: written by a newer Pilotage
        self.told: frozenset[tuple[str, str]] = frozenset()  # code, subject: not announced again
        self.unknown: dict[str, str] = {}  # what observe was not asked for and could not be read either -> why

    @property
    def now(self) -> datetime:
        """The clock; with --today, the time of day on that day: Leases, conditions and forces still see time pass."""
        now = datetime.now(UTC)
        return datetime.combine(self.today, now.timetz()) if self.today else now

    @property
    def names_cluster(self) -> bool:
        """Then it must be there, also for a verb that would do without where none is configured."""
        return bool(self.kubeconfig or self.context)

    @cached_property
    def kube(self) -> "Kube":
        """The cluster. Raises NoCluster, and Refused for a malformed kubeconfig."""
        from pilotage.edge.kube import Kube

        return Kube.connect(self.kubeconfig, self.context, deadline=self.request_timeout or _DEADLINE)

    @cached_property
    def catalog(self) -> "Catalog":
        """--catalog, or Refused where that cannot be taken; else what the resource names, or the packaged one."""
        from pilotage.edge.catalog import packaged_catalog

        if self.catalog_place is None:
            return self._catalog_of_mesh(packaged_catalog())
        return self.catalog_at(self.catalog_place)

    def catalog_at(self, place: str) -> "Catalog":
        """As --catalog names it; with --catalog-key it must be signed. Raises Refused, and Retry of a URL."""
        from pilotage.decide.catalog import parse_catalog
        from pilotage.edge.catalog import configmap_text, file_text, signed, unsigned

        kind, _, where = place.partition("/")
        if kind == "configmap":
            unsigned(place, self.catalog_key)
            text = configmap_text(self.kube, where)
        elif kind in ("https:", "http:"):
            text, _ = signed(place, self.catalog_key or "")
        else:
            text = file_text(Path(place), self.catalog_key)
        return parse_catalog(text, place)

    def _catalog_of_mesh(self, built_in: "Catalog") -> "Catalog":
        """What spec.catalog names, as far as it can be had: it stands in the way of no verb."""
        try:
            mesh = self.mesh
        except NoCluster:
            if self.names_cluster:
                raise
            return built_in
        if mesh is None or mesh.spec.catalog is None:
            return built_in
        from pilotage.domain.catalog import Trouble
        from pilotage.domain.profile import profile_of
        from pilotage.faces import catalogs

        try:
            find = catalogs.finder(self.kube, profile_of(mesh.spec).namespace)
            return catalogs.of_verb(mesh.spec.catalog, find, built_in)
        except Denied as denied:
            return replace(built_in, trouble=Trouble(catalogs.STALE, str(denied)))

    @cached_property
    def mesh(self) -> "ServiceMesh | None":
        """None where none is there, or where it may not be read: looking at a mesh needs no right to see ours.

        What only a newer Pilotage knows of it is left out. Verbs that edit it read it strictly: `drive.enabled_mesh`.
        """
        from pilotage.edge.mesh import look_at_mesh

        try:
            mesh, self.newer_fields = look_at_mesh(self.kube)
            return mesh
        except Denied as denied:
            self.unknown["mesh"] = str(denied)
            return None

    @cached_property
    def profile(self) -> "Profile":
        """Of the ServiceMesh; without one, of the istiod that is found. `-i` names another namespace."""
        from pilotage.faces.cli.whose import profile_for

        return profile_for(self.kube, self.mesh, self.istio_namespace)

    def snapshot(self, parts: frozenset[str] | None = None) -> "Snapshot":
        """The cluster now, as far as `parts` say (fields of Snapshot): Refused if one of them may not be read.

        Without `parts` all of it, as far as it may be read: the rest is in `unknown`. The part `mesh` is the resource.
        """
        from pilotage.edge.observe import observe

        mesh = self.mesh if parts is None or "mesh" in parts else None
        facts = None if parts is None else parts - {"mesh"}
        refs: tuple[ObjectRef, ...] = ()
        if mesh is not None and mesh.spec.gateways:
            from pilotage.domain.gateways import refs_of

            refs = refs_of(mesh.spec)
        seen = observe(self.kube, self.profile, self.catalog, self.now, parts=facts, mesh=mesh, refs=refs)
        blind = [part for part in sorted(parts or ()) if part in seen.unknown]
        if blind:
            raise Refused(f"cannot read {blind[0]}: {seen.unknown[blind[0]]}", fix=TO_LOOK)
        return replace(seen, unknown=seen.unknown | self.unknown)
