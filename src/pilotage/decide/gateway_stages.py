"""In which steps gateways go: with their revision, or for good. Called by `removal`, `gateway_removal` and `plan`.

They go before their istiod: an Envoy that drains still has its control plane.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pilotage.decide.inventory import is_ours, part_of
from pilotage.decide.stages import RUNNING, Stage
from pilotage.domain.actions import Action, Delete, Wait
from pilotage.domain.gateways import GatewayPlace
from pilotage.domain.names import BASE, PART, gateway_in, in_words, revision_in
from pilotage.domain.objects import ObjectRef
from pilotage.domain.state import Snapshot


class Piece(NamedTuple):
    """What of ours stands of a gateway in one revision; its Service is in that of BASE."""

    namespace: str
    part: str

    @property
    def place(self) -> GatewayPlace:
        return GatewayPlace(gateway_in(self.part), self.namespace)


def pieces(snapshot: Snapshot) -> tuple[Piece, ...]:
    """All that stand; Services last."""
    found = {
        Piece(ref.namespace, part_of(obj))
        for ref, obj in snapshot.live.items()
        if is_ours(obj) and gateway_in(part_of(obj))
    }
    return tuple(sorted(found, key=lambda piece: (revision_in(piece.part) == BASE, piece)))


def pieces_of_revision(snapshot: Snapshot, revision: str) -> tuple[Piece, ...]:
    return tuple(piece for piece in pieces(snapshot) if revision_in(piece.part) == revision)


def leaving_stages(snapshot: Snapshot, leaving: Iterable[Piece]) -> Iterator[Stage]:
    """Deployments go, their pods drain, then account and role go, which they need to the end; a Service goes last."""
    for revision, of in _by_revision(leaving):
        refs = [(ref, piece.part) for piece in of for ref in _refs(snapshot, piece)]
        name = "gateways" if revision == BASE else f"gateways of {revision}"
        yield Stage(f"stop {name}", tuple(_deletes(pair for pair in refs if pair[0].kind in RUNNING)))
        yield Stage(f"wait for the {name} to drain", waits=tuple(_draining(snapshot, of)))
        what = "Services of gateways" if revision == BASE else f"what is left of the {name}"
        yield Stage(f"delete {what}", tuple(_deletes(pair for pair in refs if pair[0].kind not in RUNNING)))


def _deletes(refs: Iterable[tuple[ObjectRef, str]]) -> Iterator[Action]:
    for ref, part in refs:
        what = f"gateway {gateway_in(part)}" if revision_in(part) == BASE else in_words(part)
        yield Delete(ref, f"{what} is removed")


def _by_revision(leaving: Iterable[Piece]) -> Iterator[tuple[str, list[Piece]]]:
    """Services, which are no revision's, come last."""
    groups: dict[str, list[Piece]] = {}
    for piece in leaving:
        groups.setdefault(revision_in(piece.part), []).append(piece)
    services = groups.pop(BASE, [])
    yield from groups.items()
    if services:
        yield BASE, services


def _draining(snapshot: Snapshot, leaving: Iterable[Piece]) -> Iterator[Wait]:
    wanted = frozenset(leaving)
    if "pods" in snapshot.unknown:
        yield Wait("pods of gateways", snapshot.unknown["pods"])
    for pod in snapshot.pods:
        if Piece(pod.namespace, pod.labels.get(PART, "")) in wanted and not pod.finished:
            yield Wait(f"pod {pod.namespace}/{pod.name}", "is still draining" if pod.deleting else "is still there")


def _refs(snapshot: Snapshot, piece: Piece) -> tuple[ObjectRef, ...]:
    return tuple(
        ref
        for ref, obj in snapshot.live.items()
        if ref.namespace == piece.namespace and is_ours(obj) and part_of(obj) == piece.part
    )
