"""Events of what the HPA rules write: what is copied, what follows, who is overruled. Called by `autoscaling`."""

from collections.abc import Mapping
from typing import Any, Final

from pilotage.decide.autoscalers import Difference
from pilotage.decide.editors import Edit, last_edit
from pilotage.domain.events import Event
from pilotage.domain.objects import Obj, ObjectRef, ref_of

_LONG: Final = 40  # characters of a value that a note shows


def copied(ref: ObjectRef, source: Obj) -> Event:
    """An HPA that was not there, by an install or because somebody deleted it: no manager is left to name."""
    note = f"{ref} was not there: made with the spec of {ref_of(source)}"
    return Event("Copied", note, "Create", related=ref)


def followed(canary: Obj, stable: Obj, changes: list[Difference]) -> Event:
    what = ", ".join(f"{change} {_text(change.here)} -> {_text(change.there)}" for change in changes)
    edit = last_edit(stable, changes)
    note = f"{ref_of(canary)}: {what}; follows {ref_of(stable)}, changed there by {edit}"
    return Event("Followed", note, "Patch", related=ref_of(canary))


def put_back(canary: Obj, stable: Obj, edit: Edit, changes: list[Difference], again: Mapping[str, Any]) -> Event:
    """An Event for each edit. `again`: managers that change it again and again, whose edits are one series."""
    what = ", ".join(f"{change} {_text(change.here)}" for change in changes)
    wanted = ", ".join(_text(change.there) for change in changes)
    why = f"{ref_of(stable)} decides while both revisions live"
    note = f"{ref_of(canary)}: {what} by {edit}; put back to {wanted}, for {why}"
    key = f"{', '.join(map(str, changes))} {edit.manager}" if edit.manager in again else ""
    return Event("PutBack", note, "Patch", related=ref_of(canary), key=key)


def _text(value: Any) -> str:
    """For people; a long one is in the objects themselves."""
    text = "absent" if value is None else str(value)
    return text if len(text) <= _LONG else "another value"
