"""Which proxies differ from what injection would give their pods now, and how that is known. Called by `faces`.

Running pods that asked the same are one row; rows are grouped by what injection reads, and each group is tried once.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from pilotage.decide.injection import places, why_no_settings
from pilotage.decide.injector import annotated_type, proxy_image, whole_image
from pilotage.decide.reading import Reading, expected, image_type, reading
from pilotage.domain.drift import (
    AUTO,
    IMAGE_TYPE,
    PROXY_CONFIG,
    PROXY_IMAGE,
    Asked,
    Expected,
    Injection,
    Place,
    Running,
)
from pilotage.domain.names import DEFAULT_REVISION, INJECT, REV

MOST_TRIES: Final = 50
_PLACES: Final = 3  # namespaces in which a group is tried: the first may have no room in its quota


class State(StrEnum):
    CURRENT = "Current"
    BEHIND = "Behind"  # its revision or image is not what injection would give now
    PINNED = "Pinned"  # as injection would give it, with an image that the pod itself names
    MISSING = "Missing"  # no proxy, and injection would give one
    UNSELECTED = "Unselected"  # a proxy, and injection would give none
    OPTED_OUT = "OptedOut"  # no proxy, as the pod asks
    UNKNOWN = "Unknown"


class Row(msgspec.Struct, frozen=True):
    """Pods of a workload with the same proxy and the same answer. `override`: how the pod chooses its own image."""

    state: State
    running: Running
    expected: Expected
    override: str = ""

    @property
    def restartable(self) -> bool:
        """istiod replaces the pods of a gateway that it manages by itself."""
        return self.running.asked.managed is None


class Target(msgspec.Struct, frozen=True):
    """What a new pod without wishes of its own gets of a revision."""

    namespace: str
    revision: str
    tags: tuple[str, ...]
    expected: Expected


class Drift(msgspec.Struct, frozen=True):
    """`proven` and `computed` count groups of pods that have a proxy or should; `unknown`: look-ups that failed."""

    targets: tuple[Target, ...]
    rows: tuple[Row, ...]
    proven: int
    computed: int
    unknown: dict[str, str]

    def only(self, wanted: Callable[[Row], bool]) -> "Drift":
        """The same with the wanted rows alone."""
        return msgspec.structs.replace(self, rows=tuple(filter(wanted, self.rows)))


class Groups(msgspec.Struct, frozen=True):
    """`members`: each distinct wish, and what injection reads of it. `tries`: pods to try, in any of the namespaces."""

    members: dict[Asked, Reading]
    tries: dict[Reading, tuple[Asked, ...]]
    targets: dict[Place, Reading]


def groups(running: Iterable[Running], injection: Injection) -> Groups:
    """Distinct readings of what runs, most pods first; then, for revisions nobody plain is on, a pod of their own."""
    members: dict[Asked, Reading] = {}
    askers: dict[Reading, dict[str, Asked]] = {}
    weight: dict[Reading, int] = {}
    for row in running:
        read = members.get(row.asked)
        if read is None:
            read = members[row.asked] = reading(row.asked, injection)
        if (read.places or row.image) and not read.managed:
            askers.setdefault(read, {}).setdefault(row.asked.namespace, row.asked)
            weight[read] = weight.get(read, 0) + len(row.pods)
    heavy = sorted(askers, key=lambda read: -weight[read])[:MOST_TRIES]
    tries = {read: tuple(askers[read].values())[:_PLACES] for read in heavy}
    targets = {place: _plain_reading(place, heavy, injection) for place in places(injection)}
    probes = {read: (_probe(place),) for place, read in targets.items() if read not in tries and place[0]}
    return Groups(members, tries | probes, targets)


def doubtful(
    tries: Mapping[Reading, tuple[Asked, ...]], tried: Mapping[Reading, Expected], injection: Injection
) -> dict[Reading, tuple[Asked, ...]]:
    """Tries that gave another revision than the webhooks' selectors say: of a tag or label that was just written, the
    API server's admission may not know yet."""
    return {read: pods for read, pods in tries.items() if tried[read].proven and _differs(read, tried[read], injection)}


def _differs(read: Reading, answer: Expected, injection: Injection) -> bool:
    if any(place not in injection.settings for place in read.places):
        return False
    computed = expected(read, injection)
    return not computed.why and computed.revision != answer.revision


