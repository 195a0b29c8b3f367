"""Istio's charts as objects. `desired` calls `renderer_for`, then `render_base` and `render_revision`.

Two engines do the same: the wheel `helm-python-sdk` (Helm's own engine, in a child process) and a `helm` on PATH.
Both render offline, so `Capabilities` are the engine's own; the charts of the versions in the catalog do not ask them.
"""

import importlib.util
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from pathlib import Path
from typing import Final, Protocol

import msgspec
import yaml

from pilotage.domain.errors import MeshError, Refused
from pilotage.domain.names import managed_config, suffixed
from pilotage.domain.objects import Obj
from pilotage.domain.profile import Profile
from pilotage.domain.state import Revision
from pilotage.domain.version import Version
from pilotage.edge.chart_source import locate, not_pulled, plain_http
from pilotage.edge.chart_values import Values, base_values, revision_values
from pilotage.edge.engine import LAST_WORDS, PATIENCE, Engine, EngineFailed
from pilotage.edge.managed_config import without_defaults
from pilotage.edge.manifests import in_order, parse, whole
from pilotage.edge.rendered import kept

_REMEMBERED: Final = 16  # two revisions and a base, with room for edits of their values
_PACKAGE: Final = "helm_python"
_ENGINE: Final = Engine()
_No = Callable[[str], MeshError]  # an error of ours for the words of an engine
_begins: ContextVar[Callable[[], None]] = ContextVar("begins", default=lambda: None)


class ChartRelease(msgspec.Struct, frozen=True):
    """One chart (`base` or `istiod`) under one name with its values."""

    chart: str
    version: Version
    name: str
    namespace: str
    values: Values


class Renderer(Protocol):
    """Raises Refused with the engine's words where a chart is not there or does not render; NoCharts."""

    def render(self, release: ChartRelease) -> tuple[Obj, ...]:
        """Whole objects in apply order."""
        ...


class HelmEngine:
    """The wheel `helm-python-sdk`, at `package`."""

    def __init__(self, source: str, package: Path) -> None:
        self._source, self._package = source, package

    def render(self, release: ChartRelease) -> tuple[Obj, ...]:
        path = locate(self._source, release.chart, release.version, self._pull)
        wanted = {"path": str(path), "name": release.name, "namespace": release.namespace, "values": release.values}
        request = msgspec.json.encode(wanted, order="sorted")
        no = partial(_refused, release.chart)
        answer = kept(self._package, path, request, lambda: self._ask(request, no, again=True))
        return in_order([whole(obj, release.namespace) for obj in msgspec.json.decode(answer)["objects"]])

    def _pull(self, reference: str, version: Version, folder: Path) -> None:
        request = {"pull": reference, "version": str(version), "destination": str(folder)}
        wanted = msgspec.json.encode({**request, "plain_http": plain_http(reference)})
        self._ask(wanted, partial(not_pulled, reference))

    def _ask(self, request: bytes, no: _No, *, again: bool = False) -> bytes:
        _begins.get()()
        try:
            answer = _ENGINE.ask(request, again=again)
        except EngineFailed as failed:
            raise no(str(failed)) from failed
        error: str = msgspec.json.decode(answer).get("error", "")
        if error:
            raise no(error)
        return answer


class HelmBinary:
    """`helm template` and `helm pull` of a helm on PATH."""

    def __init__(self, source: str, helm: str) -> None:
        self._source, self._helm = source, helm

    def render(self, release: ChartRelease) -> tuple[Obj, ...]:
        path = locate(self._source, release.chart, release.version, self._pull)
        words = [self._helm, "template", release.name, str(path), "--namespace", release.namespace]
        words += ["--include-crds", "--values", "-"]
        values = msgspec.json.encode(release.values, order="sorted")
        request = b"\n".join((*map(str.encode, words), values))
        text = kept(Path(self._helm), path, request, lambda: _run(words, values, partial(_refused, release.chart)))
        try:
            objects = parse(text.decode())
        except (yaml.YAMLError, ValueError) as error:
            raise _refused(release.chart, str(error)) from error
        return in_order([whole(obj, release.namespace) for obj in objects])

    def _pull(self, reference: str, version: Version, folder: Path) -> None:
        words = [self._helm, "pull", reference, "--version", str(version), "--destination", str(folder)]
        plain = ["--plain-http"] if plain_http(reference) else []
        _run([*words, *plain], b"", partial(not_pulled, reference))


