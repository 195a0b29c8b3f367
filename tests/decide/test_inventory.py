"""What we hold of an object, and when it differs."""

import copy
from typing import Any

import pytest

from pilotage.decide.inventory import held, is_ours, stamped, without_newer_crds, writes
from pilotage.domain.actions import Apply
from pilotage.domain.names import CREATE_MANAGER, MANAGER, OWNER_LABEL
from pilotage.domain.objects import Obj, ref_of
from pilotage.domain.version import Version

V130, V131 = Version(1, 30, 4), Version(1, 31, 0)


def config(**data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "m"}, "data": data}


def autoscaler(minimum: int = 2) -> Obj:
    meta = {"name": "istiod", "namespace": "m"}
    spec = {"minReplicas": minimum, "maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "istiod"}}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}


def validator() -> Obj:
    webhook = {"name": "v", "clientConfig": {"service": {"name": "istiod"}}, "failurePolicy": "Ignore"}
    meta = {"name": "istio-validator"}
    kind = "ValidatingWebhookConfiguration"
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": meta, "webhooks": [webhook]}


def crd() -> Obj:
    meta = {"name": "gateways.networking.istio.io"}
    kind = "CustomResourceDefinition"
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": kind, "metadata": meta, "spec": {"group": "x"}}


def live(obj: Obj, part: str = "asm-1-30", version: Version = V130) -> Obj:
    """As it stands in the cluster after we wrote it."""
    ours = stamped(obj, part, version)
    return ours | {"metadata": held(ours)["metadata"]}


def changed(obj: Obj, *path: Any, to: Any) -> Obj:
    """A copy in which somebody set one field."""
    copied = copy.deepcopy(obj)
    place: Any = copied
    for step in path[:-1]:
        place = place[step]
    if isinstance(place, list) and path[-1] == len(place):
        place.append(to)
    else:
        place[path[-1]] = to
    return copied


def test_an_object_that_stands_as_applied_is_not_written() -> None:
    for obj in (config(mesh="a"), autoscaler(), validator()):
        assert writes(stamped(obj, "asm-1-30", V130), live(obj), "why") == ()


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(("data", "mesh"), id="a value that somebody edited is put back"),
        pytest.param(("metadata", "labels", OWNER_LABEL), id="our label that somebody changed is put back"),
    ],
)
def test_a_field_of_ours_is_mended(path: tuple[str, ...]) -> None:
    obj = config(mesh="a")
    assert writes(stamped(obj, "asm-1-30", V130), changed(live(obj), *path, to="edited"), "why") != ()


@pytest.mark.parametrize(
    ("obj", "path", "to"),
    [
        pytest.param(autoscaler(), ("spec", "minReplicas"), 7, id="the spec of an HPA is the user's"),
        pytest.param(validator(), ("webhooks", 0, "failurePolicy"), "Fail", id="failurePolicy is istiod's"),
        pytest.param(validator(), ("webhooks", 0, "clientConfig", "caBundle"), "Y2E=", id="caBundle is istiod's"),
        pytest.param(config(mesh="a"), ("metadata", "labels", "team"), "x", id="a label that we do not set"),
        pytest.param(validator(), ("webhooks", 1), {"name": "w"}, id="a webhook that another added"),
    ],
)
def test_a_field_of_another_owner_is_left_alone(obj: Obj, path: tuple[Any, ...], to: Any) -> None:
    assert writes(stamped(obj, "asm-1-30", V130), changed(live(obj), *path, to=to), "why") == ()


def test_a_key_that_the_chart_dropped_is_given_up() -> None:
    before, after = config(mesh="a", old="b"), config(mesh="a")
    assert writes(stamped(after, "asm-1-30", V130), live(before), "why") != ()


def test_the_same_quantity_written_otherwise_does_not_differ() -> None:
    obj = config() | {"spec": {"cpu": "1000m", "memory": "2048Mi", "empty": {}}}
    there = live(obj) | {"spec": {"cpu": "1", "memory": "2Gi"}}
    assert writes(stamped(obj, "asm-1-30", V130), there, "why") == ()


def test_an_object_with_fields_of_others_is_created_whole_and_then_held_in_part() -> None:
    ours = stamped(autoscaler(), "asm-1-30", V130)
    whole, part = writes(ours, None, "why")
    assert isinstance(whole, Apply)
    assert isinstance(part, Apply)
    assert (whole.manager, whole.body["spec"]["minReplicas"]) == (CREATE_MANAGER, 2)
    assert (part.manager, list(part.body["spec"])) == (MANAGER, ["scaleTargetRef"])


def test_an_object_that_is_all_ours_is_created_in_one_write() -> None:
    assert len(writes(stamped(config(mesh="a"), "asm-1-30", V130), None, "why")) == 1


@pytest.mark.parametrize(
    ("there", "kept"),
    [
        pytest.param(None, True, id="a missing CRD is applied"),
        pytest.param(live(crd(), "base", V130), True, id="an older one is brought up"),
        pytest.param(live(crd(), "base", V131), True, id="the same is looked at"),
        pytest.param(live(crd(), "base", Version(1, 100)), False, id="a newer one is never rolled back"),
        pytest.param(crd(), False, id="another owner's is left alone"),
    ],
)
def test_crds_are_only_added_to(there: Obj | None, kept: bool) -> None:
    ours = stamped(crd(), "base", V131)
    assert bool(without_newer_crds([ours], {ref_of(ours): there} if there else {})) is kept


def test_a_crd_read_as_metadata_is_compared_by_its_digest() -> None:
    there = {key: value for key, value in live(crd(), "base").items() if key != "spec"}
    assert writes(stamped(crd(), "base", V130), there, "why") == ()


def test_a_tag_that_istioctl_made_of_our_revision_is_not_ours() -> None:
    copied = live(validator())
    copied["metadata"]["labels"]["istio.io/tag"] = "prod-stable"
    assert is_ours(live(validator()))
    assert not is_ours(copied)
