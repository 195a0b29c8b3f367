"""Manifests: text of an engine made into whole objects, in the order in which they may be applied."""

import pytest

from pilotage.domain.objects import Obj
from pilotage.edge.manifests import in_order, parse, whole


def _obj(kind: str, name: str = "x") -> Obj:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}


def test_empty_documents_and_comments_are_dropped() -> None:
    text = "# nothing\n---\n\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n# end\n"
    assert [obj["metadata"]["name"] for obj in parse(text)] == ["a"]


@pytest.mark.parametrize("scalar", ["2024-01-01", "1:30", "1:30.5", "2024-01-01T00:00:00Z"])
def test_a_date_and_a_time_of_day_stay_text_as_in_kubernetes(scalar: str) -> None:
    [obj] = parse(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{when: {scalar}}}\n")
    assert obj["data"]["when"] == scalar


def test_numbers_and_booleans_stay_what_they_are() -> None:
    [obj] = parse("apiVersion: v1\nkind: X\nmetadata: {name: a}\nspec: {n: 80, f: 1.5, b: true}\n")
    assert obj["spec"] == {"n": 80, "f": 1.5, "b": True}


def test_a_document_that_is_no_object_is_named() -> None:
    with pytest.raises(ValueError, match="not a Kubernetes object: 'Istio base"):
        parse("Istio base successfully installed!\n")


def test_crds_come_first_and_webhooks_last() -> None:
    kinds = ["MutatingWebhookConfiguration", "Deployment", "Strange", "ServiceAccount", "CustomResourceDefinition"]
    ordered = [obj["kind"] for obj in in_order([_obj(kind) for kind in kinds])]
    assert ordered == [
        "CustomResourceDefinition",
        "ServiceAccount",
        "Deployment",
        "Strange",
        "MutatingWebhookConfiguration",
    ]


def test_objects_of_one_kind_keep_the_order_of_the_chart() -> None:
    ordered = in_order([_obj("ConfigMap", "b"), _obj("ConfigMap", "a")])
    assert [obj["metadata"]["name"] for obj in ordered] == ["b", "a"]


def test_a_namespaced_object_says_its_namespace_and_a_cluster_wide_one_has_none() -> None:
    assert whole(_obj("Service"), "mesh")["metadata"]["namespace"] == "mesh"
    assert "namespace" not in whole(_obj("ClusterRole"), "mesh")["metadata"]


def test_helm_is_not_named_as_the_manager_of_an_object_or_of_its_pods() -> None:
    labels = {"app.kubernetes.io/managed-by": "Helm", "app": "istiod"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "istiod", "labels": dict(labels)},
        "spec": {"template": {"metadata": {"labels": dict(labels)}}},
    }
    done = whole(deployment, "mesh")
    assert done["metadata"]["labels"] == {"app": "istiod"}
    assert done["spec"]["template"]["metadata"]["labels"] == {"app": "istiod"}
