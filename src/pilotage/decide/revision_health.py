"""How each revision is: its istiod and its proxies, merged from the answers of all istiod replicas.

Called by `health` and by the faces that show it. None is "not known", never zero.
"""

from collections.abc import Iterator

import msgspec

from pilotage.decide.selectors import revisions
from pilotage.domain.cluster import Container, Pod
from pilotage.domain.istio import IstiodReport, Proxy
from pilotage.domain.state import Snapshot


class RevisionHealth(msgspec.Struct, frozen=True):
    """Counts of one revision. `connected`, `synced` and `rejecting` are among `proxies`; counters since istiod started.

    `unknown` says why a count is None.
    """

    revision: str
    desired: int
    available: int
    proxies: int | None = None
    ready: int | None = None
    connected: int | None = None
    synced: int | None = None
    rejecting: int | None = None
    rejects: int | None = None
    injection_failures: int | None = None
    unknown: tuple[str, ...] = ()


def health(snapshot: Snapshot) -> tuple[RevisionHealth, ...]:
    """One row for each revision that is there, by name."""
    return tuple(_health(snapshot, name) for name in revisions(snapshot))


def proxies_of(snapshot: Snapshot, revision: str) -> tuple[Pod, ...]:
    """Live pods with a proxy of the revision; those being deleted are no longer judged."""
    return tuple(pod for pod in snapshot.pods if pod.revision == revision and not pod.finished and not pod.deleting)


def seen_by_istiod(snapshot: Snapshot, revision: str) -> dict[str, Proxy]:
    """What the revision's istiods say of each proxy, by `pod.namespace`. A proxy that has just moved has two answers:
    the one that is not synced counts, for it is the younger."""
    seen: dict[str, Proxy] = {}
    for report in snapshot.istiods:
        for proxy in report.proxies if report.revision == revision else ():
            if proxy.name not in seen or not proxy.synced:
                seen[proxy.name] = proxy
    return seen


def unknown_of(snapshot: Snapshot, revision: str) -> tuple[str, ...]:
    """Why what this revision's istiods know is not known in full. One that is not available serves nobody."""
    return tuple(_unknown(snapshot, revision))


def starts(snapshot: Snapshot, revision: str) -> bool:
    """Whether something is unknown for now: an istiod that is not Ready, as when it was just started, is silent."""
    unready = {pod.name for pod in snapshot.pods if not pod.ready and pod.namespace == snapshot.profile.namespace}
    silent = {report.pod for report in snapshot.istiods if report.revision == revision and report.error}
    return bool(unknown_of(snapshot, revision)) and not unready.isdisjoint(silent)


def _unknown(snapshot: Snapshot, revision: str) -> Iterator[str]:
    if "control_planes" in snapshot.unknown:
        yield f"control planes could not be read: {snapshot.unknown['control_planes']}"
    available = sum(plane.available for plane in snapshot.control_planes if plane.revision == revision)
    reports = [report for report in snapshot.istiods if report.revision == revision]
    if not available:
        return
    if "istiods" in snapshot.unknown:
        yield f"istiods could not be asked: {snapshot.unknown['istiods']}"
        return
    for report in reports:
        if report.error:
            yield f"istiod pod {report.pod} could not be asked: {report.error}"
    if len(reports) < available:
        yield f"{available - len(reports)} of {available} istiod pods were not asked"


def _health(snapshot: Snapshot, revision: str) -> RevisionHealth:
    planes = [plane for plane in snapshot.control_planes if plane.revision == revision]
    desired, available = sum(each.desired for each in planes), sum(each.available for each in planes)
    unknown = unknown_of(snapshot, revision)
    if "pods" in snapshot.unknown:
        reason = f"pods could not be read: {snapshot.unknown['pods']}"
        return RevisionHealth(revision, desired, available, unknown=(*unknown, reason))
    pods = proxies_of(snapshot, revision)
    ready = sum(map(is_ready, pods))
    if unknown:
        return RevisionHealth(revision, desired, available, len(pods), ready, unknown=unknown)
    seen = seen_by_istiod(snapshot, revision)
    theirs = [seen[name] for name in map(proxy_name, pods) if name in seen]
    synced, rejecting = sum(each.synced for each in theirs), sum(bool(each.rejected) for each in theirs)
    counters = _counters([report for report in snapshot.istiods if report.revision == revision])
    return RevisionHealth(revision, desired, available, len(pods), ready, len(theirs), synced, rejecting, *counters)


def _counters(reports: list[IstiodReport]) -> tuple[int, int]:
    return sum(report.rejects for report in reports), sum(report.injection_failures for report in reports)


def is_ready(pod: Pod) -> bool:
    """Ready, the proxy in it too."""
    return pod.ready and pod.proxy is not None and pod.proxy.ready


def proxy_name(pod: Pod) -> str:
    """How istiod calls it."""
    return f"{pod.name}.{pod.namespace}"


def stuck(pod: Pod) -> str:
    """Why a pod is not Ready, in the cluster's words: its own reason, or that of the first container that says one."""
    both = (*pod.init_containers, *pod.containers)
    waiting = next((each for each in both if each.reason), None) or next(
        (each for each in both if not each.ready), None
    )
    return pod.reason or (_cause(waiting) if waiting else f"phase {pod.phase}")


def _cause(container: Container) -> str:
    if not container.reason:
        return f"container {container.name} is not ready"
    said = f": {container.message}" if container.message else ""
    return f"container {container.name}: {container.reason}{said}"
