"""What would start in the next openings of a maintenance window. Called by `maintenance next`."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from msgspec import structs

from pilotage.decide.candidates import comes_of_age
from pilotage.decide.patches import Due, Facts, due, newest, policy_of
from pilotage.decide.versions import known_version, takes_patches
from pilotage.decide.windows import DEFAULT, Opening, Window, coming, current
from pilotage.domain.mesh import Owner, ProxyRestarts, RestartMode
from pilotage.domain.mesh import Revision as Entry
from pilotage.domain.version import Version

_COUNT = 3
_DAY = timedelta(days=1)


class Start(NamedTuple):
    """One opening, and what it starts: `work` in words, "" for nothing."""

    opening: Opening
    work: str


def starts(facts: Facts, window: Window) -> tuple[Start, ...]:
    """The one that is open, then those to come: three together. Each is told as if those before had done their work."""
    open_now = current(window, facts.now)
    openings = (*((open_now,) if open_now else ()), *coming(window, facts.now, _COUNT))[:_COUNT]
    restarts = restarts_in_words(facts.mesh.spec.proxy_restarts, window.name)
    told, world = [], facts
    for opening in openings:
        patches, world = _patches(world, opening) if window.name == DEFAULT else ((), world)
        told.append(Start(opening, "; ".join((*map(in_words, patches), *restarts))))
    return tuple(told)


def in_words(each: Due) -> str:
    move = f"{each.revision}: {each.before} to {each.to}"
    return f"{move}, but held: {each.held}" if each.held else move


def restarts_in_words(policy: ProxyRestarts | None, window: str) -> tuple[str, ...]:
    """What `spec.proxyRestarts` begins in that window."""
    if policy is None or policy.mode is not RestartMode.IN_WINDOW or policy.window != window:
        return ()
    apart = f", {policy.pause_seconds} s apart" if policy.pause_seconds else ""
    return (f"restarts of workloads whose proxies are behind, {policy.parallel} at a time{apart}",)


def not_taken(facts: Facts) -> Iterator[str]:
    """Per managed revision the newer patch that no window starts yet, or ever, and why."""
    for entry in facts.mesh.spec.revisions:
        known = known_version(facts.mesh, entry, facts.running)
        latest = newest(facts, known, any_age=True) if known and entry.owner is Owner.MANAGED else None
        if known is None or latest is None:
            continue
        if not takes_patches(facts.mesh, entry):
            yield f"{entry.name} is kept at {known} by {_keeper(entry)}, and does not take {latest} by itself"
        elif latest != newest(facts, known):
            yield f"{latest} is out, and {_too_young(facts, latest)}"


def _keeper(entry: Entry) -> str:
    return "the version in its entry of spec.revisions" if entry.version else "its name or its values"


def _too_young(facts: Facts, version: Version) -> str:
    policy, release = policy_of(facts.mesh), facts.catalog.patch(version)
    day = comes_of_age(release, policy) if release else None
    return f"old enough on {day} (minAge {policy.min_age})" if day else "has no date: it is never old enough"


def _patches(facts: Facts, opening: Opening) -> tuple[tuple[Due, ...], Facts]:
    """Due in the opening, and the world after it: what gets old enough while it is open is taken in it, too."""
    told: dict[tuple[str, Version], Due] = {}
    world = facts
    for moment in _moments(max(opening.start, facts.now), opening.end):
        world = world._replace(now=moment)
        found = tuple(due(world))
        told |= {(each.revision, each.before): each for each in found}
        world = _after(world, found)
    return tuple(told.values()), world


def _moments(start: datetime, end: datetime) -> Iterator[datetime]:
    """The start, and each midnight in UTC: with the day the age of a patch changes."""
    moment = start
    while moment < end:
        yield moment
        moment = datetime.combine(moment.date() + _DAY, time(), UTC)


def _after(facts: Facts, patches: tuple[Due, ...]) -> Facts:
    taken = {each.revision: str(each.to) for each in patches if not each.held}
    return facts._replace(mesh=structs.replace(facts.mesh, versions=facts.mesh.versions | taken))
