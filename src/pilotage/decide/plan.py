"""The one entry of `decide` for the loop: what to do now, what comes later, what is waited for, and every finding.

Called by `looking`. The phase is derived from what is observed; nothing is remembered.
"""

from collections.abc import Iterator

from msgspec import structs

from pilotage.decide.autoscaling import as_scaled, with_corrections
from pilotage.decide.entrants import held_back, same_minor, with_held
from pilotage.decide.force import cleared
from pilotage.decide.gateway_removal import all_in_use, leaving_gateways, places, with_all, with_departures
from pilotage.decide.gateway_rules import foreign_gateways, type_held
from pilotage.decide.gateway_stages import leaving_stages, pieces
from pilotage.decide.gateways import gateway_actions
from pilotage.decide.health import roots_differ
from pilotage.decide.install import (
    account_actions,
    foreign_findings,
    mesh_elsewhere,
    namespace_action,
    part_actions,
)
from pilotage.decide.inventory import parts_present
from pilotage.decide.newcomers import crowded, newcomers, with_newcomers, without
from pilotage.decide.removal import (
    SOAKING,
    Verdict,
    deletion_stages,
    judge,
    removal_stages,
    removed,
    unless_confirmed,
    webhook_stage,
)
from pilotage.decide.rollout import rolled, unready
from pilotage.decide.stages import Stage, unfinished
from pilotage.decide.tags import remove_tag, tags_of
from pilotage.decide.usage import proxies_exist
from pilotage.domain.actions import Action, Plan, Wait
from pilotage.domain.names import BASE, EVERY_REVISION
from pilotage.domain.state import Desired, Snapshot

_BLOCKING = ("ForeignControlPlane", "MeshElsewhere")


def plan(desired: Desired, snapshot: Snapshot) -> Plan:
    """Installs and mends what is asked for first; removes what is not asked for once its guard lets go."""
    if desired.disabled:
        made = with_all(_disable(snapshot), snapshot)
        leaving: tuple[str, ...] = () if made.phase == "Disabled" else (EVERY_REVISION, *map(str, places(snapshot)))
    else:
        leaving = removed(desired, snapshot)
        made = with_departures(_as_offered(desired, snapshot, leaving), snapshot)
        leaving = (*leaving, *map(str, leaving_gateways(snapshot)))
    made = rolled(made, desired, snapshot)
    return structs.replace(made, now=(*made.now, *cleared(snapshot, leaving, desired.course.asked)))


def _as_offered(desired: Desired, snapshot: Snapshot, leaving: tuple[str, ...]) -> Plan:
    """Without a revision that is no upgrade of what stands; one that is asked for in another minor stays as it is."""
    out = held_back(desired.revisions, snapshot)
    held = (*out, *same_minor(desired.revisions, snapshot))
    rest = without(desired, tuple(each.name for each in out)) if out else desired
    made = _at_most_two(rest, snapshot, leaving) if rest.revisions else Plan("Blocked")
    return with_held(made, held) if held else made


def _at_most_two(desired: Desired, snapshot: Snapshot, leaving: tuple[str, ...]) -> Plan:
    late = newcomers(desired, snapshot, leaving)
    if desired.stable.name in late:
        return crowded(late, leaving)
    asked = as_scaled(without(desired, late) if late else desired, snapshot)
    made = with_corrections(_plan(asked, snapshot), asked, snapshot)
    return with_newcomers(made, late, leaving) if late else made


