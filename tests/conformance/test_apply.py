"""Server-side apply: who holds which field, what conflicts, what goes away when it is no longer applied."""

import pytest
from client import Obj, Server, config_map, deployment


def bare(**meta: object) -> Obj:
    """A ConfigMap without data."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"} | meta}


def containers(obj: Obj) -> list[Obj]:
    found: list[Obj] = obj["spec"]["template"]["spec"]["containers"]
    return found


def test_an_apply_of_what_is_not_there_creates_it_and_the_next_one_does_not(server: Server) -> None:
    assert server.apply(config_map(x="1")).code == 201
    assert server.apply(config_map(x="2")).code == 200


def test_an_apply_that_changes_nothing_is_no_write(server: Server) -> None:
    first = server.apply(config_map(x="1"))  # no controller writes to a ConfigMap meanwhile
    assert server.apply(config_map(x="1")).version == first.version
    assert server.get(config_map()).version == first.version


def test_an_apply_needs_a_field_manager(server: Server) -> None:
    answer = server.apply(config_map(x="1"), "")
    assert answer.said == (422, "Invalid")
    assert answer.causes == {("FieldValueRequired", "fieldManager")}


def test_a_field_left_out_of_an_apply_is_deleted_if_the_manager_owned_it_alone(server: Server) -> None:
    server.apply(config_map(x="1", y="1"))
    assert server.apply(config_map(x="1")).body["data"] == {"x": "1"}


def test_a_field_left_out_of_an_apply_stays_if_another_applied_it_too(server: Server) -> None:
    server.apply(config_map(x="1", y="1"))
    server.apply(config_map(y="1"), "bob").must()
    assert server.apply(config_map(x="1")).body["data"] == {"x": "1", "y": "1"}


def test_a_field_left_out_of_an_apply_stays_if_another_wrote_it_since(server: Server) -> None:
    server.apply(config_map(x="1", y="1"))
    server.patch(config_map(), {"data": {"y": "2"}}, fieldManager="bob").must()
    assert server.apply(config_map(x="1")).body["data"] == {"x": "1", "y": "2"}


def test_a_whole_map_left_out_of_an_apply_goes_away(server: Server) -> None:
    server.apply(config_map(x="1"))
    assert "data" not in server.apply(bare()).body


def test_a_changed_value_of_another_applier_conflicts_and_names_it(server: Server) -> None:
    server.apply(config_map(x="1"))
    answer = server.apply(config_map(x="2"), "bob")
    assert answer.said == (409, "Conflict")
    assert answer.causes == {("FieldManagerConflict", ".data.x")}
    assert 'conflict with "alice"' in answer.body["message"]


def test_a_changed_value_of_another_writer_conflicts(server: Server) -> None:
    server.create(config_map(x="1"), fieldManager="bob").must(201)
    answer = server.apply(config_map(x="2"))
    assert answer.said == (409, "Conflict")
    assert 'conflict with "bob" using v1' in answer.body["message"]


def test_every_conflict_is_told_at_once(server: Server) -> None:
    server.apply(config_map(x="1", y="1"))
    answer = server.apply(config_map(x="2", y="2"), "bob")
    assert answer.causes == {("FieldManagerConflict", ".data.x"), ("FieldManagerConflict", ".data.y")}


def test_the_same_value_does_not_conflict_and_is_held_by_both(server: Server) -> None:
    server.apply(config_map(x="1"))
    answer = server.apply(config_map(x="1"), "bob").must()
    assert answer.owns("alice", "f:data", "f:x")
    assert answer.owns("bob", "f:data", "f:x")


def test_sharing_a_field_is_a_write(server: Server) -> None:
    before = server.apply(config_map(x="1")).version
    assert server.apply(config_map(x="1"), "bob").version != before


def test_force_takes_the_field_and_leaves_the_rest_to_the_other(server: Server) -> None:
    server.apply(config_map(x="1", y="1"))
    answer = server.apply(config_map(x="2"), "bob", force=True).must()
    assert answer.body["data"] == {"x": "2", "y": "1"}
    assert not answer.owns("alice", "f:data", "f:x")
    assert answer.owns("alice", "f:data", "f:y")


def test_a_manager_that_lost_all_its_fields_is_named_no_more(server: Server) -> None:
    server.apply(config_map(x="1"))
    answer = server.apply(config_map(x="2"), "bob", force=True)
    assert answer.managers == {("bob", "Apply")}


def test_an_apply_that_names_no_field_holds_none(server: Server) -> None:
    server.apply(config_map(x="1"))
    assert server.apply(bare()).managers == set()


def test_two_that_apply_the_same_emptiness_conflict_for_it_is_not_kept(server: Server) -> None:
    server.apply(config_map())
    assert server.apply(config_map(), "bob").said == (409, "Conflict")


def test_writes_to_an_object_that_nobody_holds_are_not_counted_until_it_is_applied(server: Server) -> None:
    server.apply(bare()).must(201)
    patched = server.patch(bare(), {"data": {"x": "1"}}, fieldManager="bob").must()
    assert patched.managers == set()
    answer = server.apply(config_map(x="2"))
    assert answer.said == (409, "Conflict")
    assert 'conflict with "before-first-apply" using v1' in answer.body["message"]
    applied = server.apply(config_map(x="1", y="1")).must()
    assert applied.managers == {("alice", "Apply"), ("before-first-apply", "Update")}


def test_what_was_deleted_by_another_is_put_back_by_the_next_apply(server: Server) -> None:
    server.apply(config_map(x="1", y="1"))
    gone = server.patch(config_map(), {"data": {"y": None}}, fieldManager="bob").must()
    assert not gone.owns("alice", "f:data", "f:y")
    assert server.apply(config_map(x="1", y="1")).body["data"] == {"x": "1", "y": "1"}


def test_a_dry_run_answers_and_writes_nothing(server: Server) -> None:
    before = server.apply(config_map(x="1")).version
    assert server.apply(config_map(x="2"), dryRun="All").body["data"] == {"x": "2"}
    assert server.get(config_map()).version == before


def test_a_dry_run_of_what_is_not_there_leaves_nothing(server: Server) -> None:
    assert server.apply(config_map(x="1"), dryRun="All").code == 201
    assert server.get(config_map()).said == (404, "NotFound")


def test_a_dry_run_conflicts_as_the_real_one_would(server: Server) -> None:
    server.apply(config_map(x="1"))
    assert server.apply(config_map(x="2"), "bob", dryRun="All").said == (409, "Conflict")


def test_an_apply_made_from_an_older_version_conflicts(server: Server) -> None:
    first = server.apply(config_map(x="1"))
    server.apply(config_map(x="2"))
    stale = config_map(x="3")
    stale["metadata"]["resourceVersion"] = first.version
    assert server.apply(stale).said == (409, "Conflict")


def test_an_apply_may_not_carry_managed_fields(server: Server) -> None:
    obj = server.apply(config_map(x="1")).body
    assert server.apply(obj).said == (400, "BadRequest")


def test_defaults_belong_to_nobody(server: Server) -> None:
    answer = server.apply(deployment())
    assert answer.body["spec"]["template"]["spec"]["restartPolicy"] == "Always"
    assert not answer.owns("alice", "f:spec", "f:template", "f:spec", "f:restartPolicy")


def test_a_default_returns_where_the_value_that_was_applied_is_left_out(server: Server) -> None:
    with_it = deployment()
    with_it["spec"]["revisionHistoryLimit"] = 3
    server.apply(with_it)
    assert server.apply(deployment()).body["spec"]["revisionHistoryLimit"] == 10


def test_containers_merge_by_name(server: Server) -> None:
    server.apply(deployment())
    extra = deployment()
    containers(extra)[:] = [{"name": "proxy", "image": "example/proxy:1"}]
    both = server.apply(extra, "bob").must()
    assert [each["name"] for each in containers(both.body)] == ["app", "proxy"]
    assert both.owns("bob", "f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"proxy"}', "f:image")


def test_a_container_left_out_goes_away_with_its_defaults(server: Server) -> None:
    two = deployment()
    containers(two).append({"name": "proxy", "image": "example/proxy:1"})
    server.apply(two)
    assert [each["name"] for each in containers(server.apply(deployment()).body)] == ["app"]


def test_a_new_container_stands_where_it_was_applied(server: Server) -> None:
    server.apply(deployment())
    two = deployment()
    containers(two).insert(0, {"name": "proxy", "image": "example/proxy:1"})
    assert [each["name"] for each in containers(server.apply(two).body)] == ["proxy", "app"]


def test_environment_variables_merge_by_name(server: Server) -> None:
    server.apply(deployment(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]))
    server.apply(deployment(env=[{"name": "C", "value": "1"}]), "bob").must()
    left = server.apply(deployment(env=[{"name": "B", "value": "2"}])).must()
    assert containers(left.body)[0]["env"] == [{"name": "B", "value": "2"}, {"name": "C", "value": "1"}]


def test_an_item_of_another_keeps_its_place_among_those_that_are_applied_in_a_new_order(server: Server) -> None:
    server.create(deployment(env=[{"name": name, "value": "1"} for name in "BAC"]), fieldManager="bob").must(201)
    merged = server.apply(deployment(env=[{"name": name, "value": "1"} for name in "AB"])).must()
    assert [each["name"] for each in containers(merged.body)[0]["env"]] == ["A", "C", "B"]


def test_a_container_whose_image_only_one_manager_held_cannot_lose_it(server: Server) -> None:
    two = deployment()
    containers(two).append({"name": "proxy", "image": "example/proxy:1"})
    server.apply(two, "bob").must(201)
    containers(two)[1]["image"] = "example/proxy:2"
    server.apply(two, force=True).must()
    answer = server.apply(deployment())
    assert answer.said == (422, "Invalid")
    assert answer.causes == {("FieldValueRequired", "spec.template.spec.containers[1].image")}


def test_ports_merge_by_number_and_protocol(server: Server) -> None:
    server.apply(deployment(ports=[{"containerPort": 80}]))
    answer = server.apply(deployment(ports=[{"containerPort": 80, "protocol": "UDP"}]), "bob").must()
    assert {each["protocol"] for each in containers(answer.body)[0]["ports"]} == {"TCP", "UDP"}


def test_arguments_are_one_value(server: Server) -> None:
    server.apply(deployment(args=["a"]))
    answer = server.apply(deployment(args=["a", "b"]), "bob")
    assert answer.said == (409, "Conflict")
    assert server.apply(deployment(args=["b"]), "bob", force=True).body["spec"]["template"]["spec"]["containers"][0][
        "args"
    ] == ["b"]


def test_volume_mounts_merge_by_path(server: Server) -> None:
    def mounting(*paths: str) -> Obj:
        made = deployment(volumeMounts=[{"name": "data", "mountPath": path} for path in paths])
        made["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
        return made

    server.apply(mounting("/a", "/b"))
    answer = server.apply(mounting("/c"), "bob").must()
    assert [each["mountPath"] for each in containers(answer.body)[0]["volumeMounts"]] == ["/a", "/b", "/c"]


def test_tolerations_are_one_value(server: Server) -> None:
    def tolerating(key: str) -> Obj:
        made = deployment()
        made["spec"]["template"]["spec"]["tolerations"] = [{"key": key, "operator": "Exists"}]
        return made

    server.apply(tolerating("a"))
    assert server.apply(tolerating("b"), "bob").said == (409, "Conflict")


def test_a_list_that_names_an_item_twice_cannot_be_applied(server: Server) -> None:
    twice = deployment(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}])
    assert server.apply(twice).said == (500, "")


def test_an_item_without_its_key_is_invalid(server: Server) -> None:
    answer = server.apply(deployment(env=[{"value": "1"}]))
    assert answer.said == (422, "Invalid")
    assert answer.causes == {("FieldValueRequired", "spec.template.spec.containers[0].env[0].name")}


def test_finalizers_are_a_set(server: Server) -> None:
    def held_by(*names: str) -> Obj:
        return bare(finalizers=list(names))

    server.apply(held_by("example.com/a"))
    both = server.apply(held_by("example.com/b"), "bob").must()
    assert sorted(both.body["metadata"]["finalizers"]) == ["example.com/a", "example.com/b"]
    assert server.apply(bare()).body["metadata"]["finalizers"] == ["example.com/b"]
    server.apply(bare(), "bob").must()


def test_owners_merge_by_uid(server: Server) -> None:
    def owned_by(name: str) -> Obj:
        owner = server.create(config_map(name)).must(201).body["metadata"]["uid"]
        return bare(ownerReferences=[{"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": owner}])

    server.apply(owned_by("a"))
    both = server.apply(owned_by("b"), "bob").must()
    assert {each["name"] for each in both.body["metadata"]["ownerReferences"]} == {"a", "b"}


def test_labels_of_several_managers_live_side_by_side(server: Server) -> None:
    server.apply(bare(labels={"a": "1"}))
    server.apply(bare(labels={"b": "1"}), "bob").must()
    assert server.apply(bare()).body["metadata"]["labels"] == {"b": "1"}


def test_a_label_selector_is_one_value(server: Server) -> None:
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"}}
    server.apply(budget | {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "1"}}}}).must(201)
    other = budget | {"spec": {"selector": {"matchLabels": {"b": "1"}}}}
    assert server.apply(other, "bob").said == (409, "Conflict")
    assert server.apply(other, "bob", force=True).body["spec"]["selector"] == {"matchLabels": {"b": "1"}}


def test_rules_of_a_role_are_one_value(server: Server) -> None:
    def role(verb: str) -> Obj:
        rule = {"apiGroups": [""], "resources": ["pods"], "verbs": [verb]}
        version = "rbac.authorization.k8s.io/v1"
        return {"apiVersion": version, "kind": "Role", "metadata": {"name": "reader"}, "rules": [rule]}

    server.apply(role("get"))
    answer = server.apply(role("list"), "bob")
    assert answer.causes == {("FieldManagerConflict", ".rules")}


def test_ports_of_a_service_merge_by_number_and_protocol(server: Server) -> None:
    def service(*ports: int) -> Obj:
        spec = {"ports": [{"name": f"p{port}", "port": port} for port in ports]}
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}

    server.apply(service(80, 81))
    answer = server.apply(service(82), "bob").must()
    assert [each["port"] for each in answer.body["spec"]["ports"]] == [80, 81, 82]
    assert [each["port"] for each in server.apply(service(81)).body["spec"]["ports"]] == [81, 82]


@pytest.mark.parametrize("kind", ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"])
def test_webhooks_merge_by_name_and_fields_of_others_survive(server: Server, kind: str) -> None:
    def configuration(*names: str, **more: str) -> Obj:
        webhook = {
            "clientConfig": {"url": "https://127.0.0.1:1/"},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        meta = {"name": f"{server.space}-{kind.lower()}"}
        hooks = [{"name": name, **webhook, **more} for name in names]
        return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": meta, "webhooks": hooks}

    first = server.apply(configuration("a.example.com", "b.example.com"))
    assert [hook["failurePolicy"] for hook in first.body["webhooks"]] == ["Fail", "Fail"]
    name = configuration()["metadata"]["name"]
    ignored = [hook | {"failurePolicy": "Ignore"} for hook in first.body["webhooks"]]
    server.patch(first.body, {"webhooks": ignored}, fieldManager="istiod").must()
    again = server.apply(configuration("a.example.com")).must()
    assert [(hook["name"], hook["failurePolicy"]) for hook in again.body["webhooks"]] == [("a.example.com", "Ignore")]
    server.delete({**configuration(), "metadata": {"name": name}}).must()


def test_status_is_not_applied_with_the_object(server: Server) -> None:
    answer = server.apply(deployment() | {"status": {"replicas": 7}})
    assert "replicas" not in answer.body.get("status", {})
    assert not answer.owns("alice", "f:status")
