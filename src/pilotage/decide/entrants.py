"""A revision that an edit asks for beside one that stands must be one that a verb would start. Called by `plan`.

From Git or by hand nobody is asked first: a minor passed over, or an older one, would serve proxies that it was never
tried with. Such a revision is not begun; all else goes on. What stands already is not judged again.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec import structs

from pilotage.decide.eligibility import check_target
from pilotage.decide.inventory import parts_present
from pilotage.decide.support import support_of
from pilotage.decide.tag_source import named_like_a_tag
from pilotage.domain.actions import Plan, Wait
from pilotage.domain.findings import Finding
from pilotage.domain.mesh import Owner
from pilotage.domain.state import Revision, Snapshot
from pilotage.domain.version import Version

_AGAINST = ("TargetNotOffered", "KubernetesIncompatible")


class Held(NamedTuple):
    """A revision that is not brought about as asked, what that means, and all that speaks against it."""

    name: str
    means: str
    findings: tuple[Finding, ...]


def entrants(revisions: Sequence[Revision], snapshot: Snapshot) -> tuple[Revision, ...]:
    """Managed revisions nothing of which is there or was, while another one is: what was deleted comes back unasked."""
    there = parts_present(snapshot.live)
    known = {*there, *(snapshot.mesh.versions if snapshot.mesh else ())}
    new = tuple(each for each in revisions if each.managed and each.name not in known)
    return new if there or any(not each.managed for each in revisions) else ()


def held_back(revisions: Sequence[Revision], snapshot: Snapshot) -> tuple[Held, ...]:
    """Entrants that are no upgrade of what stands, by the rules of `upgrade start`."""
    new = entrants(revisions, snapshot)
    standing = {each.name: each for each in (*_leaving(snapshot), *revisions) if each not in new}
    judged = ((each.name, _against(tuple(standing.values()), each, snapshot)) for each in new)
    return tuple(
        Held(name, "is not begun; take it out of spec.revisions", findings) for name, findings in judged if findings
    )


def with_held(made: Plan, held: Sequence[Held]) -> Plan:
    """The plan for the rest, and that these are not begun: somebody must change the resource."""
    waits = tuple(Wait(each.name, f"{each.means}: {_words(each.findings[0])}") for each in held)
    findings = tuple(finding for each in held for finding in each.findings)
    phase = made.phase if made.phase.startswith("Remov") else "Blocked"
    return structs.replace(made, phase=phase, waits=(*made.waits, *waits), findings=(*made.findings, *findings))


def same_minor(revisions: Sequence[Revision], snapshot: Snapshot) -> Iterator[Held]:
    """Revisions whose entry asks for another minor than they were brought to: `versions` keeps them where they are."""
    asked = {entry.name: entry for entry in snapshot.mesh.spec.revisions} if snapshot.mesh else {}
    for each in revisions:
        entry = asked.get(each.name)
        if entry is None or entry.version is None or entry.owner is Owner.EXTERNAL:
            continue
        if Version.parse(entry.version).in_minor != each.version.in_minor:
            message = (
                f"{each.name} runs {each.version}, and is not brought to {entry.version} in place: proxies would jump"
            )
            fix = f"set its version back to {each.version}; another minor is another revision: pilotage get-upgrades"
            found = Finding("TargetNotOffered", message, each.name, fix)
            yield Held(each.name, f"stays at {each.version}", (found,))


def held_findings(revisions: Sequence[Revision], snapshot: Snapshot) -> Iterator[Finding]:
    """Of both, for people who look."""
    for each in (*held_back(revisions, snapshot), *same_minor(revisions, snapshot)):
        yield from each.findings


def _words(finding: Finding) -> str:
    return f"{finding.message}. Next: {finding.fix}" if finding.fix else finding.message


def _against(standing: tuple[Revision, ...], target: Revision, snapshot: Snapshot) -> tuple[Finding, ...]:
    name = tuple(named_like_a_tag(snapshot, target.name))
    newest = max((each.version for each in standing), default=target.version)
    if newest < target.version and newest.in_minor == target.version.in_minor:
        return name  # a patch beside the one before it: no verb starts it, but nothing is passed over
    found = check_target(standing, target, support_of(snapshot))
    blind = {"KubernetesIncompatible"} if "kubernetes" in snapshot.unknown else set()
    return (*name, *(finding for finding in found if finding.code in _AGAINST and finding.code not in blind))


def _leaving(snapshot: Snapshot) -> Iterator[Revision]:
    """Control planes of ours, asked for or not, as far as they tell what they run."""
    for plane in snapshot.control_planes:
        if plane.managed and plane.version:
            yield Revision(plane.revision, plane.version)
