"""Killed before any write of any journey, and run again: it ends where it would have ended, and then writes nothing.

A client that dies right after its k-th write took effect leaves the same cluster as one that dies before its next one.
So a copy of the world is kept ahead of each write of one undisturbed run, and the journey is made again from each copy.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import NamedTuple

import pytest
from invariants import Watch
from lab import KILLED, Clock, Lab, changes, forked

from harness import CANARY, STABLE, Obj, Result, deployment, namespace
from picture import Picture, differences, picture
from pilotage_memory.faults import Fault
from pilotage_memory.world import World

SPACE, TAG = "shop", "prod-stable"
GATEWAYS = "aks-istio-ingress"
# Said by a verb that finds its work done.
FOUND_DONE = ("only one revision is installed", "cannot remove tag", "name one gateway (there: none)")


class Journey(NamedTuple):
    """`after`: the steps that lead to where it begins."""

    name: str
    after: tuple[str, ...]
    walk: Callable[[Lab], object]


def verbs(*lines: str) -> Callable[[Lab], None]:
    def walk(mesh: Lab) -> None:
        for line in lines:
            done(mesh.pilotage(*line.split()))

    return walk


def done(result: Result) -> None:
    """It did its work, or found it done."""
    if result.code != 0:
        assert any(words in result.err for words in FOUND_DONE), result.must()


def enable(mesh: Lab) -> None:
    mesh.enable().must()


def inhabit(mesh: Lab) -> None:
    mesh.apply(namespace(SPACE, rev=STABLE), deployment(SPACE, "web"))


def edit(mesh: Lab) -> None:
    """As from Git; the loop of an operator does the rest."""
    mesh.patch("servicemesh/default", {"spec": {"revisions": [{"name": CANARY}]}})
    mesh.rest()


def leave(mesh: Lab) -> None:
    mesh.patch(f"namespace/{SPACE}", {"metadata": {"labels": {"istio.io/rev": None}}})


JOURNEYS = {
    journey.name: journey
    for journey in (
        Journey("enable", (), enable),
        Journey("start", ("enable", "inhabit"), verbs(f"upgrade start --revision {CANARY}")),
        Journey(
            "complete",
            ("enable", "inhabit", "start"),
            verbs(f"namespace move {SPACE} --to {CANARY}", f"restart --not-on {CANARY}", "upgrade complete --yes"),
        ),
        Journey("rollback", ("enable", "inhabit", "start"), verbs("upgrade rollback --yes")),
        Journey("tag", ("enable", "inhabit"), verbs(f"tag set {TAG} --revision {STABLE} --overwrite -y")),
        Journey("untag", ("enable", "inhabit", "tag"), verbs(f"tag remove {TAG} -y")),
        Journey("gateway", ("enable",), verbs("gateway enable --type external")),
        Journey("open start", ("enable", "gateway"), verbs(f"upgrade start --revision {CANARY}")),
        Journey("open complete", ("enable", "gateway", "open start"), verbs("upgrade complete --yes")),
        Journey("close", ("enable", "gateway"), verbs("gateway disable --type external --yes")),
        Journey("edit", ("enable", "inhabit", "start", "move"), edit),
        Journey("disable", ("enable", "inhabit", "tag", "leave"), verbs("restart --all", "disable --yes")),
    )
}
STEPS: Mapping[str, Callable[[Lab], object]] = {
    "inhabit": inhabit,
    "leave": leave,
    "move": verbs(f"namespace move {SPACE} --to {CANARY}", f"restart --not-on {CANARY}"),
} | {name: journey.walk for name, journey in JOURNEYS.items()}


class Past(NamedTuple):
    """An undisturbed journey: the world ahead of each of its writes, and where it ends."""

    moments: tuple[World, ...]
    end: Picture


@cache
def world_after(steps: tuple[str, ...]) -> World:
    if not steps:
        return World(clock=Clock())
    with forked(world_after(steps[:-1])) as mesh:
        STEPS[steps[-1]](mesh)
        return mesh.world


@cache
def past(name: str) -> Past:
    journey = JOURNEYS[name]
    with forked(world_after(journey.after)) as mesh:
        moments: list[World] = []

        def keep(method: str, path: str, query: Mapping[str, str]) -> Fault | None:
            if changes(method, path, query):
                moments.append(mesh.world.fork(Clock(mesh.clock.now)))
            return None

        watch = Watch(mesh)
        mesh.server.faults = keep
        journey.walk(mesh)
        mesh.rest()
        assert not watch.broken
        return Past(tuple(moments), seen(mesh))


def seen(mesh: Lab) -> Picture:
    """What an installation makes, and what the users have."""
    spaces = {space["metadata"]["name"]: space["metadata"]["labels"] for space in mesh.get("namespaces")["items"]}
    phase = mesh.get("servicemesh", "default")["status"]["phase"]
    kinds = ("deployments", "services", "hpa", "pdb", "serviceaccounts", "roles", "rolebindings")
    gateways = {kind: mesh.names(kind, GATEWAYS) for kind in kinds}
    behind = mesh.proxies(SPACE) | mesh.proxies(GATEWAYS)
    return picture(mesh) | {"namespaces": spaces, "proxies": behind, "gateways": gateways, "phase": {"": phase}}


def killed_at(name: str, numbers: Iterable[int]) -> None:
    """Made again from ahead of each of these writes: the same end, without a moment that must not be."""
    journey, (moments, end) = JOURNEYS[name], past(name)
    for number in numbers:
        with forked(moments[number]) as mesh:
            watch = Watch(mesh)
            journey.walk(mesh)
            mesh.rest()
            assert (number, differences(end, seen(mesh)), watch.broken) == (number, [], [])
            mesh.reconciler().step()
            assert (number, mesh.writes()) == (number, [])


@pytest.mark.parametrize("name", JOURNEYS)
def test_a_journey_that_is_killed_ends_where_it_would_have(name: str) -> None:
    killed_at(name, [2 * len(past(name).moments) // 3])


@pytest.mark.e2e
@pytest.mark.parametrize("name", JOURNEYS)
def test_a_journey_that_is_killed_at_any_of_its_writes_ends_where_it_would_have(name: str) -> None:
    killed_at(name, range(len(past(name).moments)))


@pytest.mark.parametrize(("write", "after"), [(9, False), (9, True)])
def test_a_client_that_was_killed_leaves_what_was_there_ahead_of_its_next_write(write: int, after: bool) -> None:
    with forked(world_after(JOURNEYS["start"].after)) as mesh:
        mesh.server.kill_at(write, after=after)
        assert mesh.pilotage("upgrade", "start", "--revision", CANARY).code == KILLED
        assert everything(mesh.world) == everything(past("start").moments[write - 1 + after])


def everything(world: World) -> list[Obj]:
    """But Leases, whose times are those of a real clock."""
    found = [obj for kind in world.store.kinds for obj in world.store.list(kind.group, kind.plural)]
    return [obj for obj in found if obj["kind"] != "Lease"]
