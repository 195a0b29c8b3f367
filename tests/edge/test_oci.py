"""Charts from an OCI registry: pulled once, kept, and whole or not there at all. The registry is one on loopback."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from loopback_api import Api, Asked, Reply, serving

from pilotage.domain.errors import Refused
from pilotage.domain.mesh import ProfileName
from pilotage.domain.profile import PROFILES
from pilotage.domain.version import Version
from pilotage.edge.charts import HelmEngine, render_base

ENGINE = Path(pytest.importorskip("helm_python").__file__)

NEW = Version(1, 31, 0)
FILES = {
    "base/Chart.yaml": "apiVersion: v2\nname: base\nversion: 1.31.0\n",
    "base/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\n"
    "metadata: {name: '{{ .Values.defaultRevision }}'}\ndata: {ns: '{{ .Release.Namespace }}'}\n",
}


def archive() -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as tar:
        for name, text in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return held.getvalue()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def described(kind: str, content: bytes) -> dict[str, object]:
    return {"mediaType": f"application/vnd.cncf.helm.{kind}", "digest": digest(content), "size": len(content)}


class Registry:
    """What the distribution protocol needs for a pull."""

    def __init__(self) -> None:
        chart, config = archive(), json.dumps({"name": "base", "version": "1.31.0"}).encode()
        self.kind = "application/vnd.oci.image.manifest.v1+json"
        layers = [described("chart.content.v1.tar+gzip", chart)]
        manifest = {"schemaVersion": 2, "mediaType": self.kind, "config": described("config.v1+json", config)}
        self.manifest = json.dumps({**manifest, "layers": layers}).encode()
        self.blobs = {digest(chart): chart, digest(config): config}
        self.asked: list[str] = []

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked.path)
        name = asked.path.rpartition("/")[2]
        if asked.path.startswith("/v2/charts/base/manifests/") and name in ("1.31.0", digest(self.manifest)):
            return Reply(
                self.manifest, 200, {"Content-Type": self.kind, "Docker-Content-Digest": digest(self.manifest)}
            )
        if name in self.blobs:
            return Reply(self.blobs[name], 200, {"Content-Type": "application/octet-stream"})
        return Reply({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "no such chart"}]}, 404)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Registry, Api]]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = Registry()
    with serving(made.answer) as api:
        yield made, api


def place(api: Api) -> str:
    return f"oci://{urlsplit(api.address).netloc}/charts"


def test_a_chart_is_pulled_once_and_rendered(registry: tuple[Registry, Api]) -> None:
    made, api = registry
    for _ in range(2):
        [config] = render_base(HelmEngine(place(api), ENGINE), PROFILES[ProfileName.AKS], NEW, "asm-1-31")
    assert config["metadata"] == {"name": "asm-1-31", "namespace": "aks-istio-system"}
    assert config["data"] == {"ns": "aks-istio-system"}
    assert sorted(made.asked) == sorted(set(made.asked))


def test_a_version_that_is_not_there_is_refused_and_leaves_nothing_behind(
    registry: tuple[Registry, Api], tmp_path: Path
) -> None:
    _, api = registry
    with pytest.raises(Refused, match=r"1\.30\.0"):
        render_base(HelmEngine(place(api), ENGINE), PROFILES[ProfileName.AKS], Version(1, 30, 0), "asm-1-30")
    assert not list((tmp_path / "cache").rglob("*.tgz"))
