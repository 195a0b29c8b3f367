"""What `status` shows, from a Snapshot: one document, and the same as text. None is not known, never 0."""

from collections.abc import Iterator, Sequence

import msgspec

from pilotage.decide.gatewaylist import GatewayRow, list_gateways
from pilotage.decide.revision_health import RevisionHealth, health
from pilotage.decide.selectors import asked_name, namespace_labels, revision_of_name, tags
from pilotage.domain.findings import Finding
from pilotage.domain.istio import ControlPlane
from pilotage.domain.mesh import Removal
from pilotage.domain.state import Snapshot
from pilotage.faces.render.findings import document, text
from pilotage.faces.render.gateways import gateway_lines
from pilotage.faces.render.table import table


class Proxies(msgspec.Struct):
    """Live pods with a proxy of one revision."""

    total: int | None
    ready: int | None
    connected: int | None
    synced: int | None
    rejecting: int | None


class Istiod(msgspec.Struct):
    desired: int
    available: int
    reason: str


class RevisionStatus(msgspec.Struct, rename="camel"):
    name: str
    role: str  # stable, canary, or "" where roles cannot be told
    version: str
    supported_until: str
    supported: bool | None
    managed: bool
    istiod: Istiod
    proxies: Proxies
    rejects: int | None  # since its istiods started
    injection_failures: int | None  # likewise
    tags: list[str] | None
    unknown: list[str]  # why a count is not known


class LabelStatus(msgspec.Struct):
    """Namespaces that ask for `label`; `revision` is where it leads now, "" for nowhere."""

    label: str
    revision: str | None
    namespaces: list[str]


class Status(msgspec.Struct, rename="camel"):
    namespace: str
    kubernetes: str
    managed: bool | None
    operator: bool
    removal: Removal | None  # that waits for nothing but time
    revisions: list[RevisionStatus]
    gateways: list[GatewayRow]
    labels: list[LabelStatus]
    findings: list[dict[str, str]]
    unknown: dict[str, str]  # what may not be read -> why
    next: str


def status_of(snapshot: Snapshot, findings: Sequence[Finding], next_step: str) -> Status:
    planes = sorted(snapshot.control_planes, key=lambda plane: (plane.version or (), plane.revision))
    counts = {each.revision: each for each in health(snapshot)}
    return Status(
        snapshot.profile.namespace,
        str(snapshot.kubernetes),
        None if "mesh" in snapshot.unknown else snapshot.mesh is not None,
        snapshot.operator,
        snapshot.mesh.removal if snapshot.mesh else None,
        [_revision(snapshot, plane, role, counts) for plane, role in zip(planes, _roles(planes), strict=True)],
        list(list_gateways(snapshot)),
        list(_labels(snapshot)),
        [document(finding) for finding in findings],
        snapshot.unknown,
        next_step,
    )


def _roles(planes: Sequence[ControlPlane]) -> list[str]:
    if len(planes) == 2 and all(plane.version for plane in planes):
        return ["stable", "canary"]
    return ["stable"] if len(planes) == 1 else [""] * len(planes)


def _revision(snapshot: Snapshot, plane: ControlPlane, role: str, counts: dict[str, RevisionHealth]) -> RevisionStatus:
    release = snapshot.catalog.find(plane.version.in_minor) if plane.version else None
    found = counts[plane.revision]
    return RevisionStatus(
        plane.revision,
        role,
        str(plane.version or "unknown"),
        str(release.end) if release else "unknown",
        release.supported(snapshot.today) if release else None,
        plane.managed,
        Istiod(plane.desired, plane.available, plane.reason),
        Proxies(found.proxies, found.ready, found.connected, found.synced, found.rejecting),
        found.rejects,
        found.injection_failures,
        None
        if "injectors" in snapshot.unknown
        else sorted(tag for tag, revision in tags(snapshot).items() if revision == plane.revision),
        list(found.unknown),
    )


def _labels(snapshot: Snapshot) -> Iterator[LabelStatus]:
    asked: dict[str, list[str]] = {}
    for space in snapshot.namespaces:
        name = asked_name(namespace_labels(snapshot, space.name), {})
        if name:
            asked.setdefault(name, []).append(space.name)
    for name, spaces in sorted(asked.items()):
        leads = revision_of_name(snapshot, name) or (None if "injectors" in snapshot.unknown else "")
        yield LabelStatus(name, leads, sorted(spaces))


def lines(status: Status, findings: Sequence[Finding]) -> list[str]:
    """For people."""
    if not status.revisions:
        cause = status.unknown.get("control_planes")
        none = f"Control planes cannot be read: {cause}" if cause else "No Istio control plane"
        return [f"{none} on Kubernetes {status.kubernetes}", *_tail(status, findings)]
    head = f"Mesh in {status.namespace}, {_owner(status)}, on Kubernetes {status.kubernetes}"
    labels = [(each.label, _place(each.revision), ", ".join(each.namespaces)) for each in status.labels]
    spaces = ["", *table(("LABEL", "LEADS TO", "NAMESPACES"), labels)] if labels else []
    gateways = ["", *gateway_lines(status.gateways)] if status.gateways else []
    return [head, "", *revision_lines(status), *gateways, *spaces, *_tail(status, findings)]


def revision_lines(status: Status) -> list[str]:
    """The revisions and how each is: what one looks at before a decision."""
    headers = ("REVISION", "ROLE", "VERSION", "SUPPORTED UNTIL", "ISTIOD", "PROXIES", "READY", "CONNECTED", "SYNCED")
    revisions = table((*headers, "REJECTING", "TAGS"), (_row(revision) for revision in status.revisions))
    notes = [note for revision in status.revisions for note in _notes(revision)]
    return [*revisions, *notes]


def _place(revision: str | None) -> str:
    return "?" if revision is None else revision or "nowhere"


def _owner(status: Status) -> str:
    if status.managed is None:
        return "managed by whom is not known"
    if status.managed:
        return "managed by Pilotage"
    orphaned = any(revision.managed for revision in status.revisions)
    return "installed by Pilotage but without its ServiceMesh" if orphaned else "managed by someone else"


def _row(revision: RevisionStatus) -> tuple[str, ...]:
    proxies = revision.proxies
    past = " (past)" if revision.supported is False else ""
    counts = (proxies.total, proxies.ready, proxies.connected, proxies.synced, proxies.rejecting)
    return (
        revision.name,
        revision.role,
        revision.version,
        revision.supported_until + past,
        f"{revision.istiod.available}/{revision.istiod.desired}",
        *("?" if count is None else str(count) for count in counts),
        "?" if revision.tags is None else ", ".join(revision.tags),
    )


def _notes(revision: RevisionStatus) -> Iterator[str]:
    if revision.istiod.reason:
        yield f"istiod of {revision.name}: {revision.istiod.reason}"
    if revision.rejects or revision.injection_failures:
        counts = f"{revision.rejects} rejected configurations, {revision.injection_failures} failed injections"
        yield f"istiod of {revision.name} counts {counts} since it started"


def _tail(status: Status, findings: Sequence[Finding]) -> list[str]:
    return [*(["", *text(findings)] if findings else []), "", f"Next: {status.next}"]
