"""Never more than two control planes: one that is newly asked for is not begun beside two that stand. Called by `plan`.

The CRD sees to it that one edit names no third. Two edits can: while the revision that the first one took out still
soaks, or is in use, the second one adds another.
"""

from msgspec import structs

from pilotage.decide.inventory import is_crd, parts_present
from pilotage.domain.actions import Plan, Wait
from pilotage.domain.findings import Finding
from pilotage.domain.names import BASE, gateway_part
from pilotage.domain.state import Desired, Snapshot


def newcomers(desired: Desired, snapshot: Snapshot, leaving: tuple[str, ...]) -> tuple[str, ...]:
    """Revisions that have to wait until those that are `leaving` have gone."""
    if not leaving or len(desired.revisions) + len(leaving) <= 2:
        return ()
    there = parts_present(snapshot.live)
    return tuple(each.name for each in desired.revisions if each.managed and each.name not in there)


def without(desired: Desired, names: tuple[str, ...]) -> Desired:
    """As if they were not asked for yet. Nor are their CRDs: those of the base are as new as the newest revision."""
    gateways = {gateway_part(name, gateway.name) for name in names for gateway in desired.gateways}
    objects = {part: objects for part, objects in desired.objects.items() if part not in names}
    return structs.replace(
        desired,
        revisions=tuple(each for each in desired.revisions if each.name not in names),
        objects=objects | {BASE: tuple(obj for obj in objects.get(BASE, ()) if not is_crd(obj))},
        gateway_objects={part: each for part, each in desired.gateway_objects.items() if part not in gateways},
    )


def crowded(names: tuple[str, ...], leaving: tuple[str, ...]) -> Plan:
    """Where the revision that all would be left to is the one that is not there: nothing can be removed, or begun."""
    said = _finding(names, leaving)
    return Plan("Blocked", waits=(Wait(names[0], said.message),), findings=(said,))


def with_newcomers(made: Plan, names: tuple[str, ...], leaving: tuple[str, ...]) -> Plan:
    """The plan, and that they wait. A wait whose end is known stays one."""
    said = _finding(names, leaving)
    wait = Wait(names[0], said.message, made.due)
    return structs.replace(made, waits=(*made.waits, wait), findings=(*made.findings, said))


def _finding(names: tuple[str, ...], leaving: tuple[str, ...]) -> Finding:
    message = f"{names[0]} is not begun while {' and '.join(leaving)} still stands beside another control plane"
    fix = f"wait until it is removed, or take {names[0]} out of spec.revisions"
    return Finding("CanaryInProgress", message, names[0], fix)
