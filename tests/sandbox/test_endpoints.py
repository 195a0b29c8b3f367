"""Which pods a load balancer uses, and that it hears of changes late."""

import random
from collections.abc import Callable

import pytest

from pilotage_sandbox.endpoints import LATEST, SOONEST, Follower, wanted

A, B = ("10.244.0.2", 80), ("10.244.0.3", 80)


def endpoint(
    address: str, *, ready: bool = False, serving: bool = False, terminating: bool = False
) -> dict[str, object]:
    return {
        "addresses": [address],
        "conditions": {"ready": ready, "serving": serving or ready, "terminating": terminating},
    }


def slice_of(*endpoints: dict[str, object]) -> dict[str, object]:
    return {"ports": [{"name": "http2", "port": 80}, {"name": "https", "port": 443}], "endpoints": list(endpoints)}


def test_only_ready_pods_get_connections_at_the_port_of_that_name() -> None:
    pieces = [
        slice_of(endpoint(A[0], ready=True), endpoint("10.244.0.9")),
        slice_of(endpoint(B[0], serving=True, terminating=True)),
    ]
    assert wanted(pieces, "http2") == {A}


def test_pods_that_leave_but_serve_are_used_where_no_other_is_ready() -> None:
    pieces = [slice_of(endpoint(A[0], serving=True, terminating=True), endpoint(B[0], terminating=True))]
    assert wanted(pieces, "http2") == {A}


class Later:
    """Time that a test lets pass."""

    def __init__(self) -> None:
        self.now = 0.0
        self._calls: list[tuple[float, Callable[[], None]]] = []

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        self._calls.append((self.now + seconds, call))

    def until(self, now: float) -> None:
        self.now = now
        for due, call in sorted(self._calls, key=lambda pair: pair[0]):
            if due <= now:
                call()
        self._calls = [each for each in self._calls if each[0] > now]


@pytest.mark.parametrize("seed", range(20))
def test_each_change_arrives_one_to_ten_seconds_late(seed: int) -> None:
    later = Later()
    follower = Follower(random.Random(seed), later.after, lambda _: None)
    follower.follow({A, B})
    later.until(SOONEST - 0.01)
    assert follower.next() is None
    later.until(LATEST)
    assert {follower.next() for _ in range(4)} == {A, B}
    follower.follow({B})
    later.until(LATEST + SOONEST - 0.01)
    assert {follower.next() for _ in range(4)} == {A, B}
    later.until(2 * LATEST)
    assert {follower.next() for _ in range(4)} == {B}


@pytest.mark.parametrize("seed", range(20))
def test_of_two_changes_the_later_one_lasts_whichever_arrives_first(seed: int) -> None:
    later = Later()
    follower = Follower(random.Random(seed), later.after, lambda _: None)
    for targets in ({A}, set(), {A}, set[tuple[str, int]]()):
        follower.follow(targets)
    later.until(LATEST)
    assert follower.next() is None
