"""`gateway enable` and `disable`: an edit of the resource, then its loop, as with control planes."""

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from pilotage.decide.capacity import capacity_short, quota_short
from pilotage.decide.force import Mark, gateway_annotation
from pilotage.decide.gateway_removal import gateway_in_use, lost
from pilotage.decide.gateway_rules import foreign_gateways, namespace_labelled, type_held
from pilotage.decide.gatewaylist import list_gateways
from pilotage.decide.inventory import within
from pilotage.decide.preflight import Request, permission_missing
from pilotage.desired import desire, revisions_of
from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding, Verb
from pilotage.domain.gateways import PLACES, GatewayPlace, gateways_of, place_of
from pilotage.domain.mesh import Gateway, GatewayType, ServiceMesh
from pilotage.domain.names import gateway_in
from pilotage.domain.objects import ref_of
from pilotage.domain.profile import profile_of
from pilotage.domain.state import Snapshot
from pilotage.edge.chart_values import merged
from pilotage.edge.observe import PREFLIGHT, observe
from pilotage.edge.permissions import missing_permissions, needs_of
from pilotage.faces.cli import options
from pilotage.faces.cli.answer import refuse, refuse_if_blocked, report, say
from pilotage.faces.cli.ask import confirm
from pilotage.faces.cli.drive import Following, edit, enabled_mesh, follow, local_option, settled
from pilotage.faces.cli.gateway_back import Comeback, taken_back
from pilotage.faces.cli.session import Session

_LISTED = frozenset({"mesh", "live"})
_USED = _LISTED | {"istio_gateways"}
_EGRESS_CONFIGURATION = "kubernetes.azure.com/static-gateway-configuration"  # a pod annotation that AKS reads
_TYPES = click.Choice([kind.value.lower() for kind in GatewayType], case_sensitive=False)


@options.command()
@click.option(
    "--type",
    "kind",
    type=_TYPES,
    required=True,
    help="external and internal have a load balancer; egress is inside the cluster.",
)
@click.option("--name", help="Name of its Service; the profile's name for the type if not given.")
@click.option("--namespace", "-n", help="Namespace, made if it is not there; the profile's if not given.")
@click.option("--gateway-configuration-name", metavar="NAME", help="AKS StaticGatewayConfiguration of an egress.")
@local_option
@options.dry_run
@options.output
@options.waiting("10m")
def enable(session: Session, kind: str, name: str | None, namespace: str | None, **flags: Any) -> None:
    """Install a gateway: pods of every revision behind one Service, whose address outlives upgrades.

    Enabling the same again resumes. One that was taken out of the resource and still stands comes back as it was.
    """
    mesh = enabled_mesh(session)
    wish = _wish(mesh, GatewayType(kind.capitalize()), name, namespace)
    back = None if wish in (mesh.spec.gateways or ()) else _back(session, mesh, wish)
    wish, told = (back.entry, f"{back.words}\n") if back else (wish, "")
    wish = _configured(mesh, wish, flags["gateway_configuration_name"])
    asked = _with(mesh, wish)
    findings = _preflight(session, asked, wish.name)
    refuse_if_blocked(findings, Verb.GATEWAY, f"gateway {wish.name} cannot be installed")
    if flags["dry_run"]:
        words = f"{told}Gateway {wish.name} would be installed; nothing was written."
        return report(flags["output"], words, findings=findings)
    edit(session, mesh, asked.spec, {}, dry_run=False)
    if not flags["wait"]:
        return report(flags["output"], f"{told}Gateway {wish.name} was asked for.", then="pilotage gateway list")
    how = Following.of(f"gateway enable {wish.name}", flags)
    follow(session, asked, how, settled("Settled", "Canary"))
    words = told + _installed(session, wish.name)
    return report(flags["output"], words, then="pilotage gateway list", findings=findings)


@options.command()
@click.argument("name", required=False)
@click.option("--type", "kind", type=_TYPES, help="The gateway of this type, where there is only one.")
@click.option("--force", is_flag=True, help="Remove it although something still uses it.")
@local_option
@options.dry_run
@options.output
@options.yes
@options.waiting("10m")
def disable(session: Session, name: str | None, kind: str | None, **flags: Any) -> None:
    """Remove a gateway: its pods drain, then its Service goes, and with it its address. Namespaces stay.

    Refused while an Istio Gateway selects it. One that an edit took out of the resource, and that waits, goes at once.
    """
    mesh = enabled_mesh(session)
    snapshot = session.snapshot(_USED)
    place = _chosen(snapshot, name, GatewayType(kind.capitalize()) if kind else None)
    findings = tuple(gateway_in_use(snapshot, place))
    if not flags["force"]:
        refuse_if_blocked(findings, Verb.GATEWAY_DISABLE, f"gateway {place.name} cannot be removed")
    costs = lost(snapshot, place)
    if flags["dry_run"]:
        words = f"Gateway {place.name} would be removed; nothing was written.\nThen {costs}."
        return report(flags["output"], words, findings=findings)
    say(findings, flags["output"])
    confirm(f"This removes gateway {place.name}, for good: {costs}. Go on?", flags["yes"])
    mark = Mark(session.kube.whoami(), session.now, gateway=str(place))
    asked = _without(mesh, place)
    edit(session, mesh, asked.spec, gateway_annotation(mark, force=flags["force"]), dry_run=False)
    if not flags["wait"]:
        return report(flags["output"], f"Gateway {place.name} will be removed.", then="pilotage gateway list")
    how = Following.of(f"gateway disable {place.name}", flags)
    made = follow(session, asked, how, settled("Settled", "Canary"))
    stays = next((each for each in made.findings if (each.code, each.subject) == ("GatewayLeaving", str(place))), None)
    if stays:
        refuse(stays)
    return report(flags["output"], f"Gateway {place.name} was removed. Namespace {place.namespace} stays.")


