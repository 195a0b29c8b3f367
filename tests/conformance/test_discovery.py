"""What is served, and who is asking."""

import pytest
from client import Server


def test_the_version_is_told(server: Server) -> None:
    assert server.ask("GET", "/version").must().body["gitVersion"].startswith("v1.")


def test_the_core_is_v1(server: Server) -> None:
    assert server.ask("GET", "/api").must().body["versions"] == ["v1"]


def test_groups_are_told_with_their_versions(server: Server) -> None:
    groups = {group["name"]: group for group in server.ask("GET", "/apis").must().body["groups"]}
    assert groups["apps"]["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    assert {"groupVersion": "autoscaling/v2", "version": "v2"} in groups["autoscaling"]["versions"]


@pytest.mark.parametrize(
    ("root", "plural", "kind", "namespaced"),
    [
        ("/api/v1", "pods", "Pod", True),
        ("/api/v1", "namespaces", "Namespace", False),
        ("/apis/apps/v1", "deployments", "Deployment", True),
        ("/apis/rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", False),
        ("/apis/coordination.k8s.io/v1", "leases", "Lease", True),
    ],
)
def test_kinds_of_a_version_are_told(server: Server, root: str, plural: str, kind: str, namespaced: bool) -> None:
    answer = server.ask("GET", root).must()
    (row,) = (row for row in answer.body["resources"] if row["name"] == plural)
    assert (row["kind"], row["namespaced"]) == (kind, namespaced)
    assert {"get", "list", "watch", "create", "update", "patch", "delete"} <= set(row["verbs"])


def test_a_status_is_told_as_a_resource_of_its_own(server: Server) -> None:
    names = {row["name"] for row in server.ask("GET", "/apis/apps/v1").body["resources"]}
    assert {"deployments", "deployments/status"} <= names


@pytest.mark.parametrize("path", ["/apis/example.com/v1", "/apis/example.com/v1/things", "/apis/example.com"])
def test_a_group_that_nobody_serves_is_not_found(server: Server, path: str) -> None:
    answer = server.ask("GET", path)
    assert (answer.code, answer.body) == (404, b"404 page not found\n")


def test_the_caller_is_named(server: Server) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
    answer = server.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review).must(201)
    assert answer.body["status"]["userInfo"]["username"]


def test_an_administrator_may_do_everything(server: Server) -> None:
    wanted = {"verb": "*", "group": "*", "resource": "*"}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {}}
    review["spec"] = {"resourceAttributes": wanted}
    answer = server.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review).must(201)
    assert answer.body["status"]["allowed"] is True
