"""CustomResourceDefinitions and their objects; the ServiceMesh with its rules."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from client import Obj, Server

from harness import eventually
from pilotage.domain.crd import service_mesh_crd
from pilotage.domain.names import API_VERSION, MESH_KIND

_GROUPS = itertools.count()
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1},
                "color": {"type": "string", "enum": ["red", "green"], "default": "red"},
                "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "parts": {
                    "type": "array",
                    "maxItems": 2,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
                    },
                },
            },
        },
        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    },
}


class Widgets:
    """A kind of the test's own, served."""

    def __init__(self, server: Server) -> None:
        self.server = server
        group = f"g{next(_GROUPS)}.example.com"
        self.root = f"/apis/{group}/v1"
        self.api_version = f"{group}/v1"
        self.crd: Obj = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"widgets.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": "Widget", "plural": "widgets"},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "subresources": {"status": {}},
                        "schema": {"openAPIV3Schema": SCHEMA},
                    }
                ],
            },
        }
        serve(server, self.crd)

    @property
    def path(self) -> str:
        return f"{self.root}/namespaces/{self.server.space}/widgets"

    def widget(self, **spec: Any) -> Obj:
        return {"apiVersion": self.api_version, "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}


def serve(server: Server, crd: Obj) -> None:
    server.create(crd).must(201)

    def served() -> bool:
        conditions = server.get(crd).must().body["status"]["conditions"] or ()
        return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)

    eventually("the kind is served", served)
    spec = crd["spec"]
    path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
    eventually("the kind is listed", lambda: server.ask("GET", path).code == 200)


@pytest.fixture
def widgets(server: Server) -> Iterator[Widgets]:
    made = Widgets(server)
    yield made
    server.delete(made.crd).must()


def test_a_kind_is_served_once_its_definition_is_there(widgets: Widgets) -> None:
    widgets.server.ask("POST", widgets.path, widgets.widget(size=1)).must(201)
    answer = widgets.server.ask("GET", widgets.path).must()
    assert answer.names == ["w"]
    assert answer.body["items"][0]["kind"] == "Widget"


def test_a_kind_is_told_by_discovery(widgets: Widgets) -> None:
    def groups() -> set[str]:
        return {group["name"] for group in widgets.server.ask("GET", "/apis").body["groups"]}

    def resources() -> set[str]:
        answer = widgets.server.ask("GET", widgets.root)
        return {row["name"] for row in answer.body["resources"]} if answer.code == 200 else set()

    eventually("its group is told", lambda: widgets.crd["spec"]["group"] in groups())
    eventually("its resources are told", lambda: resources() == {"widgets", "widgets/status"})


def test_a_kind_is_gone_with_its_definition(server: Server) -> None:
    widgets = Widgets(server)
    server.ask("POST", widgets.path, widgets.widget(size=1)).must(201)
    server.delete(widgets.crd).must()
    eventually("the kind is gone", lambda: server.ask("GET", widgets.path).code == 404)


