"""Whatever goes wrong on the way becomes one clear line of ours, within the deadline."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback_api import Asked, Reply, objects, serving, status, write_kubeconfig

from pilotage.domain.errors import Denied, MeshError, Refused, Retry, Unreachable
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.edge.kube import AlreadyThere, Conflict, Kube, NotThere

CART = ObjectRef("v1", "Pod", "shop", "cart")
CONFIG: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "mesh"}}
FORBIDDEN = 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "shop"'
FORBIDDEN_EVERYWHERE = (
    'x is forbidden: User "jane" cannot watch resource "deployments" in API group "apps" at the cluster scope'
)
QUOTA = 'pods "cart" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2'
INVALID = {"details": {"causes": [{"field": "spec.replicas", "message": "must be positive"}]}}


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (status(401, "Unauthorized", "Unauthorized"), Refused, "does not accept your credentials"),
        (status(403, "Forbidden", FORBIDDEN), Denied, "jane may not list pods in namespace shop"),
        (status(403, "Forbidden", FORBIDDEN_EVERYWHERE), Denied, "jane may not watch deployments.apps in the whole"),
        (status(403, "Forbidden", QUOTA), Denied, "exceeded quota: small"),
        (status(404, "NotFound", 'namespaces "mesh" not found'), NotThere, 'namespaces "mesh" not found'),
        (status(409, "Conflict", "Apply failed with 1 conflict"), Conflict, "apply ConfigMap mesh/istio: Apply failed"),
        (status(409, "AlreadyExists", 'configmaps "istio" already exists'), AlreadyThere, "already exists"),
        (status(422, "Invalid", "is invalid", **INVALID), Refused, "is invalid; spec.replicas: must be positive"),
        (status(400, "BadRequest", "unknown field"), Refused, "unknown field"),
        (status(500, "InternalError", "failed calling webhook"), Retry, "failed calling webhook"),
        (Reply(b"<html>\n<b>Bad  Gateway</b>", 502), Retry, "<html> <b>Bad Gateway</b>"),
        (Reply(b"", 418), Refused, "the API server answered 418"),
    ],
)
def test_an_answer_of_the_api_server_becomes_an_error_of_ours(
    tmp_path: Path, reply: Reply, error: type[MeshError], words: str
) -> None:
    with serving(lambda _: reply) as api, pytest.raises(error) as told:
        api.connect(tmp_path).apply(CONFIG, "pilotage")
    assert words in str(told.value)
    assert "\n" not in str(told.value)


def test_a_denied_permission_comes_with_the_command_that_checks_it(tmp_path: Path) -> None:
    with serving(lambda _: status(403, "Forbidden", FORBIDDEN)) as api, pytest.raises(Denied) as told:
        api.connect(tmp_path).list("v1", "Pod", "shop")
    assert "kubectl auth can-i list pods -n shop" in told.value.fix


def test_a_busy_api_server_is_asked_again_after_the_time_it_names(tmp_path: Path) -> None:
    script = iter([Reply(b"", 429, {"Retry-After": "0"}), Reply(b"", 503, {"Retry-After": "0"}), objects("a")])
    with serving(lambda _: next(script)) as api:
        assert len(api.connect(tmp_path).list("v1", "Pod")) == 1


def test_an_api_server_that_asks_for_too_much_patience_is_left_to_the_caller(tmp_path: Path) -> None:
    busy = status(429, "TooManyRequests", "slow down")._replace(headers={"Retry-After": "60"})
    with serving(lambda _: busy) as api, pytest.raises(Retry, match="slow down") as told:
        api.connect(tmp_path).list("v1", "Pod")
    assert told.value.after == 60


def test_a_read_survives_a_short_failure(tmp_path: Path) -> None:
    script = iter([Reply(b"etcd", 500), Reply(b"", 503), objects("a")])
    with serving(lambda _: next(script)) as api:
        assert len(api.connect(tmp_path).list("v1", "Pod")) == 1


def test_a_read_survives_a_connection_that_breaks_in_the_middle(tmp_path: Path) -> None:
    script = iter([objects("a")._replace(cut=10), objects("a")])
    with serving(lambda _: next(script)) as api:
        assert len(api.connect(tmp_path).list("v1", "Pod")) == 1


def test_a_create_is_not_sent_twice_when_the_connection_breaks(tmp_path: Path) -> None:
    made: list[str] = []

    def respond(asked: Asked) -> Reply:
        made.append(asked.path)
        return Reply({}, cut=1)

    with serving(respond) as api, pytest.raises(Unreachable, match="the connection broke"):
        api.connect(tmp_path).create(CONFIG)
    assert len(made) == 1


def test_a_kept_connection_that_the_server_closed_meanwhile_goes_unnoticed(tmp_path: Path) -> None:
    with serving(lambda _: objects("a")) as api:
        kube = api.connect(tmp_path)
        first = kube.list("v1", "Pod")
        api.respond = lambda _: objects("a")._replace(headers={"Connection": "close"})
        assert kube.list("v1", "Pod") == kube.list("v1", "Pod") == first


def test_an_api_server_that_hangs_is_unreachable_within_the_deadline(tmp_path: Path) -> None:
    with serving(lambda _: Reply(hang=True)) as api:
        started = time.monotonic()
        with pytest.raises(Unreachable, match=f"{api.address} .context there.: no answer within 0.3 s"):
            api.connect(tmp_path, deadline=0.3).get(CART)
    assert time.monotonic() - started < 5


def test_an_answer_that_stops_in_the_middle_is_unreachable_within_the_deadline(tmp_path: Path) -> None:
    with (
        serving(lambda _: Reply({"items": []}, cut=4, hang=True)) as api,
        pytest.raises(Unreachable, match="no answer"),
    ):
        api.connect(tmp_path, deadline=0.3).get(CART)


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_that_trickles_in_is_unreachable_within_the_deadline(tmp_path: Path, chunked: bool) -> None:
    slow = objects(*"abcdefgh")._replace(trickle=0.05, chunked=chunked)
    with serving(lambda _: slow) as api:
        started = time.monotonic()
        with pytest.raises(Unreachable, match="no answer within 0.5 s"):
            api.connect(tmp_path, deadline=0.5).list("v1", "Pod")
    assert time.monotonic() - started < 5


def noting(asked: list[Asked]) -> Callable[[Asked], Reply]:
    """Answers everything, and keeps what was asked."""

    def answer(each: Asked) -> Reply:
        asked.append(each)
        return Reply({})

    return answer


def test_a_write_tells_the_api_server_when_its_answer_is_no_longer_awaited(tmp_path: Path) -> None:
    asked: list[Asked] = []
    with serving(noting(asked)) as api:
        api.connect(tmp_path, deadline=7).apply(CONFIG, "pilotage")
    assert asked[-1].query["timeout"] == "7s"


def test_a_question_that_is_posted_survives_a_connection_that_breaks(tmp_path: Path) -> None:
    script = iter([Reply({}, cut=1), Reply({"status": {"allowed": True}})])
    with serving(lambda _: next(script)) as api:
        assert api.connect(tmp_path).may("get", "", "pods")


def test_a_fence_is_asked_before_each_attempt_to_write_and_before_nothing_else(tmp_path: Path) -> None:
    busy = Reply(b"", 429, {"Retry-After": "0"})
    told: list[str] = []
    script = iter([busy, Reply({}), Reply({}), objects("a")])

    def respond(asked: Asked) -> Reply:
        told.append(asked.method)
        return next(script)

    with serving(respond) as api:
        kube = api.connect(tmp_path).fenced(lambda: told.append("fence"))
        kube.apply(CONFIG, "pilotage")
        kube.apply(CONFIG, "pilotage", dry_run=True)
        kube.list("v1", "Pod")
    assert told == ["fence", "PATCH", "fence", "PATCH", "PATCH", "GET"]


def test_a_write_behind_a_fence_that_fell_is_never_sent(tmp_path: Path) -> None:
    def fallen() -> None:
        raise Retry("another took over")

    asked: list[Asked] = []
    with serving(noting(asked)) as api:
        kube = api.connect(tmp_path).fenced(fallen)
        with pytest.raises(Retry, match="another took over"):
            kube.delete(ObjectRef("v1", "ConfigMap", "mesh", "istio"))
    assert asked == []


def test_a_refused_connection_says_so_and_what_to_check(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(Unreachable, match=f"{address}.*connection refused; check that the cluster runs"):
        Kube.connect(write_kubeconfig(tmp_path / "config", address)).get(CART)


def test_a_name_that_does_not_resolve_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="its name does not resolve"):
        Kube.connect(write_kubeconfig(tmp_path / "config", "https://nowhere.invalid")).get(CART)


def test_something_else_that_listens_there_is_named_as_such(tmp_path: Path) -> None:
    with serving(lambda _: Reply(b"hello")) as api, pytest.raises(Unreachable, match="not Kubernetes"):
        api.connect(tmp_path).get(CART)


def test_an_answer_that_was_cut_off_on_the_way_is_named_as_such(tmp_path: Path) -> None:
    with (
        serving(lambda _: Reply(b'{"kind":"PodList","items":[{"metad')) as api,
        pytest.raises(Unreachable, match=f"{api.address} .context there. arrived broken"),
    ):
        api.connect(tmp_path).list("v1", "Pod")


def test_a_permission_is_what_the_review_allows(tmp_path: Path) -> None:
    def review(asked: Asked) -> Reply:
        wanted = json.loads(asked.body)["spec"]["resourceAttributes"]
        return Reply({"status": {"allowed": wanted["verb"] == "list"}})

    with serving(review) as api:
        kube = api.connect(tmp_path)
        assert kube.may("list", "", "pods", "shop")
        assert not kube.may("delete", "", "pods", "shop")
