"""Findings about autoscalers of control planes and gateways. Called by `autoscaling` and by `check` and `status`."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from pilotage.decide.autoscalers import Component, autoscalers_of, controller_of, scaled
from pilotage.decide.contest import tallies
from pilotage.decide.inventory import is_ours, within
from pilotage.decide.pairs import Pair, kept_by, pairs
from pilotage.domain.findings import Finding
from pilotage.domain.gateways import gateways_of
from pilotage.domain.names import suffixed
from pilotage.domain.objects import Obj, ObjectRef, ref_of
from pilotage.domain.state import Snapshot

_LEAST: Final = 2  # so that the drain of a node leaves one
# Helm values that are nothing but the first spec of an HPA, and the field that each becomes.
Table = tuple[tuple[str, str], ...]
_OF_ISTIOD: Final = (
    ("autoscaleMin", "minReplicas"),
    ("autoscaleMax", "maxReplicas"),
    ("autoscaleBehavior", "behavior"),
)
_OF_GATEWAYS: Final = (
    ("minReplicas", "minReplicas"),
    ("maxReplicas", "maxReplicas"),
    ("autoscaleBehavior", "behavior"),
)


def hpa_findings(snapshot: Snapshot, stable: str, canary: str = "") -> Iterator[Finding]:
    """`canary` is "" where there is one revision. Nothing of a snapshot that has no inventory."""
    both = tuple(pairs(snapshot, stable, canary)) if canary else ()
    alike = {ref_of(pair.canary) for pair in both if not _differ(pair, "minReplicas")}
    for revision in (stable, canary) if canary else (stable,):
        for hpa in autoscalers_of(snapshot, revision).values():
            if ref_of(hpa) not in alike:  # then it is said of stable's
                yield from _too_few(hpa)
    yield from _values_ignored(snapshot, stable)
    for pair in both:
        yield from _left_alone(pair)
        yield from _contested(snapshot, pair)
    if canary:
        yield from _unpaired(snapshot, stable, canary)


def _too_few(hpa: Obj) -> Iterator[Finding]:
    least = hpa["spec"].get("minReplicas", 1)
    if least < _LEAST:
        message = f"{ref_of(hpa)} has minReplicas {least}: the drain of one node may stop all of {scaled(hpa)}"
        yield Finding("HPAMinReplicas", message, str(ref_of(hpa)), _patch(ref_of(hpa), {"minReplicas": _LEAST}))


def _values_ignored(snapshot: Snapshot, stable: str) -> Iterator[Finding]:
    """Helm values that say otherwise than the HPA that was made of them: its spec is the user's from then on."""
    scaling = autoscalers_of(snapshot, stable)
    for place, values, table in _asked(snapshot, stable):
        hpa = scaling.get(place)
        if hpa is None or not is_ours(hpa):
            continue
        ignored = {value: field for value, field in table if values.get(value) and not _is(hpa, field, values[value])}
        if ignored:
            said = ", ".join(f"{value} {values[value]}" for value in ignored)
            has = ", ".join(f"{field} {hpa['spec'].get(field)}" for field in ignored.values())
            message = f"Helm values say {said}, {ref_of(hpa)} has {has}: values count when it is made, then it is yours"
            fix = _patch(ref_of(hpa), {field: values[value] for value, field in ignored.items()})
            yield Finding("HPAValuesIgnored", message, str(ref_of(hpa)), fix)


def _asked(snapshot: Snapshot, revision: str) -> Iterator[tuple[Component, Obj, Table]]:
    """Values of istiod and of each gateway, as their charts read them."""
    if snapshot.mesh is None:
        return
    spec = snapshot.mesh.spec
    own = next((entry.values for entry in spec.revisions if entry.name == revision), {})
    layers = (spec.values, own, _under(spec.values, "pilot"), _under(own, "pilot"))  # what is under `pilot` wins
    istiod = {key: value for layer in layers for key, value in layer.items()}
    yield (snapshot.profile.namespace, "istiod"), istiod, _OF_ISTIOD
    for gateway in gateways_of(spec):
        yield (str(gateway.namespace), gateway.name), _under(gateway.values, "autoscaling"), _OF_GATEWAYS


def _under(values: Obj, key: str) -> Obj:
    below = values.get(key)
    return below if isinstance(below, dict) else {}


def _is(hpa: Obj, field: str, value: Any) -> bool:
    return within(value, hpa["spec"].get(field))


def _left_alone(pair: Pair) -> Iterator[Finding]:
    owner = kept_by(pair)
    if owner:
        fields = ", ".join(map(str, pair.differing))
        message = (
            f"{ref_of(pair.canary)} does not follow {ref_of(pair.stable)}: kept by {owner}; they differ in {fields}"
        )
        _, _, space, name = ref_of(pair.canary)
        fix = f"make both alike where they are kept: kubectl get hpa -n {space} {name} -o yaml --show-managed-fields"
        yield Finding("HPALeftAlone", message, str(ref_of(pair.canary)), fix)


def _unpaired(snapshot: Snapshot, stable: str, canary: str) -> Iterator[Finding]:
    """Where one of the two has none, there is nothing to copy, or nothing to copy to."""
    of_stable, of_canary = autoscalers_of(snapshot, stable), autoscalers_of(snapshot, canary)
    for place in of_canary.keys() - of_stable.keys():
        ref = ref_of(of_canary[place])
        message = f"{stable} has no HPA for {place[1]}: {ref} of {canary} follows none, and nothing is put back"
        yield Finding("HPALeftAlone", message, str(ref), f"kubectl get hpa -n {ref.namespace} {ref.name} -o yaml")
    for place in of_stable.keys() - of_canary.keys():
        hpa = of_stable[place]
        if is_ours(hpa):
            continue  # the canary's is about to be made, or its own values want none
        owner = controller_of(hpa)
        what = f"{ref_of(hpa)}{f', made from {owner},' if owner else ''} scales {scaled(hpa).name}"
        message = f"{what}, and Pilotage did not make it: {canary} gets none after it"
        fix = f"make one like it that scales {suffixed(place[1], canary)}"
        yield Finding("HPALeftAlone", message, str(ref_of(hpa)), fix)


def _differ(pair: Pair, field: str) -> bool:
    return any(difference.path[0] == field for difference in pair.differing)


def _contested(snapshot: Snapshot, pair: Pair) -> Iterator[Finding]:
    for manager, tally in tallies(pair.canary, snapshot.now).items():
        if tally.contested:
            who, pause = manager or "someone", int(tally.pause.total_seconds())
            wins = f"{ref_of(pair.stable)} wins, now {pause} s after the last time"
            message = f"{who} changed {ref_of(pair.canary)} {tally.count} times; {wins}"
            fix = f"stop {who}, or have it change {ref_of(pair.stable)}, which {ref_of(pair.canary).name} follows"
            yield Finding("HPAContested", message, str(ref_of(pair.canary)), fix)


def _patch(hpa: ObjectRef, spec: Obj) -> str:
    body = msgspec.json.encode({"spec": spec}).decode()
    return f"kubectl patch hpa {hpa.name} -n {hpa.namespace} --type=merge -p '{body}'"
