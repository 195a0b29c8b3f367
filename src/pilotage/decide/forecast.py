"""What would start in the next openings of a maintenance window. Called by `maintenance next`."""

from typing import NamedTuple

from msgspec import structs

from pilotage.decide.patches import Due, Facts, due
from pilotage.decide.windows import DEFAULT, Opening, Window, coming, current

_COUNT = 3


class Start(NamedTuple):
    """One opening, and what it starts: `work` in words, "" for nothing."""

    opening: Opening
    work: str


def starts(facts: Facts, window: Window) -> tuple[Start, ...]:
    """The one that is open, then those to come: three together. Each is told as if those before had done their work."""
    open_now = current(window, facts.now)
    openings = (*((open_now,) if open_now else ()), *coming(window, facts.now, _COUNT))[:_COUNT]
    told, world = [], facts
    for opening in openings:
        then = world._replace(now=max(opening.start, facts.now))
        patches = tuple(due(then)) if window.name == DEFAULT else ()
        told.append(Start(opening, "; ".join(map(in_words, patches))))
        world = _after(then, patches)
    return tuple(told)


def in_words(each: Due) -> str:
    move = f"{each.revision}: {each.before} to {each.to}"
    return f"{move}, but held: {each.held}" if each.held else move


def _after(facts: Facts, patches: tuple[Due, ...]) -> Facts:
    taken = {each.revision: str(each.to) for each in patches if not each.held}
    return facts._replace(mesh=structs.replace(facts.mesh, versions=facts.mesh.versions | taken))
