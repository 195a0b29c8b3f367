"""Sandboxes for tests. Each is a real control plane; a module shares one where its tests leave it as they found it."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

import spreading
from harness import Cluster, sandbox

# A shell starts what runs in its background deaf to Ctrl-C, and children inherit that: tests send it to theirs.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> spreading.Scheduling:
    config.option.loadscopereorder = False
    return spreading.Scheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        spreading.longest_first(items)


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A fresh control plane for one test."""
    with sandbox(f"test-{abs(hash(request.node.nodeid)) % 100000}") as made:
        yield made


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A control plane for the tests of one module."""
    with sandbox(request.module.__name__.rsplit(".", 1)[-1].replace("_", "-")[:20]) as made:
        yield made