def _wish(mesh: ServiceMesh, kind: GatewayType, name: str | None, namespace: str | None) -> Gateway:
    """The gateway that is there under this name, if it is the one that was asked for; else a new one."""
    name = name or PLACES[mesh.spec.profile][kind].name
    try:
        wish = msgspec.convert({"name": name, "type": kind, "namespace": namespace}, Gateway)
    except msgspec.ValidationError as wrong:
        raise Refused(f"gateway {name} cannot be: {wrong}", fix="use lower case letters, digits and -") from wrong
    there = next((each for each in mesh.spec.gateways or () if each.name == name), None)
    if there is None:
        return wish
    place = PLACES[mesh.spec.profile][kind].namespace
    if there.type is not kind or (there.namespace or place) != (namespace or place):
        words = f"gateway {name} is there already, of type {there.type} in {there.namespace or place}"
        raise Refused(words, fix="give the new one another name: --name NAME")
    return there


def _back(session: Session, mesh: ServiceMesh, wish: Gateway) -> Comeback | None:
    return taken_back(session.snapshot(_LISTED), mesh.spec.profile, wish)


def _configured(mesh: ServiceMesh, wish: Gateway, name: str | None) -> Gateway:
    """An egress gateway with its configuration; one that is asked for already keeps what it has. Raises Refused."""
    if name is None:
        return wish
    if wish.type is not GatewayType.EGRESS:
        words = f"gateway {wish.name} is of type {wish.type}: only an egress has a static gateway configuration"
        raise Refused(words, fix="leave --gateway-configuration-name out")
    asked = {"podAnnotations": {_EGRESS_CONFIGURATION: name}}
    if wish not in (mesh.spec.gateways or ()):
        return msgspec.structs.replace(wish, values=merged(wish.values, asked))
    if not within(asked, wish.values):
        words = f"gateway {wish.name} is there already, with other values than configuration {name}"
        raise Refused(words, fix=f"kubectl edit smesh default: values.podAnnotations[{_EGRESS_CONFIGURATION}]")
    return wish


def _with(mesh: ServiceMesh, wish: Gateway) -> ServiceMesh:
    others = [each for each in mesh.spec.gateways or () if each.name != wish.name]
    spec = msgspec.structs.replace(mesh.spec, gateways=[*others, wish])
    return msgspec.structs.replace(mesh, spec=spec)


def _without(mesh: ServiceMesh, place: GatewayPlace) -> ServiceMesh:
    pairs = zip(mesh.spec.gateways or (), gateways_of(mesh.spec), strict=True)
    rest = [entry for entry, placed in pairs if place_of(placed) != place]
    return msgspec.structs.replace(mesh, spec=msgspec.structs.replace(mesh.spec, gateways=rest or None))


def _chosen(snapshot: Snapshot, name: str | None, kind: GatewayType | None) -> GatewayPlace:
    """The one that is meant; one that is leaving has no type any more. Raises Refused."""
    every = [(row, GatewayPlace(row.name, row.namespace)) for row in list_gateways(snapshot)]
    named = [(row, place) for row, place in every if name in (None, row.name, str(place))]
    found = [place for row, place in named if kind is None or row.type in (kind, "")]
    if len(found) == 1 and (name or kind):
        return found[0]
    names = ", ".join(str(place) for _, place in every) or "none"
    none = f"there is no gateway {name}: " if name and not named else ""
    raise Refused(f"{none}name one gateway (there: {names})", fix="pilotage gateway disable NAME")


def _preflight(session: Session, asked: ServiceMesh, name: str) -> Sequence[Finding]:
    desired = desire(asked, session.catalog)
    if not desired.gateways:
        words = "Pilotage installs gateways for the revisions that it manages, and there is none"
        raise Refused(words, fix="install the gateway with what installs the control plane")
    bodies = [body for part, objects in desired.gateway_objects.items() if gateway_in(part) == name for body in objects]
    profile, refs = profile_of(asked.spec), [ref_of(body) for body in bodies]
    seen = observe(session.kube, profile, session.catalog, session.now, parts=PREFLIGHT, mesh=asked, refs=refs)
    denied = missing_permissions(session.kube, needs_of(bodies))
    seen = msgspec.structs.replace(seen, denied=denied)
    (gateway,) = (each for each in desired.gateways if each.name == name)
    revisions = [revision.name for revision in revisions_of(asked, session.catalog)]
    return (
        *foreign_gateways(seen, [gateway], revisions),
        *type_held(seen, [gateway]),
        *namespace_labelled(seen, [gateway]),
        *permission_missing(seen, Request(desired.stable)),
        *capacity_short(seen, bodies),
        *quota_short(seen, bodies),
    )


def _installed(session: Session, name: str) -> str:
    rows = list_gateways(session.snapshot(_LISTED))
    row = next((each for each in rows if each.name == name), None)
    address = f" at {row.address}" if row and row.address else "; its load balancer has no address yet"
    return f"Gateway {name} is installed{address}."
