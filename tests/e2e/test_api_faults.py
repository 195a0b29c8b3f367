"""An API server that misbehaves: the work waits with words that name the cause, and goes on by itself."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tools.audit import LEASE

from audit import Audit
from faultproxy import Asked, Fault, FaultProxy, faulty
from harness import CANARY, MESH, STABLE, Cluster, eventually, sandbox
from pilotage.edge import paging
from pilotage.edge.kube import Kube
from processes import Process, started

pytestmark = pytest.mark.e2e
CONFIG = f"istio-sidecar-injector-{STABLE}"


class World(NamedTuple):
    """`direct` reaches the API server itself, `through` by way of the proxy."""

    direct: Cluster
    through: Cluster
    proxy: FaultProxy


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with sandbox("faults") as direct:
        direct.enable().must()
        yield from proxied(direct, tmp_path_factory.mktemp("proxy"))


def proxied(direct: Cluster, folder: Path) -> Iterator[World]:
    with faulty(direct.kubeconfig, folder) as proxy:
        yield World(direct, Cluster(direct.name, proxy.kubeconfig, direct.assets), proxy)


def writes(asked: Asked) -> bool:
    return asked.writes and not asked.path.endswith("/leases/pilotage")


def mends(asked: Asked) -> bool:
    return writes(asked) and asked.path.endswith(f"/configmaps/{CONFIG}")


def lists(asked: Asked) -> bool:
    return asked.method == "GET" and asked.path.endswith("/configmaps") and not asked.watches


def watches(asked: Asked) -> bool:
    return asked.watches


def answer(
    code: int, reason: str, message: str, fits: Callable[[Asked], bool] = mends, **more: dict[str, str]
) -> Fault:
    return Fault("answer", fits, code=code, reason=reason, message=message, **more)  # type: ignore[arg-type]


WEBHOOK = 'failed calling webhook "policy.example.com": failed to call webhook: context deadline exceeded'


def passing(way: str, at: int, **more: Any) -> Fault:
    """One that meets the `at`th write of a verb, and not its repetition."""
    count = iter(range(10**6))
    return Fault(way, lambda asked: writes(asked) and next(count) == at, times=1, **more)


def test_an_upgrade_goes_through_faults_that_pass(world: World) -> None:
    faults = [
        passing("answer", 3, code=409, reason="Conflict", message="it has been modified"),
        passing("answer", 6, code=429, reason="TooManyRequests", message="slow down", headers={"Retry-After": "2"}),
        passing("answer", 9, code=500, reason="InternalError", message=WEBHOOK),
        passing("answer", 12, code=503, reason="ServiceUnavailable", message="shutting down"),
        passing("reset", 15),
        passing("reset", 18, late=True),
        passing("cut", 21),
        passing("hang", 24),
    ]
    with ExitStack() as stack:
        for fault in faults:
            stack.enter_context(world.proxy.fault(fault))
        words = ("upgrade", "start", "--revision", CANARY, "--local", "--request-timeout", "3s")
        told = world.through.pilotage(*words).must()
    assert [len(fault.hit) for fault in faults] == [1] * len(faults)
    assert "Traceback" not in told.err
    for cause in ("it has been modified", "policy.example.com", "shutting down", "no answer within 3 s"):
        assert cause in told.err, told.err
    assert f"istiod-{CANARY}" in world.direct.names("deployments", MESH)


def test_the_time_that_a_busy_api_server_names_is_given_to_it(world: World) -> None:
    busy = passing("answer", 2, code=429, reason="TooManyRequests", message="slow down", headers={"Retry-After": "10"})
    before = len(world.proxy.asked)
    with world.proxy.fault(busy):
        told = world.through.pilotage("upgrade", "rollback", "--yes", "--local").must()
    (hit,) = busy.hit
    again = next(each for each in world.proxy.asked[before:] if each.at > hit.at and each.path == hit.path)
    assert again.at - hit.at >= 10
    assert "slow down" in told.err


def test_a_create_whose_answer_was_lost_is_not_sent_again(world: World) -> None:
    world.direct.kubectl("delete", "lease", "pilotage", "-n", MESH).must()
    audit, lost = Audit(world.direct), Fault("reset", lambda asked: asked.method == "POST" and asked.writes, late=True)
    with world.proxy.fault(lost):
        world.through.pilotage("upgrade", "start", "--revision", CANARY, "--local").must()
    made = Counter(asked.resource for asked in audit.told() if asked.ours and asked.wrote and asked.verb == "create")
    assert made[LEASE] == 1
    assert lost.hit


def test_an_intent_whose_answer_was_lost_is_not_taken_for_an_edit_of_somebody_else(world: World) -> None:
    lost = Fault("reset", lambda asked: writes(asked) and asked.path.endswith("/servicemeshes/default"), 1, late=True)
    with world.proxy.fault(lost):
        world.through.pilotage("upgrade", "rollback", "--yes", "--local").must()
    assert lost.hit
    assert [entry["name"] for entry in world.direct.get("smesh", "default")["spec"]["revisions"]] == [STABLE]


@pytest.mark.parametrize("way", ["trickle", "hang", "cut", "reset"])
def test_an_api_server_that_does_not_finish_its_lists_is_named_in_time(world: World, way: str) -> None:
    with world.proxy.fault(Fault(way, lambda asked: asked.method == "GET" and asked.path == "/api/v1/pods")):
        begun = time.monotonic()
        told = world.through.pilotage("status", "--request-timeout", "2s").must(1)
    assert time.monotonic() - begun < 30
    assert "API server" in told.err
    assert "Traceback" not in told.err


def test_a_list_that_expires_between_its_pages_is_told_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "_SIZE", 3)
    expires = Fault("answer", lambda asked: bool(asked.query.get("continue")), 1, 410, "too old", "Expired")
    with world.proxy.fault(expires):
        found = Kube.connect(str(world.through.kubeconfig)).list("v1", "ConfigMap", MESH)
    assert expires.hit
    assert Counter(each["metadata"]["name"] for each in found) == Counter(world.direct.names("configmaps", MESH))


@pytest.fixture(scope="module")
def operator(world: World) -> Iterator[Process]:
    words = ("operator", "--listen", "off", "--log-format", "text", "--request-timeout", "3s")
    with started(world.through, *words) as process:
        eventually("it leads", lambda: " leads " in process.said)
        yield process


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(answer(409, "Conflict", "the object has been modified"), "has been modified", id="conflicts"),
        pytest.param(
            answer(429, "TooManyRequests", "too many requests", headers={"Retry-After": "1"}),
            "too many requests",
            id="too-busy",
        ),
        pytest.param(answer(500, "InternalError", "etcdserver: no leader"), "etcdserver: no leader", id="no-etcd"),
        pytest.param(answer(503, "ServiceUnavailable", "apiserver not ready"), "apiserver not ready", id="not-ready"),
        pytest.param(answer(500, "InternalError", WEBHOOK), "policy.example.com", id="webhook-times-out"),
        pytest.param(Fault("reset", mends), "the connection broke", id="reset-before-the-request-went-on"),
        pytest.param(Fault("hang", mends), "no answer within 3 s", id="hangs"),
    ],
)
def test_a_write_that_fails_is_named_and_made_once_the_fault_ends(
    world: World, operator: Process, fault: Fault, words: str
) -> None:
    with world.proxy.fault(fault):
        begun = len(operator.said)
        remove(world)
        eventually(f"the operator names it: {words}", lambda: words in operator.said[begun:])
        eventually(f"the resource names it: {words}", lambda: words in condition(world, "Ready"))
        assert CONFIG not in world.direct.names("configmaps", MESH)
    assert_mended(world, operator)
    eventually("the resource says that all is well", lambda: "all is as asked" in condition(world, "Ready"))


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(answer(410, "Expired", "too old resource version", watches), id="watches-expire"),
        pytest.param(answer(500, "InternalError", "etcd is gone", watches), id="watches-fail"),
        pytest.param(Fault("reset", watches), id="watches-are-reset"),
        pytest.param(Fault("hang", watches), id="watches-hang"),
    ],
)
def test_a_watch_that_fails_is_taken_up_again(world: World, operator: Process, fault: Fault) -> None:
    with world.proxy.fault(fault):
        world.proxy.drop()  # those that are open already
        eventually("watches were asked for again", lambda: len(fault.hit) > 3)
        remove(world)
    assert_mended(world, operator)


def test_watches_that_expire_at_once_do_not_become_a_storm_of_lists(world: World, operator: Process) -> None:
    with world.proxy.fault(answer(410, "Expired", "too old resource version", watches)) as fault:
        world.proxy.drop()
        eventually("watches were asked for again", lambda: len(fault.hit) > 3)
        begun, before = time.monotonic(), len(world.proxy.asked)
        eventually("some seconds of it", lambda: time.monotonic() - begun > 5)
        seconds, asked = time.monotonic() - begun, world.proxy.asked[before:]
        kinds = {each.path for each in asked}
    assert len(asked) <= 3 * seconds * len(kinds), f"{len(asked)} for {len(kinds)} collections in {seconds:.1f} s"
    assert_mended(world, operator)


def condition(world: World, kind: str) -> str:
    """Its message."""
    conditions = world.direct.get("smesh", "default")["status"]["conditions"]
    return str(next(each["message"] for each in conditions if each["type"] == kind))


def remove(world: World) -> None:
    world.direct.kubectl("delete", "configmap", "-n", MESH, CONFIG, "--ignore-not-found").must()


def assert_mended(world: World, operator: Process) -> None:
    eventually(f"{CONFIG} is back", lambda: CONFIG in world.direct.names("configmaps", MESH))
    assert operator.child.poll() is None
    assert "Traceback" not in operator.said
