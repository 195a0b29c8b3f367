"""Istio's chart `gateway`, as a gateway of one revision: names of its own, a drain, and nothing of the user's taken."""

from pathlib import Path
from typing import Any

import pytest

from pilotage.domain.errors import Refused
from pilotage.domain.mesh import Gateway, GatewayType, ProfileName
from pilotage.domain.objects import Obj
from pilotage.domain.profile import PROFILES
from pilotage.domain.state import Revision
from pilotage.domain.version import Version
from pilotage.edge.charts import HelmEngine, Remembering, Renderer
from pilotage.edge.gateways import render_gateway

ENGINE = Path(pytest.importorskip("helm_python").__file__)
OLD, NEW = Revision("asm-1-30", Version(1, 30, 5)), Revision("asm-1-31", Version(1, 31, 0))


@pytest.fixture(scope="session")
def charts(istio_charts: Path) -> Renderer:
    return Remembering(HelmEngine(str(istio_charts), ENGINE))


def rendered(charts: Renderer, revision: Revision = NEW, **gateway: Any) -> dict[str, Obj]:
    """By kind."""
    asked = {"name": "edge", "type": GatewayType.EXTERNAL, "namespace": "doors"} | gateway
    objects = render_gateway(charts, PROFILES[ProfileName.AKS], revision, Gateway(**asked))
    return {obj["kind"]: obj for obj in objects}


def test_a_gateway_of_a_revision_is_all_but_the_service(charts: Renderer) -> None:
    objects = rendered(charts)
    assert objects.keys() == {
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "Deployment",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
    }
    assert {obj["metadata"]["name"] for obj in objects.values()} == {"edge-asm-1-31"}
    assert {obj["metadata"]["namespace"] for obj in objects.values()} == {"doors"}
    assert objects["RoleBinding"]["subjects"][0]["namespace"] == "doors"


def test_selectors_differ_by_revision_and_pods_carry_what_the_service_selects(charts: Renderer) -> None:
    both = [rendered(charts, revision) for revision in (OLD, NEW)]
    for kind in ("Deployment", "PodDisruptionBudget"):
        old, new = (each[kind]["spec"]["selector"]["matchLabels"] for each in both)
        assert old["app"] != new["app"]
        assert old["istio"] == new["istio"] == "edge"
    for revision, each in zip((OLD, NEW), both, strict=True):
        template = each["Deployment"]["spec"]["template"]["metadata"]
        assert template["labels"]["istio.io/rev"] == revision.name
        assert template["annotations"]["pilotage.dev/istio-version"] == str(revision.version)


def test_replicas_are_the_autoscalers(charts: Renderer) -> None:
    objects = rendered(charts)
    assert "replicas" not in objects["Deployment"]["spec"]
    assert objects["HorizontalPodAutoscaler"]["spec"]["minReplicas"] == 2


@pytest.mark.parametrize(("asked", "drain", "grace"), [({}, "30s", 120), ({"drain_seconds": 5}, "5s", 95)])
def test_a_pod_that_goes_serves_on_and_has_longer_than_that(
    charts: Renderer, asked: dict[str, Any], drain: str, grace: int
) -> None:
    spec = rendered(charts, **asked)["Deployment"]["spec"]["template"]["spec"]
    env = {each["name"]: each["value"] for each in spec["containers"][0]["env"]}
    assert env == {"EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "true", "MINIMUM_DRAIN_DURATION": drain}
    assert spec["terminationGracePeriodSeconds"] == grace


def test_a_pod_that_comes_counts_once_load_balancers_have_seen_it(charts: Renderer) -> None:
    """One that counted at once could take over for another while no load balancer sends it anything yet."""
    assert rendered(charts)["Deployment"]["spec"]["minReadySeconds"] == 20


def test_values_of_the_user_go_over_ours(charts: Renderer) -> None:
    values = {
        "minReadySeconds": 45,
        "autoscaling": {"minReplicas": 3},
        "terminationGracePeriodSeconds": 600,
        "podAnnotations": {"a": "b"},
    }
    objects = rendered(charts, values=values)
    assert objects["HorizontalPodAutoscaler"]["spec"]["minReplicas"] == 3
    template = objects["Deployment"]["spec"]["template"]
    assert template["spec"]["terminationGracePeriodSeconds"] == 600
    assert objects["Deployment"]["spec"]["minReadySeconds"] == 45
    assert template["metadata"]["annotations"]["a"] == "b"
    assert template["metadata"]["annotations"]["inject.istio.io/templates"] == "gateway"


@pytest.mark.parametrize(
    "values",
    [{"revision": "other"}, {"name": "other"}, {"kind": "DaemonSet"}, {"service": {}}, {"labels": {"app": "other"}}],
)
def test_values_that_would_change_names_or_selectors_are_refused(charts: Renderer, values: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        rendered(charts, values=values)
    assert refused.value.fix


def test_a_name_that_no_label_can_hold_is_refused(charts: Renderer) -> None:
    long = Revision("a" * 40, NEW.version)
    with pytest.raises(Refused, match="63 letters"):
        rendered(charts, long, name="b" * 40)
