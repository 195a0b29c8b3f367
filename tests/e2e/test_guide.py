"""The guide, all four ways: with tags or without, completed or rolled back. The first is part of `make test`."""

import pytest

from guide import WORKLOADS, Guide
from harness import CANARY, STABLE, Cluster, eventually

_WAYS = [
    pytest.param(True, "complete", id="with-tags-completed"),
    pytest.param(True, "rollback", id="with-tags-rolled-back", marks=pytest.mark.e2e),
    pytest.param(False, "complete", id="without-tags-completed", marks=pytest.mark.e2e),
    pytest.param(False, "rollback", id="without-tags-rolled-back", marks=pytest.mark.e2e),
]


@pytest.mark.parametrize(("tags", "verb"), _WAYS)
def test_the_guide_works_as_written(cluster: Cluster, tags: bool, verb: str) -> None:
    keep, gone = (CANARY, STABLE) if verb == "complete" else (STABLE, CANARY)
    guide = Guide(cluster, tags=tags)
    guide.begin()
    guide.check_upgrades()
    guide.start()
    guide.tag_the_canary()
    guide.expect_both()
    guide.move(CANARY)
    guide.expect_drift(*WORKLOADS)
    guide.restart()
    guide.expect_proxies(CANARY)
    guide.expect_drift()
    guide.add_application(CANARY)
    if verb == "rollback":
        guide.move(STABLE)
        guide.restart()
        guide.remove_application()
        guide.expect_proxies(STABLE)
    guide.decide(verb)
    guide.expect_one(keep, gone)
    guide.tidy()
    assert guide.target_images()
    eventually("no other image runs", lambda: set(guide.running_images().values()) == guide.target_images())
