"""Everything that stands against an install or an upgrade, at once: one named function per rule, in one tuple.

Called by the faces before `enable` and `upgrade start`; they refuse what `Finding.blocks` says. A rule that lacks its
facts says nothing: `unread_facts` speaks for it, so that unknown is never taken for fine.
"""

from collections.abc import Callable, Iterator

import msgspec

from pilotage.decide import capacity, foreign, gateway_rules, labels, meshconfig
from pilotage.decide.eligibility import check_target
from pilotage.decide.overlap import overlap_findings
from pilotage.decide.registries import retired_registries
from pilotage.decide.support import installed_revisions, support_findings, support_of
from pilotage.decide.tag_source import named_like_a_tag
from pilotage.domain.findings import Finding, Verb
from pilotage.domain.mesh import Mode
from pilotage.domain.names import WITHOUT_MESH_CONFIG
from pilotage.domain.objects import Obj
from pilotage.domain.roles import ROLES, TO_LOOK, Right, role_with
from pilotage.domain.state import Revision, Snapshot

# Facts without which a rule below is silent -> what is then not known.
_NEEDED = {
    "kubernetes": "whether the revision runs on this Kubernetes",
    "control_planes": "which revisions are installed",
    "namespaces": "whether labels select what is there",
    "workloads": "whether labels select what is there",
    "injectors": "whether two webhooks inject the same pod",
    "configs": "whether the mesh configuration is there and valid",
    "nodes": "whether the nodes hold it",
    "pods": "whether the nodes hold it",
    "quotas": "whether a quota holds it",
}


class Request(msgspec.Struct, frozen=True):
    """What is asked for. `objects`: the target's charts rendered; none for an external control plane."""

    target: Revision
    verb: Verb = Verb.START
    objects: tuple[Obj, ...] = ()
    without_mesh_config: bool = False  # the user said so, or has it copied
    gateways: tuple[Obj, ...] = ()  # the same of its gateways


Findings = Iterator[Finding]


def preflight(snapshot: Snapshot, request: Request) -> tuple[Finding, ...]:
    """Findings of every rule, in the order of RULES; each said once."""
    return tuple(dict.fromkeys(finding for rule in RULES for finding in rule(snapshot, request)))


def mesh_not_enabled(snapshot: Snapshot, request: Request) -> Findings:
    """There is nothing to start an upgrade from."""
    mesh = snapshot.mesh
    if request.verb is Verb.START and (mesh is None or mesh.spec.mode is Mode.DISABLED):
        yield Finding("MeshNotEnabled", "no mesh is enabled in this cluster", fix="pilotage enable --revision REVISION")


def unread_facts(snapshot: Snapshot, _: Request) -> Findings:
    """Facts that the caller may not read, or that were not looked at."""
    for fact, question in _NEEDED.items():
        if fact in snapshot.unknown:
            what = fact.replace("_", " ")
            message = f"{what} could not be read ({snapshot.unknown[fact]}): {question} is not known"
            yield Finding("PermissionMissing", message, what, TO_LOOK)


def permission_missing(snapshot: Snapshot, _: Request) -> Findings:
    """Writes that the caller may not do, one finding per place; and rights in the charts' roles, all in one."""
    for place, rights in _by_place(snapshot.denied).items():
        yield Finding("PermissionMissing", f"you may not {_named(place, rights)}", str(place).strip(), _with(rights))
    if snapshot.ungrantable:
        held = "; ".join(_named(*each) for each in _by_place(snapshot.ungrantable).items())
        message = f"istiod is granted rights that you lack, and only who has a right may grant it: {held}"
        yield Finding("PermissionMissing", message, "roles of istiod", _with(snapshot.ungrantable))


def _by_place(rights: tuple[Right, ...]) -> dict[Right, tuple[Right, ...]]:
    """Resource and namespace, as a right without a verb -> the rights there."""
    places: dict[Right, tuple[Right, ...]] = {}
    for right in rights:
        place = right._replace(verb="", name="")
        places[place] = (*places.get(place, ()), right)
    return places


def _named(place: Right, rights: tuple[Right, ...]) -> str:
    """`create, delete pods in namespace shop`."""
    return str(place._replace(verb=", ".join(dict.fromkeys(right.verb for right in rights))))


