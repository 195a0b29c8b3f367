"""RetiredRegistry: images and charts from homes that close, by the catalog. Called by `preflight` and `health`."""

from collections.abc import Iterator
from typing import Any

from pilotage.domain.catalog import ClosingHome
from pilotage.domain.cluster import Pod
from pilotage.domain.findings import Finding
from pilotage.domain.state import Snapshot

Findings = Iterator[Finding]
_ISTIOD = "discovery"  # the container


def retired_registries(snapshot: Snapshot) -> Findings:
    """A pod that starts anew after the day does not get its image: a node replaced, a workload scaled up."""
    yield from _settings(snapshot)
    for plane in snapshot.control_planes:
        home = _closing(snapshot, plane.image)
        if home:
            message = f"istiod {plane.namespace}/{plane.name} runs {plane.image}, and {_closes(home, snapshot)}"
            yield Finding("RetiredRegistry", message, plane.revision, f"change its hub ({_instead(snapshot)})")
    yield from _pods(snapshot)


def _settings(snapshot: Snapshot) -> Findings:
    profile, spec = snapshot.profile, snapshot.mesh.spec if snapshot.mesh else None
    settings = {
        "spec.artifacts.charts": profile.charts,
        "spec.artifacts.hub": profile.hub,
        "spec.artifacts.proxyImage": profile.proxy_image,
    }
    if spec is not None:
        settings |= dict(_texts("spec.values", spec.values))
        for revision in spec.revisions:
            settings |= dict(_texts(f"spec.revisions[{revision.name}].values", revision.values))
        for gateway in spec.gateways or ():
            settings |= dict(_texts(f"spec.gateways[{gateway.name}].values", gateway.values))
    for name, place in settings.items():
        home = _closing(snapshot, place)
        if home:
            message = f"{name} is {place}, and {_closes(home, snapshot)}"
            yield Finding("RetiredRegistry", message, name, f"set it to the new home ({_instead(snapshot)})")


def _texts(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _texts(f"{path}.{key}", child)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _texts(f"{path}[{index}]", child)
    elif isinstance(value, str):
        yield path, value


def _pods(snapshot: Snapshot) -> Findings:
    """Of sidecars, gateways and whatever else is of Istio, init containers too; istiods are told one by one."""
    live = [pod for pod in snapshot.pods if not pod.finished]
    for home in snapshot.catalog.closing:
        held = [pod for pod in live if any(home.home in image for image in _images(pod))]
        if held:
            first, many = f"{held[0].namespace}/{held[0].name}", len(held) > 1
            count = f"{len(held)} {'pods' if many else 'pod'} (the first is {first}) {'run' if many else 'runs'}"
            message = f"{count} images of {home.home}: {_closes(home, snapshot)}"
            fix = f"change the hub, then restart them ({_instead(snapshot)})"
            yield Finding("RetiredRegistry", message, home.home, fix)


def _images(pod: Pod) -> Iterator[str]:
    return (each.image for each in (*pod.containers, *pod.init_containers) if each.name != _ISTIOD)


def _closing(snapshot: Snapshot, place: str) -> ClosingHome | None:
    return next((home for home in snapshot.catalog.closing if home.home in place), None)


def _closes(home: ClosingHome, snapshot: Snapshot) -> str:
    return f"{home.home} {'is closed since' if snapshot.today >= home.closes else 'closes on'} {home.closes}"


def _instead(snapshot: Snapshot) -> str:
    catalog = snapshot.catalog
    homes = (("images", catalog.images), ("charts", catalog.charts))
    return ", ".join(f"{what}: {place}" for what, place in homes if place) or "a mirror of your own"
