"""Where a chart is: in a folder as Istio's sources or releases lay it out, or pulled once from an OCI registry."""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pilotage.domain.errors import MeshError, NoCharts, Refused
from pilotage.domain.version import Version

OCI: Final = "oci://"
_FOLDERS: Final = {
    "base": ("base", "manifests/charts/base"),
    "istiod": (
        "istiod",
        "istio-control/istio-discovery",
        "manifests/charts/istio-control/istio-discovery",
    ),
    "gateway": ("gateway", "manifests/charts/gateway"),
}
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
# Go's words where no whole answer came (`Get "https://…": dial tcp …`), and oras' for an answer that is not a "no".
_DOWN: Final = re.compile(r'\b(Get|Head) "|status code (429|5\d\d)|unexpected EOF|reset by peer|i/o timeout|no answer')
_AGAIN: Final = 5.0  # seconds

Pull = Callable[[str, Version, Path], None]


def plain_http(reference: str) -> bool:
    """Only a registry on this machine is spoken to without TLS."""
    host = reference.removeprefix(OCI).split("/", 1)[0]
    return host in _LOOPBACK or host.rsplit(":", 1)[0] in _LOOPBACK


def cache_folder(name: str) -> Path:
    """Of the user's cache; not made yet. Who has no home gets one that cannot be made: nothing is kept then."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111, Path's own raises where there is none
    own = home / ".cache" if home.is_absolute() else Path(os.devnull)
    return Path(os.environ.get("XDG_CACHE_HOME") or own) / "pilotage" / name


def locate(source: str, chart: str, version: Version, pull: Pull) -> Path:
    """Path of the chart `base`, `istiod` or `gateway`, a folder or an archive. `pull` fetches `oci://…` into a folder.

    Raises Refused where there is no such chart.
    """
    place = source.replace("{version}", str(version))
    if place.startswith(OCI):
        return _cached(f"{place.rstrip('/')}/{chart}", version, pull)
    folder = Path(os.path.expanduser(place))  # noqa: PTH111, as above
    try:
        for candidate in _FOLDERS[chart]:
            if (folder / candidate / "Chart.yaml").is_file():
                return folder / candidate
        archive = folder / f"{chart}-{version}.tgz"
        if archive.is_file():
            return archive
    except OSError as error:
        raise Refused(f"The charts in {folder} cannot be read: {error.strerror}", fix="make them readable") from None
    raise Refused(
        f"No chart {chart} of version {version} in {folder}.",
        fix="set spec.artifacts.charts to a folder that holds base, istiod and gateway, or to oci://…",
    )


def not_pulled(reference: str, words: str) -> MeshError:
    """NoCharts where the registry did not answer or cannot serve now, by the engine's words; Refused for a "no"."""
    said = words.rpartition('": ')[2]
    if _DOWN.search(words):
        return NoCharts(
            f"cannot get the chart {reference}: {said}; check network, DNS, HTTPS_PROXY and the registry, or have a "
            "folder as spec.artifacts.charts (enable --charts)",
            after=_AGAIN,
        )
    return Refused(
        f"The chart {reference} cannot be used: {said}",
        fix="check that spec.artifacts.charts (enable --charts) names a registry that has it and lets you read it",
    )


def _cached(reference: str, version: Version, pull: Pull) -> Path:
    """The archive in the cache. It is pulled beside its place and renamed, so that it is there whole or not at all."""
    folder = cache_folder("charts") / hashlib.sha256(reference.encode()).hexdigest()[:16]
    archive = folder / f"{reference.rsplit('/', 1)[1]}-{version}.tgz"
    try:
        if archive.is_file():
            return archive
        folder.mkdir(parents=True, exist_ok=True)
        beside = tempfile.TemporaryDirectory(dir=folder)
    except OSError as error:
        words = f"The chart {reference} cannot be kept in {folder}: {error.strerror}"
        raise Refused(words, fix="set XDG_CACHE_HOME to a folder that you may write to") from None
    with beside as fresh:
        pull(reference, version, Path(fresh))
        for pulled in Path(fresh).glob("*.tgz"):
            pulled.replace(archive)
    return archive
