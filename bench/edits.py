"""How soon the operator answers an edit: from one request to another at the API server, by its audit log.

Used by `operator`.
"""

import itertools
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tools.audit import LEASE, Request, requests

from bench.place import MESH, STABLE, until
from bench.standing import Standing
from pilotage.domain.names import REV, suffixed
from pilotage.domain.objects import ObjectRef, labels_of
from pilotage.edge.kube import Kube
from pilotage.edge.mesh import MESH as RESOURCE

_EDITS: Final = 100
_ANEW: Final = 30  # edits for which charts are rendered: each costs half a second of processor time
_APART: Final = 0.3  # seconds between edits: each is to find the operator at rest
_WARM: Final = 1.5  # seconds after charts were rendered, until Helm's engine is loaded once more
_PATIENCE: Final = 180.0
_TOLD: Final = ("servicemeshes", "events")
_EDITOR: Final = "sandbox-admin"
_SERVICE: Final = ObjectRef("v1", "Service", MESH, suffixed("istiod", STABLE))


class Edits:
    """By `kube`, whose API server writes its audit log to `log`. Answers are in seconds, ascending."""

    def __init__(self, kube: Kube, log: Path) -> None:
        self._kube, self._log = kube, log

    def of_an_object(self) -> list[float]:
        """From an edit of an installed object to the write that undoes it."""
        began = datetime.now(UTC)
        for _ in range(_EDITS):
            time.sleep(_APART)
            self._edit()
        return self._answers(began, _SERVICE)

    def of_the_mesh(self) -> list[float]:
        """From an edit of the ServiceMesh, there and back, to the first write that follows from it."""
        for turn in ("here", "there"):
            self._values(turn)
        began = self._one_by_one(itertools.islice(itertools.cycle(("here", "there")), _EDITS), _APART)
        return self._answers(began, RESOURCE)

    def of_charts(self) -> tuple[list[float], list[float]]:
        """The same, for values that charts were never rendered with: to the first write, which tells that the edit was
        seen, and to the first one of an object of the mesh."""
        began = self._one_by_one((f"{time.monotonic()}-{turn}" for turn in range(_ANEW)), _WARM)
        return self._answers(began, RESOURCE), self._answers(began, RESOURCE, of_mesh=True)

    def edit(self) -> tuple[datetime, datetime]:
        """Edits an installed object, and has it undone: when the API server received the one and the other."""
        began = datetime.now(UTC)
        self._edit()
        [pair] = self._pairs(began, _SERVICE)
        return pair

    def _edit(self) -> None:
        self._kube.patch(_SERVICE, {"metadata": {"labels": {REV: "edited"}}}, manager="bench")
        until("the edit is undone", self._undone, _PATIENCE)

    def _one_by_one(self, turns: Iterable[str], apart: float) -> datetime:
        """When the first began; `apart`: seconds ahead of each."""
        began = datetime.now(UTC)
        for turn in turns:
            time.sleep(apart)
            self._values(turn)
        return began

    def _values(self, turn: str) -> None:
        """Until the operator has said that it did as it was told. One ConfigMap tells of this value, no pod."""
        values = {"sidecarInjectorWebhook": {"injectedAnnotations": {"bench": turn}}}
        wanted = self._kube.patch(RESOURCE, {"spec": {"values": values}}, manager="bench")["metadata"]["generation"]
        until("the edit is followed", lambda: self._followed(wanted), _PATIENCE)

    def _followed(self, generation: int) -> bool:
        status = (self._kube.get(RESOURCE) or {}).get("status", {})
        return bool(status.get("observedGeneration") == generation and status.get("phase") == "Settled")

    def _undone(self) -> bool:
        service = self._kube.get(_SERVICE)
        return service is not None and labels_of(service).get(REV) == STABLE

    def _answers(self, began: datetime, ref: ObjectRef, *, of_mesh: bool = False) -> list[float]:
        return sorted((answer - edit).total_seconds() for edit, answer in self._pairs(began, ref, of_mesh=of_mesh))

    def _pairs(self, began: datetime, ref: ObjectRef, *, of_mesh: bool = False) -> list[tuple[datetime, datetime]]:
        """Each edit of the object since then, and the operator's next write but of its Lease; `of_mesh`: nor of what
        it tells."""
        edits = [each for each in self._wrote(began, _EDITOR) if each.name == ref.name]
        told = _TOLD if of_mesh else ()
        answers = [each for each in self._wrote(began, Standing.USER) if each.resource.split(".")[0] not in told]
        return [(edit.at, next(each.at for each in answers if each.at >= edit.at)) for edit in edits]

    def _wrote(self, began: datetime, user: str) -> list[Request]:
        found = (each for each in requests(self._log, user) if each.at >= began)
        return [each for each in found if each.wrote and each.resource != LEASE]
