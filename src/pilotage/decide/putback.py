"""Events of edits that the loop undoes: which fields, who changed them and when. Called by `reconcile`.

Told by the objects themselves: one that carries the digest of what is wanted, and yet differs, was changed by someone.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from pilotage.decide.inventory import is_crd, is_ours, within
from pilotage.decide.ownership import Step, holds
from pilotage.decide.wording import first_of
from pilotage.domain.actions import Apply, Plan
from pilotage.domain.events import Event
from pilotage.domain.names import APPLIED, MANAGERS
from pilotage.domain.objects import Obj, ObjectRef, annotations_of

Path = tuple[Step, ...]


def put_back(plan: Plan, live: dict[ObjectRef, Obj]) -> tuple[Event, ...]:
    """One Event for each object that the plan puts back to what was applied before, and those of the plan itself.

    `live`: as it was seen.
    """
    applies = (action for action in plan.now if isinstance(action, Apply))
    edited = (action for action in applies if _edited(action, live.get(action.ref)))
    return (*(_event(action, live[action.ref]) for action in edited), *plan.events)


def _edited(action: Apply, live: Obj | None) -> bool:
    """It stood there as applied, and what is wanted is what was wanted then."""
    if live is None or not is_ours(live):
        return False
    return annotations_of(live).get(APPLIED) == annotations_of(action.body).get(APPLIED) and bool(_paths(action, live))


def _event(action: Apply, live: Obj) -> Event:
    paths = _paths(action, live)
    fields = first_of([*map(_text, paths)])
    entry = _last_edit(live, paths)
    who = entry.get("manager", "") if entry else ""
    when = f" at {entry['time']}" if entry and entry.get("time") else ""
    note = f"{action.ref}: {fields} changed by {who or 'someone'}{when}; put back ({action.why})"
    return Event("PutBack", note, "Apply", related=action.ref, key=f"{fields} {who}")


def _paths(action: Apply, live: Obj) -> list[Path]:
    unread = ("spec",) if is_crd(live) and "spec" not in live else ()  # CRDs are read as metadata only
    wanted = {key: value for key, value in action.body.items() if key not in unread}
    return list(_differing(wanted, live, ())) or list(_narrowed(action.body, live))


def _narrowed(body: Obj, live: Obj) -> Iterator[Path]:
    """A Service's selector with one more label holds all that is wanted, and selects less."""
    if body["kind"] == "Service" and body["spec"].get("selector") != live["spec"].get("selector"):
        yield ("spec", "selector")


def _differing(wanted: Any, there: Any, path: Path) -> Iterator[Path]:
    if wanted is None or within(wanted, there):
        return
    if isinstance(wanted, dict) and isinstance(there, dict):
        for key, value in wanted.items():
            yield from _differing(value, there.get(key), (*path, key))
    elif isinstance(wanted, list) and isinstance(there, list) and _named(wanted):
        others = {item["name"]: item for item in there if isinstance(item, dict) and "name" in item}
        for item in wanted:
            yield from _differing(item, others.get(item["name"]), (*path, {"name": item["name"]}))
    else:
        yield path


def _named(items: list[Any]) -> bool:
    return all(isinstance(item, dict) and "name" in item for item in items)


def _last_edit(live: Obj, paths: Sequence[Path]) -> Obj | None:
    """The newest entry of managedFields, not ours, that holds one of the fields, or what they were taken away from."""
    entries = live["metadata"].get("managedFields") or ()
    others = [entry for entry in entries if entry.get("manager") not in MANAGERS and not entry.get("subresource")]
    holding = [each for each in others if any(_touches(each, path) for path in paths)]
    return max(holding, key=lambda entry: entry.get("time") or "", default=None)


def _touches(entry: Obj, path: Path) -> bool:
    """An item of a list may be keyed by other fields than its name, and a field that is gone is held by nobody."""
    around = [path[:length] for length in range(len(path), 1, -1)]
    return any(holds(entry.get("fieldsV1") or {}, place) for place in around)


def _text(path: Path) -> str:
    steps = (step if isinstance(step, str) else f"[{step['name']}]" for step in path)
    return ".".join(steps).replace(".[", "[")
