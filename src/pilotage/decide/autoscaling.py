"""The HPA rules while two revisions live: the canary's autoscalers say what stable's say. Called by `plan`.

A canary's HPA is made with the spec of its counterpart; what changes on stable's follows, what changes on the canary's
is put back. One that has another owner is left alone (`hpa_findings`). With one revision left there is no pair and no
rule: the survivor keeps its own.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from msgspec import structs

from pilotage.decide import scaling_events
from pilotage.decide.autoscalers import (
    HPA,
    TARGET,
    Difference,
    autoscalers_of,
    component,
    controller_of,
    settings,
)
from pilotage.decide.contest import Tallies, counted, tallies
from pilotage.decide.editors import Edit, edit_of
from pilotage.decide.hpa_findings import hpa_findings
from pilotage.decide.pairs import Pair, kept_by, pairs
from pilotage.decide.replicas import handed_over, without_replicas
from pilotage.domain.actions import Action, Patch, Plan
from pilotage.domain.events import Event
from pilotage.domain.names import revision_in
from pilotage.domain.objects import Obj, ref_of
from pilotage.domain.state import Desired, Snapshot

Undone = dict[Edit, list[Difference]]


class _Correction(NamedTuple):
    """Of one pair: what is written now, what is told of it, and when to look again though nothing changes."""

    patch: Patch | None
    events: tuple[Event, ...]
    again: datetime | None


def as_scaled(desired: Desired, snapshot: Snapshot) -> Desired:
    """What is asked for: each HPA as its counterpart of the other revision, no `replicas` where one decides them."""
    names = [revision.name for revision in desired.revisions]
    others = dict(zip(names, reversed(names), strict=True)) if desired.canary else {}

    def scaled(part: str, objects: tuple[Obj, ...]) -> tuple[Obj, ...]:
        revision = revision_in(part)
        if revision in others:
            objects = as_counterparts(objects, snapshot, revision, others[revision])
        return without_replicas(objects, snapshot)

    return structs.replace(
        desired,
        objects={part: scaled(part, objects) for part, objects in desired.objects.items()},
        gateway_objects={part: scaled(part, objects) for part, objects in desired.gateway_objects.items()},
    )


def with_corrections(made: Plan, desired: Desired, snapshot: Snapshot) -> Plan:
    """The plan, and what brings the canary's HPAs back to stable's. One that is blocked writes nothing."""
    if made.phase == "Blocked":
        return made
    stable, canary = desired.stable.name, desired.canary.name if desired.canary else ""
    made = structs.replace(
        made,
        now=(*handed_over(desired.every_object, snapshot), *made.now),
        findings=(*made.findings, *hpa_findings(snapshot, stable, canary)),
    )
    both = pairs(snapshot, stable, canary) if canary else ()
    found = [_correction(pair, snapshot.now) for pair in both if kept_by(pair) is None]
    corrected = (event for each in found for event in each.events)
    return structs.replace(
        made,
        now=(*made.now, *(each.patch for each in found if each.patch)),
        events=(*made.events, *_copies(made.now, desired, snapshot), *corrected),
        again=min((each.again for each in found if each.again), default=None),
    )


def as_counterparts(objects: Iterable[Obj], snapshot: Snapshot, revision: str, other: str) -> tuple[Obj, ...]:
    """What was rendered for `revision`, each HPA with the spec of its counterpart in `other`, but for the target.

    That counts only where one is made: what stands there is never written whole.
    """
    sources = autoscalers_of(snapshot, other)
    return tuple(
        _after(obj, sources.get(component(ref_of(obj), revision))) if obj["kind"] == HPA else obj for obj in objects
    )


def _correction(pair: Pair, now: datetime) -> _Correction:
    followed: list[Difference] = []
    undone: Undone = {}
    for difference in pair.differing:
        edit = edit_of(difference, pair.canary, pair.stable)
        (followed if edit is None else undone.setdefault(edit, [])).append(difference)
    known = tallies(pair.canary, now)
    later = {edit for edit in undone if edit.manager in known and now < known[edit.manager].due}
    # What is written is all of stable's: the API server could refuse a half, such as a minimum above a maximum.
    at_once = undone if followed or undone.keys() - later else {}
    contested = {manager: tally for manager, tally in known.items() if tally.contested}
    ends = (*(known[edit.manager].due for edit in later if not at_once), *(tally.over for tally in contested.values()))
    told = [scaling_events.followed(pair.canary, pair.stable, followed)] if followed else []
    told += [
        scaling_events.put_back(pair.canary, pair.stable, edit, changes, contested) for edit, changes in at_once.items()
    ]
    return _Correction(_patch(pair, followed, at_once, known, now), tuple(told), min(ends, default=None))


def _patch(pair: Pair, followed: list[Difference], undone: Undone, known: Tallies, now: datetime) -> Patch | None:
    changes = [*followed, *(change for changes in undone.values() for change in changes)]
    if not changes:
        return None
    body: Obj = {"spec": {}}
    for change in changes:
        inner = body["spec"]
        for key in change.path[:-1]:
            inner = inner.setdefault(key, {})
        inner[change.path[-1]] = change.there
    if undone:
        body["metadata"] = {"annotations": counted(known, {edit.manager for edit in undone}, now)}
    return Patch(ref_of(pair.canary), body, f"as {ref_of(pair.stable)} of stable says")


def _copies(actions: Iterable[Action], desired: Desired, snapshot: Snapshot) -> Iterator[Event]:
    """Of HPAs that these actions make after their counterpart."""
    made = {action.ref for action in actions if action.ref.kind == HPA} - snapshot.live.keys()
    names = [revision.name for revision in desired.revisions]
    for revision, other in (names, reversed(names)) if made and desired.canary else ():
        sources = autoscalers_of(snapshot, other)
        for ref in sorted(made):
            source = sources.get(component(ref, revision))
            if source and not controller_of(source):
                yield scaling_events.copied(ref, source)


def _after(obj: Obj, source: Obj | None) -> Obj:
    if source is None or controller_of(source):
        return obj
    return obj | {"spec": {**settings(source), TARGET: obj["spec"][TARGET]}}