def test_a_version_that_is_forgotten_has_expired(widgets: Widgets) -> None:
    """However young the server is: what it remembers of a kind begins with its definition."""

    def watched() -> Any:
        asked = widgets.server.ask("GET", widgets.path, watch="1", timeoutSeconds=1, resourceVersion="1")
        return asked.code == 200 and asked.body

    told = eventually("watches of the kind are served", watched)
    assert (told["type"], told["object"]["code"], told["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_names_that_a_definition_leaves_out_are_filled_in(widgets: Widgets) -> None:
    names = widgets.server.get(widgets.crd).body["spec"]["names"]
    assert (names["singular"], names["listKind"]) == ("widget", "WidgetList")


def test_defaults_of_the_schema_are_filled_in(widgets: Widgets) -> None:
    made = widgets.server.ask("POST", widgets.path, widgets.widget(size=1)).must(201)
    assert made.body["spec"] == {"size": 1, "color": "red"}


def test_fields_that_the_schema_does_not_know_are_dropped(widgets: Widgets) -> None:
    made = widgets.server.ask("POST", widgets.path, widgets.widget(size=1, other=1, free={"any": 1})).must(201)
    assert made.body["spec"] == {"size": 1, "color": "red", "free": {"any": 1}}


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ({}, ("FieldValueRequired", "spec.size")),
        ({"size": 0}, ("FieldValueInvalid", "spec.size")),
        ({"size": "big"}, ("FieldValueTypeInvalid", "spec.size")),
        ({"size": 1, "color": "blue"}, ("FieldValueNotSupported", "spec.color")),
        ({"size": 1, "name": "A"}, ("FieldValueInvalid", "spec.name")),
        ({"size": 1, "name": "toolong"}, ("FieldValueTooLong", "spec.name")),
        ({"size": 1, "parts": [{"name": each} for each in "abc"]}, ("FieldValueTooMany", "spec.parts")),
        ({"size": 1, "parts": [{"name": "a"}, {"name": "a"}]}, ("FieldValueDuplicate", "spec.parts[1]")),
        ({"size": 1, "parts": [{"size": 1}]}, ("FieldValueRequired", "spec.parts[0].name")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_the_schema_forbids_is_invalid(widgets: Widgets, spec: Obj, cause: tuple[str, str]) -> None:
    answer = widgets.server.ask("POST", widgets.path, widgets.widget(**spec))
    assert answer.said == (422, "Invalid")
    assert cause in answer.causes


def test_a_status_is_dropped_on_create_and_written_by_its_own_path(widgets: Widgets) -> None:
    server = widgets.server
    made = server.ask("POST", widgets.path, widgets.widget(size=1) | {"status": {"phase": "New"}}).must(201)
    assert "status" not in made.body
    change = {"status": {"phase": "New"}, "spec": {"size": 9}}
    path = f"{widgets.path}/w/status"
    answer = server.ask("PATCH", path, change, content="application/merge-patch+json", fieldManager="bob").must()
    assert answer.body["status"] == {"phase": "New"}
    assert answer.body["spec"]["size"] == 1
    assert answer.generation == 1


def test_the_spec_of_a_custom_resource_counts_generations(widgets: Widgets) -> None:
    server = widgets.server
    server.ask("POST", widgets.path, widgets.widget(size=1)).must(201)
    kind = {"content": "application/merge-patch+json"}
    assert server.ask("PATCH", f"{widgets.path}/w", {"metadata": {"labels": {"a": "1"}}}, **kind).generation == 1
    assert server.ask("PATCH", f"{widgets.path}/w", {"spec": {"size": 2}}, **kind).generation == 2


def test_lists_of_a_custom_resource_merge_by_the_keys_of_its_schema(widgets: Widgets) -> None:
    server = widgets.server
    kind = {"content": "application/apply-patch+yaml"}
    ours = widgets.widget(size=1, parts=[{"name": "a", "size": 1}])
    server.ask("PATCH", f"{widgets.path}/w", ours, **kind, fieldManager="alice").must(201)
    theirs = widgets.widget(parts=[{"name": "b", "size": 2}])
    both = server.ask("PATCH", f"{widgets.path}/w", theirs, **kind, fieldManager="bob").must()
    assert [part["name"] for part in both.body["spec"]["parts"]] == ["a", "b"]
    without = server.ask("PATCH", f"{widgets.path}/w", widgets.widget(size=1), **kind, fieldManager="alice").must()
    assert [part["name"] for part in without.body["spec"]["parts"]] == ["b"]


def mesh(*revisions: str, **spec: Any) -> Obj:
    named = {"revisions": [{"name": name} for name in revisions]}
    return {"apiVersion": API_VERSION, "kind": MESH_KIND, "metadata": {"name": "default"}, "spec": named | spec}


@pytest.fixture
def meshes(server: Server) -> Iterator[Server]:
    try:
        serve(server, service_mesh_crd())
        yield server
    finally:
        server.delete(service_mesh_crd()).must()
        eventually("the definition is gone", lambda: server.get(service_mesh_crd()).code == 404)


def test_a_service_mesh_may_gain_a_canary_and_lose_either_revision(meshes: Server) -> None:
    meshes.create(mesh("asm-1-30")).must(201)
    meshes.patch(mesh(), {"spec": mesh("asm-1-30", "asm-1-31")["spec"]}).must()
    meshes.patch(mesh(), {"spec": mesh("asm-1-31")["spec"]}).must()


def test_a_service_mesh_is_never_swapped_under_its_proxies(meshes: Server) -> None:
    meshes.create(mesh("asm-1-30")).must(201)
    answer = meshes.patch(mesh(), {"spec": mesh("asm-1-31")["spec"]})
    assert answer.said == (422, "Invalid")
    assert "at least one revision must stay" in answer.body["message"]


def test_a_service_mesh_that_is_disabled_may_start_anew_with_another_revision(meshes: Server) -> None:
    meshes.create(mesh("asm-1-30")).must(201)
    meshes.patch(mesh(), {"spec": {"mode": "Disabled"}}).must()
    meshes.patch(mesh(), {"spec": mesh("asm-1-31")["spec"] | {"mode": "Istio"}}).must()


def test_a_second_canary_is_refused(meshes: Server) -> None:
    meshes.create(mesh("asm-1-30", "asm-1-31")).must(201)
    answer = meshes.patch(mesh(), {"spec": mesh("asm-1-30", "asm-1-32")["spec"]})
    assert answer.said == (422, "Invalid")
    assert "a canary is in progress" in answer.body["message"]


def test_the_profile_of_a_service_mesh_stays(meshes: Server) -> None:
    meshes.create(mesh("asm-1-30")).must(201)
    assert meshes.patch(mesh(), {"spec": {"profile": "aks"}}).said == (422, "Invalid")


def test_there_is_one_service_mesh(meshes: Server) -> None:
    assert meshes.create(mesh("asm-1-30") | {"metadata": {"name": "other"}}).said == (422, "Invalid")


def test_three_revisions_are_refused(meshes: Server) -> None:
    answer = meshes.create(mesh("a", "b", "c"))
    assert answer.said == (422, "Invalid")
    assert answer.causes == {("FieldValueTooMany", "spec.revisions"), ("FieldValueInvalid", "<nil>")}


def test_the_namespace_of_a_service_mesh_stays(meshes: Server) -> None:
    meshes.create(mesh("asm-1-30", names={"namespace": "mesh"})).must(201)
    answer = meshes.patch(mesh(), {"spec": {"names": {"namespace": "other"}}})
    assert answer.causes == {("FieldValueInvalid", "spec.names.namespace")}


def test_namespace_and_type_of_a_gateway_stay_and_the_gateway_may_go(meshes: Server) -> None:
    def gateway(**more: Any) -> Obj:
        return {"spec": {"gateways": [{"name": "edge", "type": "External"} | more]}}

    meshes.create(mesh("asm-1-30", **gateway(namespace="doors")["spec"])).must(201)
    for other in (gateway(namespace="others"), gateway(), gateway(namespace="doors", type="Internal")):
        assert meshes.patch(mesh(), other).causes == {("FieldValueInvalid", "spec.gateways[0]")}
    meshes.patch(mesh(), gateway(namespace="doors", drainSeconds=5)).must()
    meshes.patch(mesh(), {"spec": {"gateways": None}}).must()
    meshes.patch(mesh(), gateway()).must()


def test_two_gateways_have_two_names(meshes: Server) -> None:
    twice = [{"name": "edge", "type": "External"}, {"name": "edge", "type": "Egress"}]
    answer = meshes.create(mesh("asm-1-30", gateways=twice))
    assert ("FieldValueDuplicate", "spec.gateways[1]") in answer.causes
