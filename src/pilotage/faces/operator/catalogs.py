"""The catalog of the mesh while an operator leads: followed, fetched, and the last good one kept. Made by `loop`.

A ConfigMap is followed by a watch. A URL is fetched by a thread of its own, for the loop must not wait for it; what it
gives is kept in a ConfigMap of ours, and the watch of that one wakes the loop. So one way leads to every catalog.
"""

import random
import threading
from pathlib import Path
from types import TracebackType
from typing import Final

from msgspec.structs import replace

from pilotage.domain.catalog import Catalog, Trouble
from pilotage.domain.errors import MeshError, Refused
from pilotage.domain.mesh import CatalogSource, ServiceMesh
from pilotage.domain.profile import profile_of
from pilotage.edge.catalog import KEPT, Kept, file_text, keep, kept_in, packaged_catalog, text_in, unsigned
from pilotage.edge.kube import Kube
from pilotage.edge.mesh import MESH, parse_mesh
from pilotage.edge.store import Store
from pilotage.faces import catalogs
from pilotage.faces.cli.session import Session
from pilotage.faces.operator.report import Report

_EVERY: Final = 6 * 3600.0  # seconds between two looks at a URL
_AGAIN: Final = 300.0  # after one that failed


class Catalogs:
    """From when it is entered until it is left. `kube` writes what is kept, fenced by the Lease."""

    def __init__(self, session: Session, store: Store, kube: Kube, report: Report) -> None:
        self._session, self._store, self._kube, self._report = session, store, kube, report
        self._told = threading.Condition()
        self._over = False
        self._place: CatalogSource | None = None  # with a URL, to be fetched
        self._namespace = ""
        session.catalog = packaged_catalog()  # until the first look

    def __enter__(self) -> "Catalogs":
        threading.Thread(target=self._run, name="catalog", daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with self._told:
            self._over = True
            self._told.notify()

    def now(self) -> Catalog:
        """For the next step; the session has it from then on, too. Raises what a look and a write raise."""
        resource = self._store.get(MESH)
        try:
            mesh = parse_mesh(resource) if resource else None
        except Refused:  # the step that follows says so
            mesh = None
        if mesh is not None:
            self._session.catalog = self._of(mesh)
        return self._session.catalog

    def _of(self, mesh: ServiceMesh) -> Catalog:
        place, namespace = mesh.spec.catalog, profile_of(mesh.spec).namespace
        named = self._session.catalog_place
        if named is not None:
            url = named.startswith(("https://", "http://"))
            place = CatalogSource(url=named, public_key=self._session.catalog_key) if url else None
        self._want(place if place and place.url else None, namespace)
        if place is None:
            return self._named(named) if named is not None else packaged_catalog()
        find = catalogs.finder(self._store, namespace)
        found = catalogs.of_mesh(place, find, packaged_catalog())
        if place.config_map and found.trouble is None:
            self._keep(Kept(found.source, text_in(find(place.config_map), found.source)), find, namespace)
        return found

    def _named(self, place: str) -> Catalog:
        """--catalog: a file is read at every look, a ConfigMap is followed. The last good one stays while it leads."""
        kind, _, where = place.partition("/")
        key = self._session.catalog_key
        try:
            if kind != "configmap":
                return catalogs.parsed(file_text(Path(place), key), place)
            unsigned(place, key)
            namespace, _, name = where.partition("/")
            return catalogs.parsed(text_in(catalogs.finder(self._store, namespace)(name), where), place)
        except Refused as refused:
            return replace(self._session.catalog, trouble=Trouble(catalogs.REJECTED, str(refused)))

    def _want(self, place: CatalogSource | None, namespace: str) -> None:
        with self._told:
            if place != self._place:
                self._place, self._namespace = place, namespace
                self._told.notify()

    def _run(self) -> None:
        while not self._over:
            with self._told:
                place, namespace = self._place, self._namespace
            pause = self._fetch(place, namespace) if place else None
            with self._told:
                if place == self._place and not self._over:
                    self._told.wait(pause and pause * random.uniform(0.9, 1.1))

    def _fetch(self, place: CatalogSource, namespace: str) -> float:
        """Seconds until the next time."""
        try:
            find = catalogs.finder(self._store.aside(), namespace)
            kept = catalogs.fetched(place, kept_in(find(KEPT)))
            self._keep(kept, find, namespace)
        except MeshError as error:
            self._report.failed("cannot keep the catalog", error)
            return _AGAIN
        return _AGAIN if kept.trouble else _EVERY

    def _keep(self, kept: Kept, find: catalogs.Find, namespace: str) -> None:
        if kept != kept_in(find(KEPT)):
            keep(self._kube, namespace, kept)
            why = kept.trouble or f"the catalog of {kept.source} is new"
            self._report.log.say("wrote", object=f"ConfigMap {namespace}/{KEPT}", why=why)
