"""Charts: Istio's own, rendered by Helm's own engine."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from pilotage.domain.errors import Refused
from pilotage.domain.mesh import ProfileName
from pilotage.domain.objects import Obj, labels_of
from pilotage.domain.profile import PROFILES, Profile
from pilotage.domain.state import Revision
from pilotage.domain.version import Version
from pilotage.edge.chart_source import plain_http
from pilotage.edge.charts import (
    HelmBinary,
    HelmEngine,
    Remembering,
    Renderer,
    beginning,
    render_base,
    render_revision,
)

ENGINE = Path(pytest.importorskip("helm_python").__file__)

AKS = PROFILES[ProfileName.AKS]
ISTIO = PROFILES[ProfileName.ISTIO]
NEW = Version(1, 31, 0)


@pytest.fixture(scope="session")
def charts(istio_charts: Path) -> Renderer:
    return Remembering(HelmEngine(str(istio_charts), ENGINE))


def _one(objects: tuple[Obj, ...], kind: str) -> Obj:
    [found] = [obj for obj in objects if obj["kind"] == kind]
    return found


def _revision(charts: Renderer, *layers: Obj, profile: Profile = AKS, name: str = "asm-1-31") -> tuple[Obj, ...]:
    return render_revision(charts, profile, Revision(name, NEW), layers)


def test_the_base_brings_crds_first_and_the_default_validator_last(charts: Renderer) -> None:
    objects = render_base(charts, AKS, NEW, "asm-1-31")
    assert Counter(obj["kind"] for obj in objects)["CustomResourceDefinition"] == 15
    assert objects[0]["kind"] == "CustomResourceDefinition"
    validator = objects[-1]
    assert validator["metadata"]["name"] == "istiod-default-validator"
    service = validator["webhooks"][0]["clientConfig"]["service"]
    assert (service["namespace"], service["name"]) == ("aks-istio-system", "istiod-asm-1-31")


def test_a_revision_is_eighteen_objects_that_name_it_and_its_namespace(charts: Renderer) -> None:
    objects = _revision(charts)
    assert len(objects) == 18
    assert objects[-1]["kind"].endswith("WebhookConfiguration")
    assert all("asm-1-31" in obj["metadata"]["name"] for obj in objects)
    namespaced = {obj["metadata"]["namespace"] for obj in objects if "namespace" in obj["metadata"]}
    assert namespaced == {"aks-istio-system"}


def test_the_unnamed_revision_has_names_without_suffix(charts: Renderer) -> None:
    objects = _revision(charts, profile=ISTIO, name="default")
    assert _one(objects, "Deployment")["metadata"]["name"] == "istiod"
    assert labels_of(_one(objects, "Deployment"))["istio.io/rev"] == "default"


def test_no_object_says_that_helm_manages_it(charts: Renderer) -> None:
    for obj in (*render_base(charts, AKS, NEW, "asm-1-31"), *_revision(charts)):
        assert "app.kubernetes.io/managed-by" not in labels_of(obj)
        assert not any(key.startswith("meta.helm.sh/") for key in obj["metadata"].get("annotations") or {})


def test_istiod_reads_the_shared_mesh_configuration_of_its_revision(charts: Renderer) -> None:
    [container] = _one(_revision(charts), "Deployment")["spec"]["template"]["spec"]["containers"]
    env = {item["name"]: item.get("value") for item in container["env"]}
    assert env["SHARED_MESH_CONFIG"] == "istio-shared-configmap-asm-1-31"
    assert container["image"] == "mcr.microsoft.com/oss/istio/pilot:1.31.0"


def test_the_provider_profile_names_the_whole_proxy_image_where_the_guide_looks(charts: Renderer) -> None:
    injector = next(obj for obj in _revision(charts) if obj["metadata"]["name"] == "istio-sidecar-injector-asm-1-31")
    values = yaml.safe_load(injector["data"]["values"])
    assert values["global"]["proxy"]["image"] == "mcr.microsoft.com/oss/istio/proxyv2:1.31.0-distroless"


def test_the_provider_profile_runs_two_to_five_replicas_with_a_budget(charts: Renderer) -> None:
    objects = _revision(charts)
    spec = _one(objects, "HorizontalPodAutoscaler")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)
    assert "replicas" not in _one(objects, "Deployment")["spec"]
    assert _one(objects, "PodDisruptionBudget")


def test_values_of_the_mesh_win_over_the_profile_and_those_of_the_revision_over_both(charts: Renderer) -> None:
    mesh = {"autoscaleMin": 3, "autoscaleMax": 7, "global": {"hub": "example.org/istio"}}
    objects = _revision(charts, mesh, {"autoscaleMax": 9})
    spec = _one(objects, "HorizontalPodAutoscaler")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 9)
    [container] = _one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "example.org/istio/pilot:1.31.0"


def _mesh(objects: tuple[Obj, ...]) -> Obj:
    config = next(obj for obj in objects if obj["metadata"]["name"] == "istio-asm-1-31")
    mesh: Obj = yaml.safe_load(config["data"]["mesh"])
    return mesh


def test_the_managed_mesh_configuration_repeats_no_default_that_the_user_may_change(charts: Renderer) -> None:
    assert _mesh(_revision(charts)) == {
        "defaultConfig": {"discoveryAddress": "istiod-asm-1-31.aks-istio-system.svc:15012"},
        "defaultProviders": {"metrics": ["prometheus"]},
        "rootNamespace": "aks-istio-system",
    }


def test_what_values_ask_of_the_mesh_configuration_is_managed_even_if_it_is_a_default(charts: Renderer) -> None:
    mesh = _mesh(_revision(charts, {"meshConfig": {"trustDomain": "cluster.local", "enableTracing": True}}))
    assert mesh["trustDomain"] == "cluster.local"
    assert mesh["enableTracing"] is True


@pytest.mark.parametrize(
    "values",
    [
        {"revision": "other"},
        {"pilot": {"env": {"SHARED_MESH_CONFIG": "mine"}}},
        {"global": {"istioNamespace": "other"}},
        {"revisionTags": ["prod"]},
    ],
)
def test_values_that_name_a_control_plane_anew_are_refused(charts: Renderer, values: Obj) -> None:
    with pytest.raises(Refused, match="is set by Pilotage"):
        _revision(charts, values)


def test_the_words_of_the_engine_reach_the_user(charts: Renderer) -> None:
    with pytest.raises(Refused, match="unknown profile nonsense"):
        _revision(charts, {"profile": "nonsense"})


def test_a_folder_without_charts_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=f"No chart base of version 1.31.0 in {tmp_path}"):
        render_base(HelmEngine(str(tmp_path), ENGINE), AKS, NEW, "asm-1-31")


def test_the_version_stands_in_the_path_and_the_published_layout_is_found(istio_charts: Path, tmp_path: Path) -> None:
    (tmp_path / "1.31.0").mkdir()
    (tmp_path / "1.31.0" / "istiod").symlink_to(istio_charts / "istio-control" / "istio-discovery")
    objects = _revision(HelmEngine(str(tmp_path / "{version}"), ENGINE))
    assert _one(objects, "Deployment")["metadata"]["name"] == "istiod-asm-1-31"


def test_a_caller_may_change_what_it_was_given(charts: Renderer) -> None:
    _one(_revision(charts), "Deployment")["metadata"]["labels"]["mine"] = "yes"
    assert "mine" not in labels_of(_one(_revision(charts), "Deployment"))


@pytest.mark.parametrize(
    ("reference", "plain"),
    [
        ("oci://127.0.0.1:5000/charts", True),
        ("oci://localhost/charts", True),
        ("oci://[::1]:5000/charts", True),
        ("oci://example.org/charts", False),
        ("oci://127.0.0.1.example.org/charts", False),
    ],
)
def test_only_a_registry_on_this_machine_is_asked_without_tls(reference: str, plain: bool) -> None:
    assert plain_http(reference) is plain


def test_a_helm_binary_gives_the_same_kind_of_objects(istio_charts: Path, tmp_path: Path) -> None:
    helm = tmp_path / "helm"
    helm.write_text("#!/bin/sh\ncat <<'END'\n---\napiVersion: v1\nkind: Service\nmetadata: {name: istiod}\nEND\n")
    helm.chmod(0o755)
    [service] = _revision(HelmBinary(str(istio_charts), str(helm)))
    assert service["metadata"]["namespace"] == "aks-istio-system"


def test_what_a_helm_binary_says_when_it_fails_reaches_the_user(istio_charts: Path, tmp_path: Path) -> None:
    helm = tmp_path / "helm"
    helm.write_text("#!/bin/sh\necho 'Error: no such template' >&2\nexit 1\n")
    helm.chmod(0o755)
    with pytest.raises(Refused, match="no such template"):
        _revision(HelmBinary(str(istio_charts), str(helm)))


def _counting(tmp_path: Path) -> tuple[Path, Path]:
    """A helm, and the file to which it adds a line whenever it runs."""
    helm, runs = tmp_path / "helm", tmp_path / "runs"
    service = "apiVersion: v1\\nkind: Service\\nmetadata: {name: istiod}\\n"
    helm.write_text(f"#!/bin/sh\necho run >> {runs}\nprintf '{service}'\n")
    helm.chmod(0o755)
    return helm, runs


@pytest.fixture
def chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A chart in a folder, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "charts" / "istiod").mkdir(parents=True)
    (tmp_path / "charts" / "istiod" / "Chart.yaml").write_text("name: istiod\n")
    return tmp_path / "charts" / "istiod"


def test_what_was_rendered_before_is_not_rendered_again_by_the_next_process(chart: Path, tmp_path: Path) -> None:
    helm, runs = _counting(tmp_path)
    first = _revision(HelmBinary(str(chart.parent), str(helm)))
    assert _revision(HelmBinary(str(chart.parent), str(helm))) == first
    assert runs.read_text().count("run") == 1


def test_other_values_another_chart_or_another_helm_are_rendered_anew(chart: Path, tmp_path: Path) -> None:
    helm, runs = _counting(tmp_path)
    charts = HelmBinary(str(chart.parent), str(helm))
    _revision(charts)
    _revision(charts, {"autoscaleMin": 3})
    (chart / "values.yaml").write_text("a: 1\n")
    _revision(charts)
    os.utime(helm, ns=(1, 1))
    _revision(charts)
    assert runs.read_text().count("run") == 4


@pytest.mark.parametrize("kept_by", [Remembering, lambda charts: charts], ids=["one process", "the disk"])
def test_what_is_asked_for_at_every_look_stays_however_often_other_values_change(
    chart: Path, tmp_path: Path, kept_by: Callable[[Renderer], Renderer]
) -> None:
    helm, runs = _counting(tmp_path)
    charts = kept_by(HelmBinary(str(chart.parent), str(helm)))
    for edit in range(10, 40):
        _revision(charts)
        _revision(charts, {"autoscaleMin": edit})
    assert runs.read_text().count("run") == 31


def test_rendered_charts_are_for_their_owner_only(chart: Path, tmp_path: Path) -> None:
    helm, runs = _counting(tmp_path)
    charts = HelmBinary(str(chart.parent), str(helm))
    _revision(charts)
    folder = tmp_path / "cache" / "pilotage" / "rendered"
    [answer] = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, answer.stat().st_mode & 0o777) == (0o700, 0o600)

    folder.chmod(0o755)
    _revision(charts)
    assert runs.read_text().count("run") == 2


def test_who_asks_is_told_before_charts_are_rendered_and_not_for_what_was_kept(charts: Renderer) -> None:
    told: list[str] = []
    values = {"env": {"NEVER_BEFORE": str(uuid4())}}
    with beginning(lambda: told.append("begins")):
        _revision(charts, values)
        _revision(charts, values)
    assert told == ["begins"]