class Remembering:
    """A renderer that renders a release once: a reconcile that changes nothing starts no process."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._known: dict[bytes, bytes] = {}  # JSON, so that every caller gets objects of its own

    def render(self, release: ChartRelease) -> tuple[Obj, ...]:
        key = msgspec.json.encode(release, order="sorted")
        answer = self._known.pop(key, b"") or msgspec.json.encode(self._renderer.render(release))
        self._known[key] = answer  # as the last: what was asked for longest ago stands first, and goes first
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        return msgspec.json.decode(answer, type=tuple[Obj, ...])


@cache
def renderer_for(source: str) -> Renderer:
    """The engine that is here, for charts in a folder or `oci://…`. Raises Refused where there is none."""
    package = _package()
    if package is not None:
        return Remembering(HelmEngine(source, package))
    helm = shutil.which("helm")
    if helm is None:
        raise Refused(
            "Nothing here can render Istio's charts: no helm-python-sdk and no helm on PATH.",
            fix="pip install 'pilotage[charts]'",
        )
    return Remembering(HelmBinary(source, helm))


@contextmanager
def beginning(told: Callable[[], None]) -> Iterator[None]:
    """Meanwhile `told` is called before an engine is asked, for that takes a while; not for what was kept."""
    before = _begins.set(told)
    try:
        yield
    finally:
        _begins.reset(before)


@contextmanager
def warmed() -> Iterator[Callable[[], None]]:
    """For who must be prompt: what is given has a fresh engine ready for the next charts, each time it is called.

    It costs as much memory as rendering does. Without the wheel nothing can be kept ready.
    """
    try:
        yield _ENGINE.warm if _package() else lambda: None
    finally:
        _ENGINE.close()


def _package() -> Path | None:
    """Where the wheel is."""
    found = importlib.util.find_spec(_PACKAGE)
    return Path(found.origin) if found is not None and found.origin else None


def render_base(renderer: Renderer, profile: Profile, version: Version, default_revision: str) -> tuple[Obj, ...]:
    """CustomResourceDefinitions, the reader's account, and the default validator that points at `default_revision`."""
    values = base_values(profile, default_revision)
    return renderer.render(ChartRelease("base", version, "istio-base", profile.namespace, values))


def render_revision(
    renderer: Renderer, profile: Profile, revision: Revision, layers: tuple[Values, ...] = ()
) -> tuple[Obj, ...]:
    """istiod of one revision. `layers`: values of the mesh, then those of the revision; later ones win."""
    values = revision_values(profile, revision.name, revision.version, layers)
    name, config = suffixed("istiod", revision.name), managed_config(revision.name)
    objects = renderer.render(ChartRelease("istiod", revision.version, name, profile.namespace, values))
    asked = {key for held in (values, values.get("pilot") or {}) for key in held.get("meshConfig") or {}}
    return tuple(without_defaults(obj, config, asked) for obj in objects)


def _run(words: list[str], stdin: bytes, no: _No) -> bytes:
    _begins.get()()
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired as late:
        raise no(f"no answer within {PATIENCE:g} s") from late
    if done.returncode:
        raise no(done.stderr.decode(errors="replace").strip()[-LAST_WORDS:] or f"exit code {done.returncode}")
    return done.stdout


def _refused(subject: str, words: str) -> Refused:
    return Refused(
        f"The chart {subject} cannot be used: {words}",
        fix="check spec.artifacts.charts and the values of the mesh and of the revision",
    )
