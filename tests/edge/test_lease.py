"""Only one works on a mesh at a time, however the others ended."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from loopback_api import Asked, Reply, serving, status

from pilotage.domain.errors import Retry
from pilotage.domain.objects import Obj
from pilotage.edge import lease as leases
from pilotage.edge.holder import describe, is_dead, operator_identity, verb_identity
from pilotage.edge.kube import Kube, NotThere
from pilotage.edge.lease import Lease, LeaseHeld
from pilotage.edge.operators import operator_runs

JANE = "verb:jane@laptop:4711:abc"


class Store:
    """One Lease, kept as the API server keeps it: optimistic locking by resourceVersion."""

    def __init__(self) -> None:
        self.lease: Obj | None = None
        self.version = 0
        self.broken = False
        self.kube: Kube

    def respond(self, asked: Asked) -> Reply:
        if self.broken:
            return status(500, "InternalError", "etcd is not there")
        if asked.method == "GET":
            return Reply(self.lease) if self.lease else status(404, "NotFound", "not found")
        if asked.method == "POST" and self.lease is not None:
            return status(409, "AlreadyExists", "already exists")
        if asked.method == "PUT" and self.lease is None:
            return status(404, "NotFound", "not found")
        if asked.method == "PUT" and asked.json["metadata"]["resourceVersion"] != str(self.version):
            return status(409, "Conflict", "the object has been modified")
        self.put(asked.json)
        return Reply(self.lease)

    @property
    def held(self) -> Obj:
        assert self.lease is not None
        return self.lease

    def put(self, lease: Obj) -> None:
        self.version += 1
        self.lease = {**lease, "metadata": {**lease["metadata"], "resourceVersion": str(self.version)}}

    def hold(self, holder: str, seconds: int = 15) -> None:
        spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": "2020-01-01T00:00:00.000000Z"}
        self.put(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": "pilotage", "namespace": "istio-system"},
                "spec": spec,
            }
        )

    @property
    def holder(self) -> Any:
        return self.held["spec"]["holderIdentity"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store()
    with serving(store.respond) as api:
        store.kube = api.connect(tmp_path)
        yield store


def lease(store: Store, identity: str = JANE) -> Lease:
    return Lease(store.kube, "istio-system", identity)


def test_a_free_lease_is_taken_at_once(store: Store) -> None:
    lease(store).acquire()
    assert store.holder == JANE


def test_a_verb_gives_its_lease_back_for_the_next_to_take_at_once(store: Store) -> None:
    with lease(store).kept():
        assert store.holder == JANE
    assert store.holder == ""
    lease(store, "verb:joe@laptop:1:x").acquire()


def test_a_holder_that_died_is_followed_after_its_duration_on_our_clock(store: Store) -> None:
    store.hold("verb:joe@laptop:1:x", seconds=1)
    lease(store).acquire()
    assert (store.holder, store.held["spec"]["leaseTransitions"]) == (JANE, 1)


def test_a_holder_that_renews_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.hold("verb:joe@laptop:1:x")
    monkeypatch.setattr(time, "sleep", lambda _: store.hold("verb:joe@laptop:1:x"))
    with pytest.raises(LeaseHeld, match=r"joe@laptop \(process 1\) is at work on this mesh") as told:
        lease(store).acquire()
    assert told.value.holder == "verb:joe@laptop:1:x"


def test_an_operator_that_stands_by_names_the_holder_once_and_follows_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.hold("operator:pod-1:x", seconds=1)
    renewals = iter([lambda: store.hold("operator:pod-1:x", seconds=1)] * 3)
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: (sleep(seconds), next(renewals, lambda: None)()))
    told: list[str] = []
    lease(store, "operator:pod-2:y").acquire(told.append)
    assert (told, store.holder) == (["operator:pod-1:x"], "operator:pod-2:y")


def ended() -> str:
    """The identity of a verb of ours that was killed."""
    names = "from pilotage.edge.holder import verb_identity; import os; print(verb_identity(), flush=True); os.abort()"
    done = subprocess.run([sys.executable, "-c", names], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def test_a_verb_of_ours_that_was_killed_here_is_followed_without_waiting_for_its_duration(store: Store) -> None:
    store.hold(ended(), seconds=10**6)
    lease(store, verb_identity()).acquire()
    assert store.holder == verb_identity()


@pytest.mark.parametrize(
    "holder",
    [
        pytest.param(verb_identity(), id="that-runs"),
        pytest.param(ended().replace(":", "@elsewhere:", 1).rsplit("-", 1)[0] + "x-1", id="of-another-machine-or-user"),
        pytest.param("verb:jane@laptop:4711:0a1b2c3d", id="that-wrote-no-more-than-its-pid"),
        pytest.param(ended().replace("verb:", "operator:"), id="that-is-an-operator"),
    ],
)
def test_nobody_else_is_taken_for_dead(holder: str) -> None:
    assert not is_dead(holder)


def slept(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    woken = leases._clock() + seconds
    monkeypatch.setattr(leases, "_clock", lambda: woken)


def test_a_machine_that_slept_past_its_lease_writes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = lease(store)
    mine.acquire()
    store.hold("operator:pod-1:x")
    slept(monkeypatch, 3600)
    for _ in range(2):
        with pytest.raises(LeaseHeld, match="the operator pod-1"):
            mine.check()
    assert store.holder == "operator:pod-1:x"


def test_a_lease_that_another_had_and_gave_back_meanwhile_is_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = lease(store)
    mine.acquire()
    store.put({**store.held, "spec": {**store.held["spec"], "holderIdentity": "", "leaseTransitions": 2}})
    slept(monkeypatch, 3600)
    with pytest.raises(LeaseHeld, match="another verb"):
        mine.check()
    assert store.holder == ""


@pytest.mark.parametrize("meanwhile", ["deleted", "edited", "nothing"])
def test_who_slept_and_still_holds_the_lease_looks_again_before_it_writes(
    store: Store, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    mine = lease(store)
    mine.acquire()
    before = store.version
    if meanwhile == "deleted":
        store.lease = None
    elif meanwhile == "edited":
        store.put({**store.held, "metadata": {**store.held["metadata"], "labels": {"seen": "yes"}}})
    slept(monkeypatch, 3600)
    with pytest.raises(Retry, match="looking again"):
        mine.check()
    mine.check()
    assert store.holder == JANE
    assert store.version > before


def test_a_holder_whose_renewal_fails_goes_on_until_its_limit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = lease(store)
    mine.acquire()
    store.broken = True
    mine.check()
    slept(monkeypatch, 8)
    with pytest.raises(Retry, match="etcd"):
        mine.check()


def test_every_write_of_a_holder_is_checked(store: Store) -> None:
    mine = lease(store)
    with mine.kept() as kube:
        store.hold("operator:pod-1:x")
        with mine._lock, pytest.raises(LeaseHeld):
            mine._renew()
        with pytest.raises(LeaseHeld, match="the operator pod-1"):
            kube.delete(mine._ref)
    assert store.holder == "operator:pod-1:x"


def test_who_rests_is_told_that_another_took_over(store: Store) -> None:
    told = threading.Event()
    with lease(store).kept(lost=told.set):
        store.hold("operator:pod-1:x")
        assert told.wait(30)


def test_who_gives_its_lease_back_is_told_of_no_loss(store: Store) -> None:
    told = threading.Event()
    with lease(store).kept(lost=told.set):
        pass
    assert not told.is_set()


def test_a_write_without_a_lease_is_stopped(store: Store) -> None:
    with pytest.raises(Retry, match="not held"):
        lease(store).check()


def test_a_lease_in_a_namespace_that_is_missing_says_so(tmp_path: Path) -> None:
    missing = status(404, "NotFound", 'namespaces "istio-system" not found')
    with serving(lambda _: missing) as api, pytest.raises(NotThere, match="istio-system"):
        Lease(api.connect(tmp_path), "istio-system", JANE).acquire()


def test_an_operator_that_restarts_is_still_an_operator(store: Store) -> None:
    with lease(store, operator_identity()).kept():
        assert operator_runs(store.lease, datetime.now(UTC))
    assert operator_runs(store.lease, datetime.now(UTC))
    lease(store, operator_identity()).acquire()


def test_neither_an_operator_of_long_ago_nor_a_verb_is_an_operator(store: Store) -> None:
    assert not operator_runs(None, datetime.now(UTC))
    store.hold(operator_identity())
    assert not operator_runs(store.lease, datetime.now(UTC))
    store.hold(verb_identity())
    assert not operator_runs(store.lease, datetime.now(UTC))


def test_holders_of_other_tools_are_named_as_they_are() -> None:
    assert describe("someone-else") == "someone-else"
