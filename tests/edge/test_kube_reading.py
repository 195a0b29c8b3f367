"""What a reader sees of lists, objects and kinds, whatever the API server does meanwhile."""

import json
from pathlib import Path

import pytest
from loopback_api import Asked, Reply, Respond, objects, serving, status

from pilotage.domain.errors import Refused, Retry
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.domain.version import Version

NOT_FOUND = status(404, "NotFound", "the server could not find the requested resource")


def pods(folder: Path, respond: Respond) -> list[str]:
    with serving(respond) as api:
        return [pod["metadata"]["name"] for pod in api.connect(folder).list("v1", "Pod")]


def test_a_list_in_pages_is_read_to_its_end(tmp_path: Path) -> None:
    told = {"": objects("a", "b", more="2nd"), "2nd": objects("c", more="3rd"), "3rd": objects("d")}
    assert pods(tmp_path, lambda asked: told[asked.query.get("continue", "")]) == ["a", "b", "c", "d"]


def test_an_expired_list_goes_on_with_the_token_that_the_api_server_offers(tmp_path: Path) -> None:
    expired = status(410, "Expired", "too old", metadata={"continue": "fresh"})
    told = {"": objects("a", more="old"), "old": expired, "fresh": objects("b")}
    assert pods(tmp_path, lambda asked: told[asked.query.get("continue", "")]) == ["a", "b"]


def test_an_expired_list_without_a_token_starts_over_and_tells_nothing_twice(tmp_path: Path) -> None:
    script = iter([objects("a", more="old"), status(410, "Expired", "too old"), objects("a", more="new"), objects("b")])
    assert pods(tmp_path, lambda _: next(script)) == ["a", "b"]


def test_a_list_that_expires_for_ever_ends_as_something_to_try_later(tmp_path: Path) -> None:
    with pytest.raises(Retry, match="too old"):
        pods(
            tmp_path,
            lambda asked: status(410, "Expired", "too old") if asked.query.get("continue") else objects("a", more="x"),
        )


def test_items_carry_the_kind_that_lists_leave_out(tmp_path: Path) -> None:
    with serving(lambda _: objects("a")) as api:
        (item,) = api.connect(tmp_path).list("v1", "Pod", "shop")
    assert (item["apiVersion"], item["kind"]) == ("v1", "Pod")


def test_a_list_of_nothing_may_be_null(tmp_path: Path) -> None:
    assert pods(tmp_path, lambda _: Reply({"items": None, "metadata": {}})) == []


@pytest.mark.parametrize(
    ("api_version", "kind"), [("pilotage.dev/v1alpha1", "ServiceMesh"), ("example.org/v1", "Thing")]
)
def test_a_kind_that_is_not_installed_has_no_objects(tmp_path: Path, api_version: str, kind: str) -> None:
    with serving(lambda _: NOT_FOUND) as api:
        kube = api.connect(tmp_path)
        assert kube.list(api_version, kind) == []
        assert list(kube.list_pages(api_version, kind)) == []
        assert kube.get(ObjectRef(api_version, kind, "shop", "x")) is None
        assert kube.delete(ObjectRef(api_version, kind, "shop", "x")) is False


def test_raw_pages_are_what_the_api_server_wrote(tmp_path: Path) -> None:
    with serving(lambda asked: objects("b") if asked.query.get("continue") else objects("a", more="x")) as api:
        pages = [json.loads(page) for page in api.connect(tmp_path).list_pages("v1", "Pod")]
    assert [item["metadata"]["name"] for page in pages for item in page["items"]] == ["a", "b"]


@pytest.mark.parametrize(
    "order",
    [("metadata", "items"), ("items", "metadata")],
    ids=["metadata first", "items first"],
)
def test_a_list_in_pages_is_told_whole_however_its_fields_are_ordered(tmp_path: Path, order: tuple[str, str]) -> None:
    def page(asked: Asked) -> Reply:
        more = "" if asked.query.get("continue") else "x"
        name = "b" if asked.query.get("continue") else "a"
        item = {"metadata": {"name": name, "annotations": {"odd": ',"items":[{}]'}}}
        whole = {"metadata": {"continue": more, "resourceVersion": "7"}, "items": [item]}
        ordered = {"kind": "PodList", "apiVersion": "v1", **{key: whole[key] for key in order}}
        return Reply(json.dumps(ordered, separators=(",", ":")).encode())

    assert pods(tmp_path, page) == ["a", "b"]


def test_an_object_that_is_not_there_is_none(tmp_path: Path) -> None:
    with serving(lambda _: NOT_FOUND) as api:
        assert api.connect(tmp_path).get(ObjectRef("v1", "Pod", "shop", "cart")) is None


def test_the_version_of_a_distributor_reads_as_a_version(tmp_path: Path) -> None:
    with serving(lambda _: Reply({"gitVersion": "v1.34.2-eks-ac2d5a0"})) as api:
        assert api.connect(tmp_path).version() == Version(1, 34, 2)


def discovery(asked: Asked) -> Reply:
    """networking.istio.io with v1 preferred, where EnvoyFilter lives in v1alpha3 only."""
    gateway = {"name": "gateways", "kind": "Gateway", "namespaced": True}
    state = {"name": "gateways/status", "kind": "Gateway", "namespaced": True}
    filters = {"name": "envoyfilters", "kind": "EnvoyFilter", "namespaced": True}
    groups = [
        {"name": "apps", "versions": [{"groupVersion": "apps/v1"}]},
        {
            "name": "networking.istio.io",
            "versions": [{"groupVersion": f"networking.istio.io/{version}"} for version in ("v1", "v1alpha3")],
        },
    ]
    served: dict[str, Obj] = {
        "/apis": {"groups": groups},
        "/apis/networking.istio.io/v1": {"resources": [gateway, state]},
        "/apis/networking.istio.io/v1alpha3": {"resources": [filters, gateway]},
        "/apis/networking.istio.io/v1/gateways": {"items": [{"metadata": {"name": "edge"}}]},
    }
    return Reply(served[asked.path]) if asked.path in served else NOT_FOUND


def test_every_kind_of_a_group_is_found_once_in_its_preferred_version(tmp_path: Path) -> None:
    with serving(discovery) as api:
        assert api.connect(tmp_path).resources("istio.io") == [
            ("networking.istio.io/v1", "Gateway", True),
            ("networking.istio.io/v1alpha3", "EnvoyFilter", True),
        ]


def test_a_kind_that_no_table_knows_is_found_by_discovery(tmp_path: Path) -> None:
    with serving(discovery) as api:
        (gateway,) = api.connect(tmp_path).list("networking.istio.io/v1", "Gateway")
    assert gateway["metadata"]["name"] == "edge"


def test_a_kind_installed_after_the_first_look_is_found(tmp_path: Path) -> None:
    with serving(lambda _: NOT_FOUND) as api:
        kube = api.connect(tmp_path)
        assert kube.list("networking.istio.io/v1", "Gateway") == []
        api.respond = discovery
        assert len(kube.list("networking.istio.io/v1", "Gateway")) == 1


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_lead_to_a_whole_collection_is_refused(tmp_path: Path, name: str) -> None:
    with serving(lambda _: Reply({})) as api, pytest.raises(Refused, match="is no name of a Pod"):
        api.connect(tmp_path).delete(ObjectRef("v1", "Pod", "shop", name))


def test_a_namespaced_object_without_a_namespace_is_refused(tmp_path: Path) -> None:
    with serving(lambda _: Reply({})) as api, pytest.raises(Refused, match="ConfigMap istio names no namespace"):
        api.connect(tmp_path).get(ObjectRef("v1", "ConfigMap", "", "istio"))
