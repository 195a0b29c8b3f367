"""Drift for people, as a document, and as CSV. Called by `drift`."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from pilotage.decide.drift import Drift, Row, State, Target
from pilotage.decide.freeing import RESTARTABLE
from pilotage.decide.wording import first_of
from pilotage.domain.drift import Expected
from pilotage.domain.version import Version
from pilotage.faces.render.table import counted, table

_TARGETS: Final = ("REVISION", "VERSION", "PROXY IMAGE", "TAGS", "KNOWN BY")
_ROWS: Final = ("NAMESPACE", "WORKLOAD", "PODS", "STATE", "RUNS", "WOULD GET")
_WORDS: Final = {
    State.CURRENT: "current",
    State.BEHIND: "behind",
    State.PINNED: "pinned by their pods to an image of their own",
    State.UNSELECTED: "of pods that injection would now give none",
    State.UNKNOWN: "unknown",
    State.MISSING: "missing: injection would now give one",
    State.OPTED_OUT: "opted out",
}
_NO_PROXY: Final = (State.MISSING, State.OPTED_OUT)


def document(drift: Drift, untried: str) -> dict[str, Any]:
    """`untried`: why nothing was tried by a dry run, "" where it was."""
    counts = _counts(drift)
    return {
        "targets": [_target(target) for target in drift.targets],
        "proxies": [_row(row) for row in drift.rows],
        "summary": {
            "proxies": sum(number for state, number in counts.items() if state not in _NO_PROXY),
            **{state.value[0].lower() + state.value[1:]: counts[state] for state in State},
        },
        "proof": {"proven": drift.proven, "computed": drift.computed, "untried": untried},
        "unknown": drift.unknown,
    }


def csv_text(drift: Drift) -> str:
    """A line per workload, proxy and answer, under a line of names."""
    out = io.StringIO()
    rows = [_row(row) for row in drift.rows]
    names = [key for key in _row_keys() if key not in ("names", "expected")] + ["expectedRevision", "expectedImage"]
    writer = csv.DictWriter(out, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        gets = row["expected"]
        more = {"expectedRevision": gets["revision"], "expectedImage": gets["image"]}
        writer.writerow(row | more | {"native": str(row["native"]).lower()})
    return out.getvalue()


def lines(drift: Drift, untried: str) -> list[str]:
    """Targets, then rows, then what it comes to and what to do."""
    targets = [
        (
            each.revision,
            _version(each.expected.image),
            each.expected.image or "?",
            ", ".join(each.tags),
            _known(each.expected),
        )
        for each in drift.targets
    ]
    told = [*table(_TARGETS, targets), ""] if targets else ["No injection webhook of Istio is in this cluster.", ""]
    if drift.rows:
        told += [*table(_ROWS, (_cells(row) for row in drift.rows)), ""]
    return [*told, *_summary(drift), *_proof(drift, untried), *_left(drift)]


def _cells(row: Row) -> tuple[str, ...]:
    running, gets = row.running, row.expected
    has, new = running.image, gets.image
    if not row.override:  # of an image of its own the tag alone says nothing
        has, new = _shown(has, gets.image), _shown(new, running.image)
    runs = f"{running.revision or 'no revision'} {has}" if running.image else "no proxy"
    wants = gets.why or (f"{gets.revision} {new}" if gets.revision else "no proxy")
    state = f"{row.state} ({row.override})" if row.override else str(row.state)
    where = (running.asked.namespace, f"{running.kind}/{running.name}", str(len(running.pods)))
    return (*where, state, runs, "" if row.state in (State.CURRENT, State.PINNED) else wants)


def _shown(image: str, other: str) -> str:
    """The tag, where it is the same image otherwise."""
    name, _, tag = image.rpartition(":")
    same = not other or other.rpartition(":")[0] == name
    return tag if same and name and "/" not in tag else image


def _summary(drift: Drift) -> Iterator[str]:
    counts = _counts(drift)
    total = sum(number for state, number in counts.items() if state not in _NO_PROXY)
    told = [f"{counts[state]} {words}" for state, words in _WORDS.items() if counts[state]]
    proxies = "1 proxy" if total == 1 else f"{total or 'No'} proxies"
    yield f"{': '.join([proxies, *(['; '.join(told)] if told else [])])}."


def _proof(drift: Drift, untried: str) -> Iterator[str]:
    if drift.proven:
        yield f"Tried by dry run: {counted(drift.proven, 'group')} of pods that injection reads alike."
    if drift.computed:
        why = f" ({untried})" if untried else ""
        yield f"Computed from the injector's ConfigMap, not tried: {counted(drift.computed, 'group')}{why}."
    for fact, why in drift.unknown.items():
        yield f"Not known: {fact}: {why}"


def _left(drift: Drift) -> Iterator[str]:
    """What is behind and no restart reaches."""
    rows = [row.running for row in drift.rows if row.state is State.BEHIND and row.restartable]
    names = [f"{each.kind} {each.asked.namespace}/{each.name}" for each in rows if each.kind not in RESTARTABLE]
    if names:
        yield f"No restart reaches {first_of(names, 3)}: what is made anew gets the new proxy."


def _counts(drift: Drift) -> Counter[State]:
    counts: Counter[State] = Counter()
    for row in drift.rows:
        counts[row.state] += len(row.running.pods)
    return counts


def _known(expected: Expected) -> str:
    return expected.why or ("dry run" if expected.proven else "computed")


def _known_by(expected: Expected) -> str:
    return "" if expected.why else "dry-run" if expected.proven else "computed"


def _target(target: Target) -> dict[str, Any]:
    gets = target.expected
    return {
        "namespace": target.namespace,
        "revision": target.revision,
        "version": _version(gets.image),
        "image": gets.image,
        "tags": list(target.tags),
        "knownBy": _known_by(gets),
        "reason": gets.why,
    }


def _row(row: Row) -> dict[str, Any]:
    running, gets = row.running, row.expected
    values = (
        running.asked.namespace,
        running.kind,
        running.name,
        len(running.pods),
        str(row.state),
        running.revision,
        running.image,
        running.native,
        {"revision": gets.revision, "image": gets.image},
        row.override,
        _known_by(gets),
        gets.why,
        list(running.pods) if row.state is not State.CURRENT else [],
    )
    return dict(zip(_row_keys(), values, strict=True))


def _row_keys() -> tuple[str, ...]:
    first = ("namespace", "kind", "workload", "pods", "state", "revision", "image", "native")
    return (*first, "expected", "override", "knownBy", "reason", "names")


def _version(image: str) -> str:
    """Of the tag, "" where that is none."""
    try:
        return str(Version.parse(image.partition("@")[0].rpartition("/")[2].partition(":")[2]))
    except ValueError:
        return ""
