"""Create, read, replace, patch and delete of single objects."""

from client import Obj, Server, config_map, deployment


def test_an_object_that_is_not_there_is_not_found(server: Server) -> None:
    answer = server.get(config_map())
    assert answer.said == (404, "NotFound")
    assert answer.body["details"]["name"] == "settings"
    assert answer.body["message"] == 'configmaps "settings" not found'


def test_a_created_object_gets_a_uid_a_time_and_a_version(server: Server) -> None:
    meta = server.create(config_map(x="1")).must(201).body["metadata"]
    assert meta["uid"]
    assert meta["resourceVersion"]
    assert meta["creationTimestamp"].endswith("Z")
    assert meta["namespace"] == server.space


def test_an_object_can_be_created_once(server: Server) -> None:
    server.create(config_map(x="1")).must(201)
    assert server.create(config_map(x="2")).said == (409, "AlreadyExists")


def test_a_generated_name_starts_as_asked(server: Server) -> None:
    unnamed = config_map() | {"metadata": {"generateName": "settings-"}}
    names = {server.create(unnamed).must(201).body["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("settings-") and len(name) == 14 for name in names)


def test_an_object_without_a_name_is_invalid(server: Server) -> None:
    answer = server.create(config_map() | {"metadata": {}})
    assert answer.said == (422, "Invalid")
    assert answer.causes == {("FieldValueRequired", "metadata.name")}


def test_a_name_in_capitals_is_invalid(server: Server) -> None:
    answer = server.create(config_map("Settings"))
    assert answer.said == (422, "Invalid")
    assert answer.causes == {("FieldValueInvalid", "metadata.name")}


def test_nothing_can_be_created_with_a_resource_version(server: Server) -> None:
    obj = config_map()
    obj["metadata"]["resourceVersion"] = "1"
    assert server.create(obj).code >= 400


def test_nothing_can_be_created_in_a_namespace_that_is_not_there(server: Server) -> None:
    obj = config_map()
    obj["metadata"]["namespace"] = "conformance-nowhere"
    answer = server.create(obj)
    assert answer.said == (404, "NotFound")
    assert answer.body["message"] == 'namespaces "conformance-nowhere" not found'


def test_an_object_cannot_be_created_in_another_namespace_than_the_path_says(server: Server) -> None:
    obj = config_map() | {"metadata": {"name": "settings", "namespace": "default"}}
    answer = server.ask("POST", server.collection(config_map()), obj)
    assert answer.said == (400, "BadRequest")


def test_a_create_in_dry_run_leaves_nothing(server: Server) -> None:
    assert server.create(config_map(x="1"), dryRun="All").code == 201
    assert server.get(config_map()).code == 404


def test_a_dry_run_of_what_is_there_already_is_refused(server: Server) -> None:
    server.create(config_map()).must(201)
    assert server.create(config_map(), dryRun="All").said == (409, "AlreadyExists")


def test_who_creates_holds_what_was_sent_and_what_was_filled_in(server: Server) -> None:
    answer = server.create(deployment(), fieldManager="bob").must(201)
    assert answer.managers == {("bob", "Update")}
    assert answer.owns("bob", "f:spec", "f:template", "f:spec", "f:restartPolicy")


def test_a_manager_that_is_not_named_is_the_client(server: Server) -> None:
    assert server.create(config_map(x="1")).managers == {("conformance", "Update")}


def test_a_replace_takes_what_it_changes_from_its_holder(server: Server) -> None:
    obj = server.apply(config_map(x="1", y="1")).body
    obj["data"]["x"] = "2"
    answer = server.replace(obj, fieldManager="bob").must()
    assert answer.owns("bob", "f:data", "f:x")
    assert not answer.owns("alice", "f:data", "f:x")
    assert answer.owns("alice", "f:data", "f:y")


def test_a_replace_of_an_older_version_conflicts(server: Server) -> None:
    old = server.create(config_map(x="1")).body
    server.patch(config_map(), {"data": {"x": "2"}}).must()
    assert server.replace(old).said == (409, "Conflict")


def test_a_replace_without_a_version_wins(server: Server) -> None:
    server.create(config_map(x="1"))
    assert server.replace(config_map(y="2")).must().body["data"] == {"y": "2"}


def test_a_replace_with_the_same_is_no_write(server: Server) -> None:
    obj = server.create(config_map(x="1"))
    assert server.replace(obj.body).version == obj.version


def test_a_replace_of_what_is_not_there_is_not_found(server: Server) -> None:
    assert server.replace(config_map(x="1")).said == (404, "NotFound")


def test_a_replace_under_another_name_is_a_bad_request(server: Server) -> None:
    server.create(config_map(x="1"))
    assert server.ask("PUT", server.path(config_map()), config_map("other")).said == (400, "BadRequest")


def lease(name: str, **spec: object) -> Obj:
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": spec}


def test_a_lease_that_is_replaced_by_two_is_won_by_one(server: Server) -> None:
    held = server.create(lease("mesh", holderIdentity="a")).must(201).body
    first = server.replace(held | {"spec": {"holderIdentity": "b"}})
    second = server.replace(held | {"spec": {"holderIdentity": "c"}})
    assert (first.code, second.said) == (200, (409, "Conflict"))


def test_a_replace_of_a_lease_that_went_away_fails(server: Server) -> None:
    held = server.create(lease("mesh", holderIdentity="a")).must(201).body
    server.delete(held).must()
    assert server.replace(held).code in (404, 409)


def test_a_merge_patch_changes_adds_and_deletes(server: Server) -> None:
    server.create(config_map(x="1", y="1"))
    answer = server.patch(config_map(), {"data": {"x": "2", "y": None, "z": "3"}}).must()
    assert answer.body["data"] == {"x": "2", "z": "3"}


def test_a_merge_patch_of_an_older_version_conflicts(server: Server) -> None:
    old = server.create(config_map(x="1")).version
    server.patch(config_map(), {"data": {"x": "2"}}).must()
    answer = server.patch(config_map(), {"metadata": {"resourceVersion": old}, "data": {"x": "3"}})
    assert answer.said == (409, "Conflict")


def test_a_merge_patch_that_changes_nothing_is_no_write(server: Server) -> None:
    before = server.create(config_map(x="1")).version
    assert server.patch(config_map(), {"data": {"x": "1", "y": None}}).version == before


def test_a_merge_patch_of_what_is_not_there_is_not_found(server: Server) -> None:
    assert server.patch(config_map(), {"data": {"x": "1"}}).said == (404, "NotFound")


def test_a_merge_patch_in_dry_run_writes_nothing(server: Server) -> None:
    before = server.create(config_map(x="1")).version
    assert server.patch(config_map(), {"data": {"x": "2"}}, dryRun="All").body["data"] == {"x": "2"}
    assert server.get(config_map()).version == before


def test_a_merge_patch_of_annotations_keeps_the_others(server: Server) -> None:
    obj = config_map()
    obj["metadata"]["annotations"] = {"a": "1", "b": "1"}
    server.create(obj)
    answer = server.patch(config_map(), {"metadata": {"annotations": {"a": None, "c": "1"}}}).must()
    assert answer.body["metadata"]["annotations"] == {"b": "1", "c": "1"}


def test_the_spec_counts_generations_and_labels_do_not(server: Server) -> None:
    assert server.create(deployment()).generation == 1
    assert server.patch(deployment(), {"metadata": {"labels": {"a": "1"}}}).generation == 1
    assert server.patch(deployment(), {"spec": {"paused": True}}).generation == 2


def test_a_config_map_counts_no_generations(server: Server) -> None:
    assert "generation" not in server.create(config_map(x="1")).body["metadata"]


def test_the_selector_of_a_deployment_is_immutable(server: Server) -> None:
    server.create(deployment()).must(201)
    other = {"spec": {"selector": {"matchLabels": {"b": "1"}}, "template": {"metadata": {"labels": {"b": "1"}}}}}
    answer = server.patch(deployment(), other)
    assert answer.said == (422, "Invalid")
    assert ("FieldValueInvalid", "spec.selector") in answer.causes


def test_a_deployment_must_select_its_own_pods(server: Server) -> None:
    obj = deployment()
    obj["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    answer = server.create(obj)
    assert answer.said == (422, "Invalid")
    assert ("FieldValueInvalid", "spec.template.metadata.labels") in answer.causes


def test_an_immutable_config_map_keeps_its_data(server: Server) -> None:
    server.create(config_map(x="1") | {"immutable": True}).must(201)
    answer = server.patch(config_map(), {"data": {"x": "2"}})
    assert answer.said == (422, "Invalid")
    assert answer.causes == {("FieldValueForbidden", "data")}


def test_a_role_that_was_bound_cannot_be_bound_to_another(server: Server) -> None:
    version = "rbac.authorization.k8s.io/v1"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    binding = {"apiVersion": version, "kind": "RoleBinding", "metadata": {"name": "readers"}, "roleRef": reference}
    server.create(binding).must(201)
    answer = server.patch(binding, {"roleRef": {"name": "writer"}})
    assert answer.said == (422, "Invalid")
    assert answer.causes == {("FieldValueInvalid", "roleRef")}


def test_status_is_written_through_its_own_path_only(server: Server) -> None:
    server.create(deployment() | {"status": {"observedGeneration": 7}}).must(201)
    assert server.patch(deployment(), {"status": {"observedGeneration": 7}}).must().body.get("status", {}) != {
        "observedGeneration": 7
    }


def test_a_status_does_not_count_as_a_generation_and_leaves_the_spec(server: Server) -> None:
    obj = server.create(budget("web")).must(201)
    change = {"spec": {"minAvailable": 5}, "status": {"currentHealthy": 3}}
    path = f"{server.path(budget('web'))}/status"
    answer = server.ask("PATCH", path, change, content="application/merge-patch+json", fieldManager="bob").must()
    assert answer.generation == obj.generation
    assert answer.body["spec"]["minAvailable"] == 1
    assert answer.body["status"]["currentHealthy"] == 3
    assert ("bob", "Update") in answer.managers


def budget(name: str) -> Obj:
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": name}}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}


def test_a_deleted_object_is_gone_and_the_answer_says_so(server: Server) -> None:
    uid = server.create(config_map()).body["metadata"]["uid"]
    answer = server.delete(config_map()).must()
    assert answer.body["status"] == "Success"
    assert answer.body["details"]["uid"] == uid
    assert server.delete(config_map()).said == (404, "NotFound")


def test_a_delete_in_dry_run_deletes_nothing(server: Server) -> None:
    before = server.create(config_map()).version
    server.delete(config_map(), dryRun="All").must()
    assert server.get(config_map()).version == before


def test_a_finalizer_holds_an_object_back_until_it_is_taken_away(server: Server) -> None:
    obj = config_map()
    obj["metadata"]["finalizers"] = ["example.com/hold"]
    server.create(obj).must(201)
    assert "deletionTimestamp" in server.delete(config_map(), propagationPolicy="Background").must().body["metadata"]
    assert "deletionTimestamp" in server.get(config_map()).must().body["metadata"]
    server.patch(config_map(), {"metadata": {"finalizers": None}}).must()
    assert server.get(config_map()).code == 404


def test_a_path_of_no_method_is_refused(server: Server) -> None:
    assert server.ask("POST", server.path(config_map()), config_map()).said == (405, "MethodNotAllowed")


def test_a_body_that_is_no_json_is_a_bad_request(server: Server) -> None:
    assert server.ask("POST", server.collection(config_map()), b"{").said == (400, "BadRequest")


def test_a_body_of_another_kind_is_a_bad_request(server: Server) -> None:
    assert server.ask("POST", server.collection(config_map()), deployment()).said == (400, "BadRequest")
