"""An edit for which charts are rendered anew is acknowledged first: who waits learns at once that it was seen."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from lab import Lab, lab

from harness import CANARY, STABLE, Obj
from pilotage.domain.errors import MeshError
from pilotage.edge.charts import renderer_for
from pilotage.reconcile import Reconciler
from pilotage_memory.faults import Fault

STATUS = "PATCH /apis/pilotage.dev/v1alpha1/servicemeshes/default/status"


@pytest.fixture
def mesh() -> Iterator[Lab]:
    """Enabled, at rest, and nothing written yet."""
    with lab() as made:
        made.enable().must()
        made.writes()
        yield made


@pytest.fixture
def loop(mesh: Lab) -> Reconciler:
    """At rest."""
    found = mesh.reconciler()
    found.step()
    assert mesh.writes() == []
    return found


def new_values() -> Obj:
    """With which charts were never rendered, here or in an earlier run."""
    return {"values": {"sidecarInjectorWebhook": {"injectedAnnotations": {"trial": str(uuid4())}}}}


def edit(mesh: Lab, spec: Obj) -> int:
    """The new generation."""
    mesh.patch("servicemesh/default", {"spec": spec})
    return int(mesh.get("servicemesh", "default")["metadata"]["generation"])


def statuses(mesh: Lab) -> list[Obj]:
    """Each status that is written from now on."""
    seen: list[Obj] = []

    def look(_: str, obj: Obj) -> None:
        if obj["kind"] == "ServiceMesh" and "status" in obj and obj["status"] not in seen[-1:]:
            seen.append(obj["status"])

    mesh.world.store.watch(look)
    return seen


def conditions(status: Obj) -> dict[str, Any]:
    return {each["type"]: each for each in status["conditions"]}


def cut_short(mesh: Lab, loop: Reconciler) -> None:
    """The step ends with its second write."""
    mesh.trouble(Fault(500), at=2, times=100)
    with pytest.raises(MeshError):
        loop.step()
    mesh.calm()


def told(mesh: Lab) -> list[Obj]:
    """Every Event."""
    return list(mesh.get("events", "-n", "default")["items"])


def test_it_is_the_first_write_and_says_for_which_edit_it_holds(mesh: Lab, loop: Reconciler) -> None:
    edit(mesh, {})
    generation, seen = edit(mesh, new_values()), statuses(mesh)
    loop.step()
    assert mesh.writes()[0] == STATUS
    assert (seen[0]["phase"], seen[0]["observedGeneration"]) == ("Rendering", generation)
    found = conditions(seen[0])
    assert [found[kind]["status"] for kind in ("Ready", "Reconciling", "Stalled")] == ["False", "True", "False"]
    assert {found[kind]["observedGeneration"] for kind in ("Ready", "Reconciling", "Stalled")} == {generation}
    mesh.rest(loop)
    assert mesh.get("servicemesh", "default")["status"]["phase"] == "Settled"


def test_each_edit_has_its_own_though_the_one_before_never_came_to_an_end(mesh: Lab, loop: Reconciler) -> None:
    for _ in range(2):
        generation = edit(mesh, new_values())
        cut_short(mesh, loop)
        status = mesh.get("servicemesh", "default")["status"]
        assert (status["phase"], status["observedGeneration"]) == ("Rendering", generation)


@pytest.mark.parametrize(
    "spec",
    [{"upgradePolicy": {"maxMinorStep": 2}}, {"removal": {"soak": "2h"}}],
)
def test_an_edit_that_needs_no_other_charts_is_answered_by_one_write(mesh: Lab, loop: Reconciler, spec: Obj) -> None:
    edit(mesh, spec)
    seen = statuses(mesh)
    loop.step()
    assert mesh.writes() == [STATUS]
    assert [each["phase"] for each in seen] == ["Settled"]


def test_charts_that_are_rendered_again_for_no_edit_are_no_news(
    mesh: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer_for.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    mesh.reconciler().step()
    assert mesh.writes() == []


def test_it_takes_nothing_from_what_is_known(mesh: Lab, loop: Reconciler) -> None:
    before = mesh.get("servicemesh", "default")["status"]
    edit(mesh, new_values())
    cut_short(mesh, loop)
    after = mesh.get("servicemesh", "default")["status"]
    for field in before.keys() - {"phase", "observedGeneration", "conditions"}:
        assert after[field] == before[field]
    assert set(conditions(before)) == set(conditions(after))


def test_events_tell_of_the_edit_as_if_there_was_no_acknowledgement(mesh: Lab, loop: Reconciler) -> None:
    mesh.clock.jump(timedelta(minutes=5))  # the same Event is told once a minute
    edit(mesh, new_values())
    cut_short(mesh, loop)
    assert mesh.get("servicemesh", "default")["status"]["phase"] == "Rendering"
    before = told(mesh)
    mesh.rest(loop)
    reasons = {each["reason"] for each in told(mesh) if each not in before}
    assert {"Installing", "NotReady", "Reconciling", "Settled", "Ready"} <= reasons
    assert "Rendering" not in reasons


def test_who_follows_the_edit_does_not_take_it_for_done(mesh: Lab, loop: Reconciler) -> None:
    edit(mesh, {"revisions": [{"name": STABLE, **new_values()}, {"name": CANARY}]})
    cut_short(mesh, loop)
    follower = mesh.reconciler()
    follower.follow = True
    mesh.writes()
    made = follower.step()
    assert not made.settled
    assert made.phase == "CanaryStarting"
    assert mesh.writes() == []
