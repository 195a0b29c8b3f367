"""How soon the canary's autoscaler says what stable's says, whichever of them was edited. Called by `bench.operator`.

Between two requests at the API server, by its audit log: the edit and the operator's write that answers it.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tools.audit import Request, requests

from bench.figure import Figure, noted, rank, within
from bench.place import CANARY, MESH, STABLE, Place, until
from bench.standing import Standing
from pilotage.domain.names import suffixed
from pilotage.domain.objects import ObjectRef
from pilotage.edge.kube import Kube

_EDITS: Final = 100
_APART: Final = 1.0  # seconds between edits: each is to find the operator at rest
_PROMPT: Final = 0.2  # seconds
_PATIENCE: Final = 60.0
_MOST: Final = 10  # maxReplicas of the first edit; each edit has a number of its own
_EDITOR: Final = "sandbox-admin"
_STABLE, _CANARY = (
    ObjectRef("autoscaling/v2", "HorizontalPodAutoscaler", MESH, suffixed("istiod", name)) for name in (STABLE, CANARY)
)


def figures(place: Place, kube: Kube, standing: Standing, name: str) -> Iterator[Figure]:
    """Starts a canary, edits both autoscalers in turn, and takes the canary back. `standing` is not started yet."""
    standing.start()
    try:
        until("the operator leads", lambda: "Settled" in standing.log.read_text(), _PATIENCE)
        place.run("pilotage", "upgrade", "start", "--revision", CANARY)
        taken = sorted(_answers(place, kube))
        place.run("pilotage", "upgrade", "rollback", "--yes")
    finally:
        standing.stop()
    yield noted(f"{name}: half of {len(taken)} HPA edits", rank(taken, 50), "s")
    yield within(f"{name}: HPA edits, p99", rank(taken, 99), _PROMPT)
    yield noted(f"{name}: HPA edits, longest", taken[-1], "s")


def _answers(place: Place, kube: Kube) -> Iterator[float]:
    began = datetime.now(UTC)
    for turn in range(_EDITS):
        time.sleep(_APART)
        _edit(kube, turn)
    log = Path(place.environment["KUBECONFIG"]).parent / "logs" / "audit.log"
    edits = _writes(log, _EDITOR, lambda each: each.name in (_STABLE.name, _CANARY.name) and each.at >= began)
    answers = _writes(log, Standing.USER, lambda each: each.name == _CANARY.name)
    for edit in edits:
        yield (next(each.at for each in answers if each.at > edit.at) - edit.at).total_seconds()


def _edit(kube: Kube, turn: int) -> None:
    """Of stable's and of the canary's in turn, each time by another manager: no one of them contests anything."""
    edited = (_STABLE, _CANARY)[turn % 2]
    most = _MOST + turn
    kube.patch(edited, {"spec": {"maxReplicas": most}}, manager=f"bench-{turn}")
    wanted = most if edited is _STABLE else most - 1
    until(f"edit {turn} is answered", lambda: _most(kube) == wanted, _PATIENCE)


def _most(kube: Kube) -> Any:
    found = kube.get(_CANARY)
    return found and found["spec"]["maxReplicas"]


def _writes(log: Path, user: str, about: Callable[[Request], bool]) -> list[Request]:
    seen = (each for each in requests(log, user) if each.wrote and each.resource.startswith("horizontalpodautoscalers"))
    return [each for each in seen if about(each)]
