"""An API server's admission learns of a label or a tag after it was written, and each of several by itself.

A pod that is made meanwhile has the proxy of before. Verbs that follow at once must neither wait for it in vain nor
take it for what is wanted.
"""

import itertools
from collections.abc import Iterator

import pytest

from harness import CANARY, STABLE, deployment, namespace
from inmemory import InMemory, in_memory

_NAMES = itertools.count()


@pytest.fixture(scope="module")
def mesh() -> Iterator[InMemory]:
    with in_memory() as made:
        made.enable().must()
        made.pilotage("upgrade", "start", "--revision", CANARY).must()
        yield made


@pytest.fixture
def space(mesh: InMemory) -> str:
    """A namespace with an application, which keeps the tag of the same name, which points at stable."""
    name = f"shop-{next(_NAMES)}"
    mesh.pilotage("tag", "set", name, "--revision", STABLE, "-y").must()
    mesh.apply(namespace(name, rev=name), deployment(name, "web"))
    return name


def move(mesh: InMemory, tag: str, *, made: int = 0, tried: int = 0) -> None:
    """The tag to the canary, which so many pods do not notice; see `Webhooks.lag`."""
    mesh.world.webhooks.lag(made=made, tried=tried)
    mesh.pilotage("tag", "set", tag, "--revision", CANARY, "--overwrite", "-y").must()


def test_a_restart_right_after_a_tag_was_moved_begins_when_admission_knows(mesh: InMemory, space: str) -> None:
    move(mesh, space, tried=2)
    mesh.pilotage("restart", "-n", space, "--all", "--timeout", "1s").must()
    assert mesh.proxies(space) == {"web": {CANARY}}


def test_pods_that_another_api_server_admitted_too_early_are_made_once_more(mesh: InMemory, space: str) -> None:
    move(mesh, space, made=2)
    told = mesh.pilotage("restart", "-n", space, "--all", "--timeout", "5s").must()
    assert "1 workload restarted." in told.out
    assert f"has a proxy of {STABLE}, not of {CANARY}: made before the API server knew" in told.err
    assert mesh.proxies(space) == {"web": {CANARY}}


def test_they_are_not_made_a_third_time(mesh: InMemory, space: str) -> None:
    move(mesh, space, made=4)
    told = mesh.pilotage("restart", "-n", space, "--all", "--timeout", "2s").must(1)
    assert f"has a proxy of {STABLE}, not of {CANARY}" in told.err.splitlines()[-1]
    mesh.pilotage("restart", "-n", space, "--not-on", CANARY).must()
    assert mesh.proxies(space) == {"web": {CANARY}}


def test_a_label_that_was_written_a_moment_ago_counts_for_a_restart(mesh: InMemory) -> None:
    mesh.apply(namespace("new"), deployment("new", "web"))
    mesh.world.webhooks.lag(tried=2)
    mesh.patch("namespaces/new", {"metadata": {"labels": {"istio.io/rev": CANARY}}})
    mesh.pilotage("restart", "-n", "new", "--all", "--timeout", "1s").must()
    assert mesh.proxies("new") == {"web": {CANARY}}


def test_so_does_one_that_was_taken_away(mesh: InMemory, space: str) -> None:
    mesh.world.webhooks.lag(tried=2)
    mesh.patch(f"namespaces/{space}", {"metadata": {"labels": {"istio.io/rev": None}}})
    mesh.pilotage("restart", "deploy/web", "-n", space, "--timeout", "1s").must()
    assert mesh.proxies(space) == {"web": {""}}


def test_what_a_tag_leaves_behind_is_told_as_soon_as_it_is_moved(mesh: InMemory, space: str) -> None:
    move(mesh, space, tried=2)
    mesh.pilotage("drift", "-n", space).must(4)


def test_what_is_outdated_by_a_tag_is_restarted_as_soon_as_it_is_moved(mesh: InMemory, space: str) -> None:
    move(mesh, space, tried=2)
    assert "1 workload restarted." in mesh.pilotage("restart", "--outdated", "-n", space).must().out
    assert mesh.proxies(space) == {"web": {CANARY}}
