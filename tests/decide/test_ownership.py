"""Who owns a field: samples of objects as real tools leave them."""

from typing import Any

import pytest

from pilotage.decide.ownership import Step, owner_of
from pilotage.domain.objects import Obj
from worlds import managed

HOOK = 'k:{"name":"rev.namespace.sidecar-injector.istio.io"}'
HOOK_STEP = {"name": "rev.namespace.sidecar-injector.istio.io"}
BUNDLE: tuple[Step, ...] = ("webhooks", HOOK_STEP, "clientConfig", "caBundle")
POLICY: tuple[Step, ...] = ("webhooks", HOOK_STEP, "failurePolicy")
SERVICE: tuple[Step, ...] = ("webhooks", HOOK_STEP, "clientConfig", "service", "name")
LABEL = ("metadata", "labels", "istio.io/rev")
TRACKING = {"argocd.argoproj.io/tracking-id": "shop:/Namespace:shop/shop"}
RELEASE = {"meta.helm.sh/release-name": "istiod"}


def space(*entries: Obj, annotations: dict[str, str] | None = None, **labels: str) -> Obj:
    """A namespace labelled istio.io/rev, with these managedFields, annotations and more labels."""
    named = {"istio.io/rev": "asm-1-30"} | {key.replace("__", "/").replace("_", "."): v for key, v in labels.items()}
    return {"metadata": {"labels": named, "annotations": annotations or {}, "managedFields": list(entries)}}


@pytest.mark.parametrize(
    ("sentence", "obj", "path", "owner"),
    [
        ("nobody is known to have written it", space(), LABEL, None),
        ("a label set with kubectl is nobody's", space(managed("kubectl-label", *LABEL)), LABEL, None),
        ("one applied with kubectl is nobody's", space(managed("kubectl", *LABEL, operation="Apply")), LABEL, None),
        ("client-side apply is nobody's", space(managed("kubectl-client-side-apply", *LABEL)), LABEL, None),
        ("a dashboard owns nothing", space(managed("dashboard", *LABEL)), LABEL, None),
        ("k9s owns nothing", space(managed("k9s", *LABEL)), LABEL, None),
        ("Pilotage is not in its own way", space(managed("pilotage", *LABEL, operation="Apply")), LABEL, None),
        ("Argo CD applied it", space(managed("argocd-controller", *LABEL)), LABEL, "Argo CD"),
        (
            "Argo CD holds another field only",
            space(managed("argocd-controller", "metadata", "labels", "team"), managed("kubectl-label", *LABEL)),
            LABEL,
            None,
        ),
        ("Argo CD tracks the object", space(annotations=TRACKING), LABEL, "Argo CD"),
        (
            "Argo CD tracks the object by label",
            {"metadata": {"labels": {"istio.io/rev": "x", "argocd.argoproj.io/instance": "shop"}}},
            LABEL,
            "Argo CD",
        ),
        (
            "a tracked object without the label: adding one lasts",
            {"metadata": {"annotations": TRACKING}},
            LABEL,
            None,
        ),
        ("Flux applied it", space(managed("kustomize-controller", *LABEL, operation="Apply")), LABEL, "Flux"),
        ("Flux installed its chart", space(managed("helm-controller", *LABEL)), LABEL, "Flux"),
        ("a Helm release has it", space(annotations=RELEASE), LABEL, "Helm"),
        (
            "the charts print managed-by everywhere: that is no owner",
            {"metadata": {"labels": {"istio.io/rev": "x", "app.kubernetes.io/managed-by": "Helm"}}},
            LABEL,
            None,
        ),
        (
            "istioctl copied the mark of the release from the revision's object",
            space(managed("istio-ci", "metadata", "annotations", "meta.helm.sh/release-name"), annotations=RELEASE),
            LABEL,
            None,
        ),
        (
            "a mark written by kubectl adopts the object into the release",
            space(managed("kubectl", "metadata", "annotations", "meta.helm.sh/release-name"), annotations=RELEASE),
            LABEL,
            "Helm",
        ),
        ("Terraform labels it", space(managed("Terraform", *LABEL, operation="Apply")), LABEL, "Terraform"),
        ("Pulumi labels it", space(managed("pulumi-kubernetes-3f2a", *LABEL)), LABEL, "Pulumi"),
        (
            "the Sail operator keeps what its resource owns",
            {
                "metadata": {
                    "labels": {"istio.io/rev": "x"},
                    "ownerReferences": [{"apiVersion": "sailoperator.io/v1", "kind": "IstioRevision", "name": "x"}],
                }
            },
            LABEL,
            "Sail operator",
        ),
        (
            "the AKS add-on keeps what it marks",
            {"metadata": {"labels": {"istio.io/rev": "x", "kubernetes.azure.com/managedby": "aks"}}},
            LABEL,
            "AKS add-on",
        ),
        (
            "istiod fills the caBundle of a webhook",
            {"metadata": {"managedFields": [managed("pilot-discovery", "webhooks", HOOK, "clientConfig", "caBundle")]}},
            BUNDLE,
            "istiod",
        ),
        (
            "istiod decides when its validator fails closed",
            {"metadata": {"managedFields": [managed("pilot-discovery", "webhooks", HOOK, "failurePolicy")]}},
            POLICY,
            "istiod",
        ),
        (
            "istiod rewrites whole webhooks, but owns no other field of them",
            {"metadata": {"managedFields": [managed("pilot-discovery", "webhooks", HOOK, "clientConfig", "service")]}},
            SERVICE,
            None,
        ),
        (
            "another webhook of the same object is another field",
            {"metadata": {"managedFields": [managed("argocd-controller", "webhooks", 'k:{"name":"b"}', "rules")]}},
            POLICY,
            None,
        ),
        (
            "who holds a list as one value holds its items",
            {"metadata": {"managedFields": [managed("argocd-controller", "webhooks")]}},
            POLICY,
            "Argo CD",
        ),
        (
            "an item of a set is held by value",
            {"metadata": {"managedFields": [managed("argocd-controller", "metadata", "finalizers", 'v:"a"')]}},
            ("metadata", "finalizers", "a"),
            "Argo CD",
        ),
    ],
)
def test_the_owner_of_a_field_is_who_would_put_it_back(
    sentence: str, obj: Obj, path: tuple[Any, ...], owner: str | None
) -> None:
    found = owner_of(obj, path)
    assert (found.name if found else None) == owner, sentence


def test_the_evidence_says_where_to_look() -> None:
    assert str(owner_of(space(annotations=RELEASE), LABEL)) == "Helm (annotation meta.helm.sh/release-name=istiod)"
    assert str(owner_of(space(managed("Terraform", *LABEL)), LABEL)) == "Terraform (field manager Terraform)"
