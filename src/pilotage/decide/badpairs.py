"""Proxies that are connected, or about to be, to an istiod that they do not work with. Called by `health`."""

from collections import defaultdict
from collections.abc import Iterator

from pilotage.decide.revision_health import proxy_name
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
                more = f" and {len(names) - 1} more" if len(names) > 1 else ""
                pair = f"proxies {version} under istiod {plane.version} of {plane.revision}"
                fix = f"pilotage restart: new pods get the proxy of {plane.version}"
                yield Finding("BadPair", f"{pair}: {why}: {min(names)}{more}", plane.revision, fix)


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
