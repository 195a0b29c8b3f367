"""The servers that the suite runs on: the one in memory always, a real one with `pytest -m e2e`."""

import itertools
from collections.abc import Iterator

import pytest
from client import Both, Server

from harness import sandbox
from pilotage_memory import memory_cluster

_SPACES = itertools.count()


@pytest.fixture(scope="package")
def real() -> Iterator[str]:
    """The kubeconfig of a real API server."""
    with sandbox("conformance") as cluster:
        yield str(cluster.kubeconfig)


@pytest.fixture(scope="package", params=["memory", pytest.param("real", marks=pytest.mark.e2e)])
def kubeconfig(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "memory":
        with memory_cluster() as made:
            yield str(made.kubeconfig)
    else:
        yield request.getfixturevalue("real")


@pytest.fixture
def server(kubeconfig: str) -> Iterator[Server]:
    """With an empty namespace of the test's own."""
    made = Server(kubeconfig, f"conformance-{next(_SPACES)}")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made.space}}
    made.create(namespace).must(201)
    yield made
    made.delete(namespace).must()


@pytest.fixture(scope="package")
def both(real: str) -> Iterator[Both]:
    """An empty cluster in memory and a real one, to be sent the same."""
    with memory_cluster() as made:
        yield Server(str(made.kubeconfig), "default"), Server(real, "default")
