"""Whether a revision is in use, and what frees it: the guard of every removal. Called by `removal`, `plan`, the CLI."""

from collections.abc import Iterable, Iterator

import msgspec

from pilotage.decide.callers import left_calling
from pilotage.decide.freeing import replace_pod
from pilotage.decide.holders import (
    Holder,
    namespace_holders,
    pod_holders,
    proxy_holders,
    resource_holders,
    tag_holders,
    template_holders,
)
from pilotage.decide.revision_health import unknown_of
from pilotage.decide.selectors import asked_name, namespace_labels, revisions, tags
from pilotage.decide.wording import first_of
from pilotage.domain.findings import Finding
from pilotage.domain.state import Snapshot

_SHOWN = 5
_NEEDED = ("pods", "namespaces", "workloads", "resources", "injectors")


class Usage(msgspec.Struct, frozen=True):
    """All that holds a revision, and what could not be found out: unknown is never read as "not in use"."""

    revision: str
    holders: tuple[Holder, ...]
    unknown: tuple[str, ...]


def usage(snapshot: Snapshot, revision: str, survivor: str = "") -> Usage:
    """Who depends on `revision`. Fixes name `survivor`; left out, the other revision that is there."""
    others = [name for name in revisions(snapshot) if name != revision]
    to = survivor or (others[-1] if others else "<revision>")
    holders = (
        *namespace_holders(snapshot, revision, to),
        *template_holders(snapshot, revision, to),
        *pod_holders(snapshot, revision, to),
        *proxy_holders(snapshot, revision),
        *resource_holders(snapshot, revision, to),
        *tag_holders(snapshot, revision, to),
    )
    return Usage(revision, holders, tuple(_unknown(snapshot, revision)))


def _unknown(snapshot: Snapshot, revision: str) -> Iterator[str]:
    """What was not read, and istiods that did not answer.

    An istiod that is not available takes no proxy, so one that never got ready does not hold its own rollback up. One
    that has been, and is away for a moment, has proxies that nobody sees now: VMs, and those of other clusters.
    """
    for field in _NEEDED:
        if field in snapshot.unknown:
            yield f"{field} could not be read: {snapshot.unknown[field]}"
    yield from unknown_of(snapshot, revision)
    planes = [plane for plane in snapshot.control_planes if plane.revision == revision]
    away = [plane for plane in planes if plane.desired and plane.served]
    if away and not any(plane.available for plane in planes):
        why = f": {away[0].reason}" if away[0].reason else ""
        yield f"no istiod of {revision} is available, so nobody knows who connects to it (0 replicas serve nobody){why}"


def idle_tags(snapshot: Snapshot, revision: str) -> tuple[str, ...]:
    """Tags of the revision that nobody is behind: removal repoints them to the survivor and says so."""
    asked = {asked_name(space.labels, {}) for space in snapshot.namespaces if not space.terminating}
    for workload in snapshot.workloads:
        asked.add(asked_name(namespace_labels(snapshot, workload.namespace), workload.labels))
    asked |= {resource.revision for resource in snapshot.resources}
    return tuple(sorted(tag for tag, at in tags(snapshot).items() if at == revision and tag not in asked))


def in_use_findings(snapshot: Snapshot, revision: str, survivor: str) -> Iterator[Finding]:
    """`RevisionInUse`, one for each group of holders and reason, and one for each thing unknown.

    `ProxyLeaving` for pods that are being deleted: no verb refuses for them, but a removal waits until they are gone.
    """
    found = usage(snapshot, revision, survivor)
    yield from _grouped("RevisionInUse", revision, found.holders)
    for reason in found.unknown:
        message = f"cannot tell whether {revision} is in use: {reason}"
        yield Finding("RevisionInUse", message, revision, "pilotage check")


def proxies_exist(snapshot: Snapshot, names: Iterable[str]) -> Iterator[Finding]:
    """`ProxiesExist` for proxies of these revisions: without any control plane they would be stranded.

    `RevisionInUse` for webhooks of others that would call nothing.
    """
    for name in names:
        yield from left_calling(snapshot, name)
        found = usage(snapshot, name)
        left = tuple(
            msgspec.structs.replace(holder, fix=_without_mesh(holder))
            for holder in found.holders
            if holder.kind in ("Pod", "Proxy")
        )
        yield from _grouped("ProxiesExist", name, left)
        for reason in found.unknown:
            yield Finding(
                "ProxiesExist", f"cannot tell whether proxies of {name} exist: {reason}", name, "pilotage check"
            )


def _without_mesh(holder: Holder) -> str:
    if holder.kind != "Pod":
        return holder.fix
    unlabel = f"kubectl label namespace {holder.namespace} istio.io/rev- istio-injection-"
    kind, _, name = holder.group.removeprefix("pods of ").partition(" ")
    return f"{unlabel} && {replace_pod(kind, holder.namespace, name, holder.name)}"


def _grouped(code: str, revision: str, holders: tuple[Holder, ...]) -> Iterator[Finding]:
    """One finding for each group and reason, capped for people; the whole list is in `Usage`."""
    groups: dict[tuple[str, str, str], list[Holder]] = {}
    for holder in holders:
        groups.setdefault((holder.group, holder.namespace, holder.why), []).append(holder)
    for (group, namespace, why), members in groups.items():
        names = first_of([holder.name for holder in members])
        where = f" in namespace {namespace}" if namespace else ""
        fixes = tuple(dict.fromkeys(holder.fix for holder in members))
        rest = f" (and {len(fixes) - _SHOWN} more)" if len(fixes) > _SHOWN else ""
        which = "ProxyLeaving" if members[0].leaving else code
        yield Finding(which, f"{group}{where}: {names}: {why}", revision, "; ".join(fixes[:_SHOWN]) + rest)