def _plan(desired: Desired, snapshot: Snapshot) -> Plan:
    names = [revision.name for revision in desired.revisions]
    gateways = (*foreign_gateways(snapshot, desired.gateways, names), *type_held(snapshot, desired.gateways))
    foreign = (*mesh_elsewhere(snapshot), *foreign_findings(desired, snapshot), *gateways)
    if any(finding.code in _BLOCKING for finding in foreign):
        waits = tuple(Wait(finding.subject, finding.message) for finding in foreign)
        return Plan("Blocked", waits=waits, findings=foreign)
    leaving = removed(desired, snapshot)
    verdict = judge(snapshot, leaving[0], desired.stable) if leaving else Verdict()
    now = (
        *namespace_action(desired, snapshot),
        *_installing(desired, snapshot),
        *account_actions(desired, snapshot),
    )
    if now:
        later = tuple(f"remove {name}" for name in leaving)
        made = Plan(_phase(desired, "Installing"), now, later, findings=foreign, removal=verdict.removal)
        soaks = verdict.phase == SOAKING  # and is not interrupted by what is mended meanwhile
        return structs.replace(made, phase=SOAKING, waits=verdict.waits) if soaks else made
    waits = (
        *(wait for revision in desired.revisions if revision.managed for wait in unready(desired, snapshot, revision)),
        *(Wait("root of trust", finding.message) for finding in roots_differ(snapshot) if desired.canary),
    )
    if leaving:
        left = [] if verdict.phase else unfinished(removal_stages(desired, snapshot, leaving[0]))
        return _removing("Removing", left, verdict._replace(findings=(*foreign, *verdict.findings)))
    phase = _phase(desired, "Installing") if waits else ("Canary" if desired.canary else "Settled")
    return Plan(phase, waits=waits, findings=foreign)


def needs_guard(desired: Desired, snapshot: Snapshot) -> bool:
    """Whether this plan asks what is in use, so that pods and istiods must have been looked at."""
    return desired.disabled or bool(removed(desired, snapshot) or leaving_gateways(snapshot))


def _installing(desired: Desired, snapshot: Snapshot) -> Iterator[Action]:
    """A revision that is being changed has its gateways left alone until it is proven again."""
    busy = set()
    for part in (BASE, *(revision.name for revision in desired.revisions)):
        actions = tuple(part_actions(desired, snapshot, part)) if part in desired.objects else ()
        busy |= {part} if actions else set()
        yield from actions
    yield from gateway_actions(desired, snapshot, frozenset(busy))


def _phase(desired: Desired, settled: str) -> str:
    return "CanaryStarting" if desired.canary else settled


def _disable(snapshot: Snapshot) -> Plan:
    blocking = (*proxies_exist(snapshot, parts_present(snapshot.live)), *all_in_use(snapshot))
    if blocking:
        waits = tuple(Wait(finding.subject, finding.message) for finding in blocking)
        return Plan("RemovalBlocked", waits=waits, findings=blocking)
    left = unfinished(_disabling(snapshot))
    verdict = unless_confirmed(snapshot, EVERY_REVISION) if left else Verdict()
    return _removing("Disabling", left, verdict, done="Disabled")


def _disabling(snapshot: Snapshot) -> Iterator[Stage]:
    """Everything of ours, whoever asked for it; what others installed is left to them."""
    yield Stage("delete tags", tuple(tag_deletions(snapshot)))
    yield from leaving_stages(snapshot, pieces(snapshot))
    parts = (*parts_present(snapshot.live), BASE)
    for part in parts:  # all webhooks, the default validator too, before the first istiod stops
        yield webhook_stage(snapshot, part)
    for part in parts:
        yield from deletion_stages(snapshot, part)


def tag_deletions(snapshot: Snapshot) -> Iterator[Action]:
    """Tags of control planes that go: left alone they would fail closed at nothing.

    Raises Refused where somebody else keeps one.
    """
    ours = parts_present(snapshot.live)
    for tag in sorted({tag for revision in ours for tag in tags_of(snapshot, revision)}):
        yield from remove_tag(snapshot, tag)[0]


def _removing(phase: str, left: list[Stage], verdict: Verdict, done: str = "Settled") -> Plan:
    """The first stage that is left, unless the removal may not go on yet."""
    if verdict.phase:
        return Plan(verdict.phase, waits=verdict.waits, findings=verdict.findings, removal=verdict.removal)
    if not left:
        return Plan(done, findings=verdict.findings)
    now, *later = left
    names = tuple(stage.name for stage in later)
    return Plan(phase, now.actions, names, now.waits, verdict.findings, verdict.removal)
