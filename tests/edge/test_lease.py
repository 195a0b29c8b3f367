"""Only one works on a mesh at a time, however the others ended."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from loopback_api import Asked, Reply, serving, status

from pilotage.domain.errors import Retry
from pilotage.domain.objects import Obj
from pilotage.edge import lease as leases
from pilotage.edge.kube import Kube, NotThere
from pilotage.edge.lease import Lease, LeaseHeld, describe, operator_identity, operator_runs, verb_identity

JANE = "verb:jane@laptop:4711:abc"


class Store:
    """One Lease, kept as the API server keeps it: optimistic locking by resourceVersion."""

    def __init__(self) -> None:
        self.lease: Obj | None = None
        self.version = 0
        self.kube: Kube

    def respond(self, asked: Asked) -> Reply:
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
    monkeypatch.setattr(leases.time, "sleep", lambda _: store.hold("verb:joe@laptop:1:x"))
    with pytest.raises(LeaseHeld, match=r"joe@laptop \(process 1\) is at work on this mesh") as told:
        lease(store).acquire()
    assert told.value.holder == "verb:joe@laptop:1:x"


def test_a_machine_that_slept_past_its_lease_writes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = lease(store)
    mine.acquire()
    woken = leases._clock() + 3600
    store.hold("operator:pod-1:x")
    monkeypatch.setattr(leases, "_clock", lambda: woken)
    with pytest.raises(LeaseHeld, match="the operator pod-1"):
        mine.check()
    with pytest.raises(Retry, match="not held"):
        mine.check()
    assert store.holder == "operator:pod-1:x"


@pytest.mark.parametrize("meanwhile", ["deleted", "edited", "nothing"])
def test_a_lease_that_nobody_took_is_renewed(store: Store, monkeypatch: pytest.MonkeyPatch, meanwhile: str) -> None:
    mine = lease(store)
    mine.acquire()
    before = store.version
    if meanwhile == "deleted":
        store.lease = None
    elif meanwhile == "edited":
        store.put({**store.held, "metadata": {**store.held["metadata"], "labels": {"seen": "yes"}}})
    later = leases._clock() + 6
    monkeypatch.setattr(leases, "_clock", lambda: later)
    mine.check()
    assert store.holder == JANE
    assert store.version > before


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