def _with(rights: tuple[Right, ...]) -> str:
    """Who has them all: the largest of the roles that each of them needs, for a role has what the smaller have."""
    roles = {role_with(right) for right in rights}
    largest = max(roles - {""}, key=ROLES.index, default="")
    return f"have ClusterRole {largest} bound to you" if largest else "have that granted to you; no role has it"


def target_against_rules(snapshot: Snapshot, request: Request) -> Findings:
    """The catalog, the guide's two rules, the cluster's Kubernetes, one canary at a time, and a name of its own."""
    yield from named_like_a_tag(snapshot, request.target.name)
    installed = installed_revisions(snapshot) if request.verb is Verb.START else ()
    for finding in check_target(installed, request.target, support_of(snapshot)):
        if finding.code != "KubernetesIncompatible" or "kubernetes" not in snapshot.unknown:
            yield finding


def installed_out_of_support(snapshot: Snapshot, request: Request) -> Findings:
    """What the age of the revision that is left means."""
    if request.verb is Verb.START:
        yield from support_findings(snapshot)


def mesh_config(snapshot: Snapshot, request: Request) -> Findings:
    """The new revision's mesh configuration is missing, invalid or overridden."""
    target = request.target.name
    others = [revision.name for revision in installed_revisions(snapshot) if revision.name != target]
    waived = snapshot.mesh.annotations.get(WITHOUT_MESH_CONFIG) == target if snapshot.mesh else False
    without = request.without_mesh_config or waived
    yield from meshconfig.preflight(snapshot, others[0] if others else None, target, without)


def webhook_overlap(snapshot: Snapshot, _: Request) -> Findings:
    """Two webhooks would inject the same pod."""
    yield from overlap_findings(snapshot)


def unknown_revision_label(snapshot: Snapshot, request: Request) -> Findings:
    """Labels that select a revision or tag that is not there."""
    yield from labels.unknown_revision_labels(snapshot, request.target.name)


def injection_label_conflict(snapshot: Snapshot, _: Request) -> Findings:
    """`istio-injection` beside `istio.io/rev`."""
    yield from labels.injection_label_conflicts(snapshot)


def capacity_short(snapshot: Snapshot, request: Request) -> Findings:
    """The nodes do not hold the new control plane."""
    yield from capacity.capacity_short(snapshot, (*request.objects, *request.gateways))


def quota_short(snapshot: Snapshot, request: Request) -> Findings:
    """A quota, of the mesh's namespace or of a gateway's, does not hold the new revision."""
    yield from capacity.quota_short(snapshot, (*request.objects, *request.gateways))


def foreign_gateway(snapshot: Snapshot, request: Request) -> Findings:
    """The name of a gateway is taken."""
    asked = gateway_rules.asked_for(snapshot)
    yield from gateway_rules.foreign_gateways(snapshot, asked, [request.target.name])


def gateway_namespace_labelled(snapshot: Snapshot, _: Request) -> Findings:
    """Gateways of both revisions would get the same proxy."""
    yield from gateway_rules.namespace_labelled(snapshot, gateway_rules.asked_for(snapshot))


def foreign_control_plane(snapshot: Snapshot, request: Request) -> Findings:
    """An Istio that Pilotage did not install is in the way."""
    yield from foreign.foreign_control_planes(snapshot, request.target, request.objects, request.verb)


def addon_present(snapshot: Snapshot, request: Request) -> Findings:
    """The provider's add-on manages Istio here."""
    yield from foreign.addon_present(snapshot, request.target)


def retired_registry(snapshot: Snapshot, _: Request) -> Findings:
    """Charts or images come from a home that closes."""
    yield from retired_registries(snapshot)


RULES: tuple[Callable[[Snapshot, Request], Findings], ...] = (
    mesh_not_enabled,
    unread_facts,
    permission_missing,
    target_against_rules,
    installed_out_of_support,
    mesh_config,
    webhook_overlap,
    unknown_revision_label,
    injection_label_conflict,
    capacity_short,
    quota_short,
    foreign_gateway,
    gateway_namespace_labelled,
    foreign_control_plane,
    addon_present,
    retired_registry,
)