def compare(
    running: Iterable[Running], injection: Injection, grouped: Groups, tried: Mapping[Reading, Expected]
) -> Drift:
    """`tried`: what dry runs gave; other groups are computed."""
    answers = {read: tried.get(read) or expected(read, injection) for read in {*grouped.members.values()}}
    rows = (_row(each, grouped.members[each.asked], answers) for each in running)
    shown = tuple(sorted((row for row in rows if row), key=_order))
    used = {grouped.members[row.running.asked] for row in shown if row.running.image or row.expected.revision}
    proven = sum(answers[read].proven for read in used)
    targets = tuple(_target(place, grouped, injection, tried) for place in grouped.targets)
    return Drift(targets, shown, proven, len(used) - proven, injection.unknown)


def behind(drift: Drift) -> tuple[tuple[str, str, str], ...]:
    """Workloads (kind, namespace, name) that a restart brings up to date."""
    rows = (row.running for row in drift.rows if row.state is State.BEHIND and row.restartable)
    return tuple(dict.fromkeys((each.kind, each.asked.namespace, each.name) for each in rows))


def _row(running: Running, read: Reading, answers: Mapping[Reading, Expected]) -> Row | None:
    """None for a pod that has nothing to do with the mesh."""
    answer = answers[read]
    state = _state(running, read, answer)
    return None if state is None else Row(state, running, answer, _override(running.asked))


def _state(running: Running, read: Reading, answer: Expected) -> State | None:
    if answer.why:
        return State.UNKNOWN if running.image or read.places else None
    if not running.image:
        if answer.revision:
            return State.MISSING
        return State.OPTED_OUT if read.opted_out else None
    if not answer.revision:
        return State.UNSELECTED
    if (running.revision, running.image) != (answer.revision, answer.image):
        return State.BEHIND
    return State.PINNED if read.image else State.CURRENT


def _override(asked: Asked) -> str:
    annotations = dict(asked.annotations)
    if asked.own_image not in ("", AUTO):
        return "container"
    if PROXY_IMAGE in annotations:
        return "proxyImage"
    by_config = annotated_type(annotations.get(PROXY_CONFIG, ""))
    return "imageType" if IMAGE_TYPE in annotations or by_config else ""


def _order(row: Row) -> tuple[str, str, str, str]:
    return row.running.asked.namespace, row.running.kind, row.running.name, row.running.image


def _plain_reading(place: Place, heavy: Iterable[Reading], injection: Injection) -> Reading:
    """A group that gets what the revision gives who wishes nothing; a reading of its own where there is none."""
    settings = injection.settings.get(place)
    own = Reading((place,), () if settings is None else settings.defaults)
    if settings is None:
        return own
    wanted = _target_image(place, injection)
    alike = (read for read in heavy if read.places == own.places and read.templates == own.templates and not read.image)
    return next((read for read in alike if expected(read, injection).image == wanted), own)


def _target_image(place: Place, injection: Injection) -> str:
    settings = injection.settings[place]
    return proxy_image(settings, {}, image_type(Asked(place[0]), injection.proxy_configs, settings))


def _probe(place: Place) -> Asked:
    """A pod in the mesh's own namespace that asks for the revision."""
    namespace, revision = place
    labels = ((INJECT, "true"),) if revision == DEFAULT_REVISION else ((REV, revision), (INJECT, "true"))
    return Asked(namespace, labels)


def _target(place: Place, grouped: Groups, injection: Injection, tried: Mapping[Reading, Expected]) -> Target:
    namespace, revision = place
    tags = sorted({each.tag for each in injection.injectors if each.tag and each.revision == revision})
    answer = tried.get(grouped.targets[place])
    if answer is None or answer.why or answer.revision != revision:
        answer = _computed_target(place, injection, answer)
    return Target(namespace, revision, tuple(tags), answer)


def _computed_target(place: Place, injection: Injection, failed: Expected | None) -> Expected:
    """Unknown where a try failed: what injection cannot give is nobody's target."""
    if failed is not None:
        return Expected(why=failed.why or f"a pod that asked for it got {failed.revision or 'no proxy'}")
    settings = injection.settings.get(place)
    if settings is None:
        return Expected(why=why_no_settings(injection, place))
    blind = injection.unknown.get("proxyconfigs")
    if blind and not whole_image(settings):
        return Expected(why=f"cannot read proxyconfigs: {blind}")
    return Expected(place[1], _target_image(place, injection))
