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

from pilotage.domain.errors import NoCharts, Refused
from pilotage.domain.mesh import ProfileName
from pilotage.domain.objects import Obj
from pilotage.domain.profile import PROFILES
from pilotage.domain.version import Version
from pilotage.edge.chart_source import not_pulled
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


def test_a_registry_that_cannot_serve_now_is_to_be_tried_again() -> None:
    with serving(lambda _: Reply({"errors": []}, 503)) as api, pytest.raises(NoCharts, match=r"503.*HTTPS_PROXY"):
        pulled(place(api))


@pytest.mark.parametrize("answer", [401, 403, 404])
def test_a_registry_that_says_no_is_a_refusal(answer: int) -> None:
    with serving(lambda _: Reply({"errors": []}, answer)) as api, pytest.raises(Refused, match="cannot be used"):
        pulled(place(api))


def test_a_registry_that_does_not_answer_is_to_be_tried_again() -> None:
    with pytest.raises(NoCharts, match="cannot get the chart oci://127.0.0.1:1/charts/base: .*connection refused"):
        pulled("oci://127.0.0.1:1/charts")


@pytest.mark.parametrize(
    ("words", "becomes"),
    [
        ('Get "https://r.example/v2/": dial tcp: lookup r.example on 192.0.2.1:53: no such host', NoCharts),
        ('Head "https://r.example/v2/": net/http: TLS handshake timeout', NoCharts),
        ('Get "https://r.example/v2/": proxyconnect tcp: dial tcp 192.0.2.2:3128: i/o timeout', NoCharts),
        ('GET "https://r.example/v2/": response status code 429: toomanyrequests: slow down', NoCharts),
        ('GET "https://r.example/token": response status code 502: Bad Gateway', NoCharts),
        ("no answer within 120 s, or killed", NoCharts),
        ('GET "https://r.example/v2/": response status code 403: denied: no', Refused),
        ("invalid reference: invalid repository", Refused),
    ],
)
def test_only_who_says_no_is_not_asked_again(words: str, becomes: type[Exception]) -> None:
    assert type(not_pulled("oci://r.example/charts/base", words)) is becomes


def test_a_chart_that_is_cut_short_is_to_be_tried_again(registry: tuple[Registry, Api], tmp_path: Path) -> None:
    made, _ = registry

    def cut(asked: Asked) -> Reply:
        reply = made.answer(asked)
        return reply._replace(cut=20) if "/blobs/" in asked.path else reply

    with serving(cut) as api, pytest.raises(NoCharts):
        pulled(place(api))
    assert not list((tmp_path / "cache").rglob("*.tgz"))


def pulled(source: str) -> tuple[Obj, ...]:
    return render_base(HelmEngine(source, ENGINE), PROFILES[ProfileName.AKS], NEW, "asm-1-31")


@pytest.mark.parametrize("home", ["a file", "none"])
def test_where_nothing_can_be_kept_the_folder_to_set_is_named(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    if home == "none":
        monkeypatch.delenv("HOME")
        monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    with pytest.raises(Refused, match="cannot be kept in .*: Not a directory") as told:
        pulled("oci://127.0.0.1:1/charts")
    assert told.value.fix == "set XDG_CACHE_HOME to a folder that you may write to"


def test_charts_in_a_folder_need_no_home(istio_charts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    assert pulled(str(istio_charts))
