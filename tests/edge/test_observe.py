"""A look at a cluster: what was not looked at or may not be read is unknown, never empty."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from loopback_api import Asked, Reply, Respond, serving, status

from pilotage.domain.catalog import Catalog
from pilotage.domain.errors import Refused, Unreachable
from pilotage.domain.mesh import ProfileName
from pilotage.domain.objects import ObjectRef
from pilotage.domain.profile import PROFILES
from pilotage.domain.state import Snapshot
from pilotage.domain.version import Version
from pilotage.edge.observe import ALL, INSTALL, Parts, observe

MESH = "/api/v1/namespaces/istio-system"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EMPTY = Catalog((), "none", complete_until=NOW.date())
APP_PODS = "/api/v1/pods"


def meta(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "istio-system", **more}}


def answering(lists: dict[str, Any]) -> Respond:
    """`lists`: path -> items or a Reply; every other list is empty."""

    def respond(asked: Asked) -> Reply:
        if asked.path == "/version":
            return Reply({"gitVersion": "v1.36.3"})
        if asked.path == "/apis":
            return Reply({"groups": []})
        found = lists.get(asked.path, [])
        return found if isinstance(found, Reply) else Reply({"items": found, "metadata": {}})

    return respond


def look(folder: Path, lists: dict[str, Any], parts: Parts = ALL, refs: tuple[ObjectRef, ...] = ()) -> Snapshot:
    with serving(answering(lists)) as api:
        profile = PROFILES[ProfileName.ISTIO]
        return observe(api.connect(folder), profile, EMPTY, NOW, parts=parts, refs=refs)


def forbidden(what: str) -> Reply:
    return status(403, "Forbidden", f'{what} is forbidden: User "jane" cannot list resource "{what}" in API group ""')


def test_an_empty_cluster_is_known_to_be_empty(tmp_path: Path) -> None:
    seen = look(tmp_path, {})
    assert seen.unknown == {}
    assert seen.kubernetes == Version(1, 36, 3)
    assert (seen.pods, seen.workloads, seen.control_planes, seen.live) == ((), (), (), {})


def test_what_was_not_looked_at_is_unknown(tmp_path: Path) -> None:
    seen = look(tmp_path, {}, parts=INSTALL)
    assert "roots" in INSTALL  # a start is not done before both revisions are seen to serve one root
    assert seen.unknown == dict.fromkeys(ALL - INSTALL, "not looked at")


def test_whose_credentials_are_not_accepted_is_told_so_and_sees_no_half_of_a_world(tmp_path: Path) -> None:
    expired = status(401, "Unauthorized", "Unauthorized")
    with pytest.raises(Refused, match="does not accept your credentials") as told:
        look(tmp_path, {"/api/v1/nodes": expired})
    assert "log in" in told.value.fix


def test_what_may_not_be_read_is_unknown_with_the_cause_and_the_rest_is_seen(tmp_path: Path) -> None:
    seen = look(tmp_path, {"/api/v1/nodes": forbidden("nodes"), "/api/v1/namespaces": [meta("shop")]})
    assert seen.unknown == {"nodes": "jane may not list nodes in the whole cluster"}
    assert [namespace.name for namespace in seen.namespaces] == ["shop"]


def test_without_pods_neither_they_nor_workloads_nor_what_istiods_say_is_known(tmp_path: Path) -> None:
    seen = look(tmp_path, {APP_PODS: forbidden("pods")})
    assert seen.unknown.keys() == {"pods", "workloads", "istiods"}


def test_without_jobs_pods_are_still_known(tmp_path: Path) -> None:
    assert look(tmp_path, {"/apis/batch/v1/jobs": forbidden("jobs")}).unknown.keys() == {"workloads"}


def test_an_api_server_that_does_not_answer_gives_no_half_a_look(tmp_path: Path) -> None:
    with serving(answering({})) as api:
        kube = api.connect(tmp_path)
    with pytest.raises(Unreachable):
        observe(kube, PROFILES[ProfileName.ISTIO], EMPTY, NOW)


def test_mesh_configurations_are_the_configmaps_with_the_key_mesh(tmp_path: Path) -> None:
    configs = [{**meta("istio"), "data": {"mesh": "a: 1"}}, {**meta("values"), "data": {"x": "y"}}, meta("empty")]
    assert look(tmp_path, {f"{MESH}/configmaps": configs}).configs == {"istio": "a: 1"}


def test_pods_of_cron_jobs_are_theirs_and_their_jobs_are_no_workloads(tmp_path: Path) -> None:
    cron = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "controller": True}
    job = {"apiVersion": "batch/v1", "kind": "Job", "name": "nightly-1", "controller": True}
    seen = look(
        tmp_path,
        {
            "/apis/batch/v1/cronjobs": [meta("nightly")],
            "/apis/batch/v1/jobs": [meta("nightly-1", ownerReferences=[cron]), meta("once")],
            APP_PODS: [meta("nightly-1-x", ownerReferences=[job])],
        },
    )
    assert [pod.workload for pod in seen.pods] == [("CronJob", "nightly")]
    assert {(workload.kind, workload.name) for workload in seen.workloads} == {("CronJob", "nightly"), ("Job", "once")}


def test_a_service_that_a_webhook_calls_elsewhere_counts_only_if_it_is_there(tmp_path: Path) -> None:
    def hook(namespace: str) -> dict[str, Any]:
        service = {"namespace": namespace, "name": "istiod"}
        return {"name": f"{namespace}.sidecar-injector.istio.io", "clientConfig": {"service": service}}

    seen = look(
        tmp_path,
        {
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations": [
                {**meta("ours"), "webhooks": [hook("there"), hook("gone")]},
                {**meta("unrelated"), "webhooks": [{"name": "example.org"}]},
            ],
            f"{MESH}/services": [meta("istiod")],
            "/api/v1/namespaces/there/services/istiod": Reply(meta("istiod")),
            "/api/v1/namespaces/gone/services/istiod": status(404, "NotFound", "not found"),
        },
    )
    assert [config.name for config in seen.injectors] == ["ours"]
    assert seen.services == {("istio-system", "istiod"), ("there", "istiod")}


def test_the_inventory_is_what_carries_our_label_and_what_stands_where_ours_would_be(tmp_path: Path) -> None:
    ours = meta("istiod-canary", labels={"pilotage.dev/managed": "true"})
    theirs = ObjectRef("v1", "Service", "istio-system", "istiod")
    absent = ObjectRef("v1", "Service", "istio-system", "absent")
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    wanted = ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "gateways.networking.istio.io")
    seen = look(
        tmp_path,
        {
            "/apis/apps/v1/deployments": [ours],
            f"{MESH}/services/istiod": Reply({"apiVersion": "v1", "kind": "Service", **meta("istiod")}),
            f"{MESH}/services/absent": status(404, "NotFound", "not found"),
            crds: [{"metadata": {"name": wanted.name}}, {"metadata": {"name": "others.example.org"}}],
        },
        parts=frozenset({"live"}),
        refs=(theirs, absent, wanted),
    )
    assert set(seen.live) == {ObjectRef("apps/v1", "Deployment", "istio-system", "istiod-canary"), theirs, wanted}


@pytest.mark.parametrize(
    ("holder", "renewed", "operator"),
    [
        ("operator:x:1", "2026-11-22T11:59:50.000000Z", True),
        ("operator:x:1", "2026-11-22T11:00:00.000000Z", False),
        ("verb:jane@laptop:1:2", "2026-11-22T11:59:50.000000Z", False),
    ],
)
def test_an_operator_is_there_while_it_renews_the_lease(
    tmp_path: Path, holder: str, renewed: str, operator: bool
) -> None:
    lease = {**meta("pilotage"), "spec": {"holderIdentity": holder, "renewTime": renewed}}
    path = "/apis/coordination.k8s.io/v1/namespaces/istio-system/leases"
    seen = look(tmp_path, {path: [lease, meta("istio-leader")]})
    assert seen.operator is operator
    assert seen.leases == ("istio-leader", "pilotage")


def test_resources_that_name_a_revision_are_found_among_whatever_kinds_istio_serves(tmp_path: Path) -> None:
    version = "networking.istio.io/v1"

    def respond(asked: Asked) -> Reply:
        if asked.path == "/apis":
            return Reply({"groups": [{"name": "networking.istio.io", "versions": [{"groupVersion": version}]}]})
        if asked.path == f"/apis/{version}":
            kinds = [{"name": "sidecars", "kind": "Sidecar", "namespaced": True}]
            return Reply({"resources": [*kinds, {"name": "sidecars/status", "kind": "Sidecar", "namespaced": True}]})
        labelled = meta("mine", labels={"istio.io/rev": "asm-1-30"})
        return answering({f"/apis/{version}/sidecars": [labelled]})(asked)

    with serving(respond) as api:
        seen = observe(
            api.connect(tmp_path),
            PROFILES[ProfileName.ISTIO],
            EMPTY,
            NOW,
            parts=frozenset({"resources"}),
        )
    [found] = seen.resources
    assert (found.api_version, found.kind, found.name, found.revision) == (version, "Sidecar", "mine", "asm-1-30")
