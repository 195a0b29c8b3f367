"""Worst days of an owner, one at a time: an edit from Git, a hand, a node or a clock at the wrong moment.

What is told here happened in trials: a request was dropped, pods could not start, or a revision went that was in use.
"""

from collections.abc import Iterator

import pytest
from invariants import Watch, lost_proxies, refused_pods
from lab import Lab, lab

from harness import STABLE, Obj, deployment, namespace
from pilotage.domain.errors import Refused

SPACE, TAG = "shop", "prod-stable"


@pytest.fixture
def mesh() -> Iterator[Lab]:
    """A settled mesh with an application in it."""
    with lab() as made:
        made.enable().must()
        made.apply(namespace(SPACE, rev=STABLE), deployment(SPACE, "web"))
        made.world.loop.settle()
        yield made


def asks_for(mesh: Lab, *revisions: Obj) -> None:
    """An edit of the resource, as from Git."""
    mesh.patch("servicemesh/default", {"spec": {"revisions": list(revisions)}})


def condition(mesh: Lab, kind: str) -> tuple[str, str, str]:
    found = mesh.get("servicemesh/default")["status"]["conditions"]
    return next((each["status"], each["reason"], each["message"]) for each in found if each["type"] == kind)


HALVES: list[Obj] = [
    {"profile": "remote"},
    {"istiodRemote": {"enabled": True}},
    {"pilot": {"istiodRemote": {"enabled": True}}},
    {"global": {"resourceScope": "cluster"}},
    {"global": {"operatorManageWebhooks": True}},
    {"global": {"omitSidecarInjectorConfigMap": True}},
]


def test_values_from_git_that_leave_half_of_istiod_away_change_nothing_of_what_runs(mesh: Lab) -> None:
    watch = Watch(mesh)
    for values in HALVES:
        asks_for(mesh, {"name": STABLE, "values": values})
        with pytest.raises(Refused, match=f"with these values {STABLE} would have no "):
            mesh.rest()
        assert condition(mesh, "Stalled")[0] == "True"
    assert not watch.broken
    assert not list(refused_pods(mesh, SPACE, STABLE))
    assert not list(lost_proxies(mesh, SPACE))


def test_values_may_switch_validation_off(mesh: Lab) -> None:
    asks_for(mesh, {"name": STABLE, "values": {"global": {"configValidation": False}}})
    assert mesh.rest().phase == "Settled"
