"""Proxies that are connected, or about to be, to an istiod that they do not work with. For `health` and `rollout`."""

from collections import defaultdict
from collections.abc import Iterator

from pilotage.decide.revision_health import proxy_name
from pilotage.decide.wording import first_of
from pilotage.domain.catalog import Catalog
from pilotage.domain.findings import Finding
from pilotage.domain.istio import ControlPlane
from pilotage.domain.state import Snapshot
from pilotage.domain.version import Version, version_of_image


def bad_pairs(snapshot: Snapshot) -> Iterator[Finding]:
    """One per revision and version of proxies; those outside this cluster are told by istiod."""
    for plane in snapshot.control_planes:
        if plane.version is None:
            continue
        for version, names in sorted(_proxies(snapshot, plane).items()):
            why = snapshot.catalog.against(version, plane.version)
            if why:
                pair = f"proxies {version} under istiod {plane.version} of {plane.revision}"
                fix = f"pilotage restart: new pods get the proxy of {plane.version}"
                yield Finding("BadPair", f"{pair}: {why}: {first_of(sorted(names), 1)}", plane.revision, fix)


def left_behind(snapshot: Snapshot, revision: str, to: Version) -> str:
    """Why `to` would not work with proxies of `revision` that have not followed its istiod yet, "" where it would."""
    if not asks_proxies(snapshot.catalog, to):
        return ""
    if "pods" in snapshot.unknown:
        return f"which proxies run cannot be seen: {snapshot.unknown['pods']}"
    for plane in snapshot.control_planes:
        for version, names in sorted(_proxies(snapshot, plane).items()) if plane.revision == revision else ():
            why = snapshot.catalog.against(version, to)
            if why:
                return f"proxies of {version} still run ({min(names)} and others): {why}"
    return ""


def asks_proxies(catalog: Catalog, to: Version) -> bool:
    """Whether there are proxies that do not work with an istiod of `to`: else nobody need look at them."""
    return any(pair.istiod.holds(to) for pair in catalog.bad_pairs)


def _proxies(snapshot: Snapshot, plane: ControlPlane) -> dict[Version, set[str]]:
    """Version -> names `pod.namespace` of what is under this control plane, as far as a version is known."""
    known: dict[str, Version] = {}
    for report in snapshot.istiods:
        for proxy in report.proxies if report.revision == plane.revision else ():
            with_version = version_of_image(f":{proxy.version}")
            if with_version:
                known[proxy.name] = with_version
    for pod in snapshot.pods:
        version = version_of_image(pod.proxy.image) if pod.proxy and not pod.finished else None
        if version and pod.revision == plane.revision:
            known[proxy_name(pod)] = version
    found = defaultdict(set)
    for name, version in known.items():
        found[version].add(name)
    return found
