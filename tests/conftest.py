"""Sandboxes for tests. Each is a real control plane; a module shares one where its tests leave it as they found it."""

from collections.abc import Iterator

import pytest

from harness import Cluster, sandbox


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
