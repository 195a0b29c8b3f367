"""Worst days of an owner, one at a time: an edit from Git, a hand, a node or a clock at the wrong moment.

What is told here happened in trials: a request was dropped, pods could not start, or a revision went that was in use.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from happenings import RESOURCE
from invariants import Watch, lost_proxies, refused_pods
from lab import Lab, lab

from harness import CANARY, MESH, STABLE, Obj, deployment, namespace
from pilotage.decide.inventory import is_ours, part_of
from pilotage.domain.errors import Refused
from pilotage_memory import discovery
from pilotage_memory.kinds import Key

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


def tagged(mesh: Lab) -> str:
    """An upgrade that is done but for the decision, by a tag; the name of the tag's object."""
    mesh.pilotage("tag", "set", TAG, "--revision", STABLE, "-y").must()
    mesh.pilotage("namespace", "move", SPACE, "--to", TAG).must()
    mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    mesh.pilotage("tag", "set", TAG, "--revision", CANARY, "--overwrite", "-y").must()
    mesh.pilotage("restart", "--not-on", CANARY).must()
    return f"istio-revision-tag-{TAG}-{MESH}"


def calls(mesh: Lab, kind: str, name: str, revision: str, /, **meta: Any) -> None:
    """Somebody points webhooks at another istiod; with `meta` in a copy of the object."""
    config = mesh.get(kind, name)
    if meta:
        config = config | {"metadata": meta}
    for hook in config["webhooks"]:
        hook["clientConfig"]["service"]["name"] = f"istiod-{revision}"
    write = mesh.world.store.create if meta else mesh.world.store.update
    write(config)


@pytest.mark.parametrize("verb", ["a verb", "an edit"])
def test_a_tag_whose_webhooks_call_another_revision_than_its_label_says_holds_that_one(mesh: Lab, verb: str) -> None:
    calls(mesh, "mutatingwebhookconfiguration", tagged(mesh), STABLE)
    watch = Watch(mesh)
    if verb == "a verb":
        refused = mesh.pilotage("upgrade", "complete", "--yes").must(3)
        assert f"calls istiod of {STABLE} and would fail at nothing" in refused.err
        assert f"pilotage tag set {TAG} --revision {CANARY} --overwrite" in refused.err
    else:
        asks_for(mesh, {"name": CANARY})
        assert mesh.rest().phase == "RemovalBlocked"
    mesh.pilotage("tag", "set", TAG, "--revision", CANARY, "--overwrite", "-y").must()
    mesh.pilotage("upgrade", "complete", "--yes").must()
    assert not watch.broken
    assert not list(refused_pods(mesh, SPACE, CANARY))


def test_a_second_object_of_a_tag_holds_the_revision_that_it_calls(mesh: Lab) -> None:
    marks = {"istio.io/rev": STABLE, "istio.io/tag": TAG, "app": "sidecar-injector"}
    name = tagged(mesh)
    calls(mesh, "mutatingwebhookconfiguration", name, STABLE, name=f"{name}-old", labels=marks)
    watch = Watch(mesh)
    refused = mesh.pilotage("upgrade", "complete", "--yes").must(3)
    assert f"kubectl edit mutatingwebhookconfiguration {name}-old" in refused.err
    assert not watch.broken


def test_a_validator_of_somebody_else_keeps_the_mesh_from_being_disabled(mesh: Lab) -> None:
    marks = {"istio.io/rev": STABLE, "istio.io/tag": "default", "app": "istiod"}
    calls(mesh, "validatingwebhookconfiguration", "istiod-default-validator", STABLE, name="theirs", labels=marks)
    mesh.patch(f"namespace/{SPACE}", {"metadata": {"labels": {"istio.io/rev": None}}})
    mesh.pilotage("restart", "--all").must()
    watch = Watch(mesh)
    refused = mesh.pilotage("disable", "--yes").must(3)
    assert "kubectl delete validatingwebhookconfiguration theirs" in refused.err
    mesh.patch("servicemesh/default", {"spec": {"mode": "Disabled"}})
    assert mesh.rest().phase == "RemovalBlocked"
    assert not watch.broken


JUMPS: list[tuple[Obj, str]] = [
    ({"name": "asm-1-29", "version": "1.29.8"}, "is older than Istio 1.30"),
    ({"name": "blue", "version": "1.30.3"}, "is the minor that is installed"),
    ({"name": "next", "version": "1.28.0"}, "is older than Istio 1.30"),
]


@pytest.mark.parametrize(("entry", "why"), JUMPS, ids=lambda given: str(given))
def test_git_may_start_no_canary_that_a_verb_would_refuse_and_the_rest_is_mended(
    mesh: Lab, entry: Obj, why: str
) -> None:
    asks_for(mesh, {"name": STABLE}, entry)
    assert mesh.rest().phase == "Blocked"
    stalled = condition(mesh, "Stalled")
    assert stalled[:2] == ("True", "TargetNotOffered")
    assert f"{entry['name']}: is not begun; take it out of spec.revisions: " in stalled[2]
    assert why in stalled[2]
    assert why in mesh.pilotage("check").out
    mesh.world.store.delete(Key("", "services", MESH, f"istiod-{STABLE}"))
    mesh.rest()
    assert mesh.names("services", MESH) == {f"istiod-{STABLE}"}
    assert mesh.names("deployments", MESH) == {f"istiod-{STABLE}"}
    asks_for(mesh, {"name": STABLE})
    assert mesh.rest().phase == "Settled"
    asks_for(mesh, {"name": STABLE}, {"name": CANARY})
    assert mesh.rest().phase == "Canary"


@pytest.mark.parametrize("revision", [STABLE, CANARY])
def test_a_revision_that_was_deleted_to_its_last_object_comes_back(mesh: Lab, revision: str) -> None:
    mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    store = mesh.world.store
    gone = [key for key, entry in store.everything() if is_ours(entry.obj) and part_of(entry.obj) == revision]
    assert len(gone) > 10
    for key in gone:
        store.delete(key)
    assert mesh.rest().phase == "Canary"
    assert mesh.names("deployments", MESH) == {f"istiod-{STABLE}", f"istiod-{CANARY}"}


def test_git_may_pass_over_no_minor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "VERSION", "v1.33.5")
    with lab() as mesh:
        mesh.enable("asm-1-29").must()
        asks_for(mesh, {"name": "asm-1-29"}, {"name": CANARY})
        assert mesh.rest().phase == "Blocked"
        assert f"{CANARY} comes after {STABLE}" in condition(mesh, "Stalled")[2]
        assert mesh.names("deployments", MESH) == {"istiod-asm-1-29"}


def test_a_version_of_another_minor_moves_nothing_in_place(mesh: Lab) -> None:
    asks_for(mesh, {"name": STABLE, "version": "1.31.0"})
    assert mesh.rest().phase == "Blocked"
    assert condition(mesh, "Stalled")[1] == "TargetNotOffered"
    assert "is not brought to 1.31.0 in place" in condition(mesh, "Stalled")[2]
    (container,) = mesh.get("deployment", f"istiod-{STABLE}", "-n", MESH)["spec"]["template"]["spec"]["containers"]
    assert container["image"].endswith(":1.30.5")
    asks_for(mesh, {"name": STABLE})
    assert mesh.rest().phase == "Settled"


def test_a_version_of_the_canary_does_not_make_it_stable(mesh: Lab) -> None:
    asks_for(mesh, {"name": STABLE}, {"name": "next", "version": "1.31.0"})
    assert mesh.rest().phase == "Canary"
    asks_for(mesh, {"name": STABLE}, {"name": "next", "version": "1.29.8"})
    assert mesh.rest().phase == "Blocked"
    assert mesh.get("servicemesh/default")["status"]["stable"] == STABLE


def test_no_revision_takes_the_name_of_a_tag_by_a_verb_or_by_an_edit(mesh: Lab) -> None:
    mesh.pilotage("tag", "set", TAG, "--revision", STABLE, "-y").must()
    refused = mesh.pilotage("upgrade", "start", "--revision", TAG, "--version", "1.31.0").must(3)
    assert f"there is a tag {TAG}" in refused.err
    asks_for(mesh, {"name": STABLE}, {"name": TAG, "version": "1.31.0"})
    assert mesh.rest().phase == "Blocked"
    assert condition(mesh, "Stalled")[1] == "TagNameTaken"
    assert mesh.names("deployments", MESH) == {f"istiod-{STABLE}"}


def test_a_resource_that_is_being_deleted_asks_for_nothing_any_more(mesh: Lab) -> None:
    mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    asks_for(mesh, {"name": STABLE})
    loop = mesh.reconciler()
    assert loop.step().phase == "RemovalSoaking"
    held = mesh.get("servicemesh/default")
    held["metadata"]["finalizers"] = ["example.com/somebody-else"]
    mesh.world.store.update(held)
    mesh.world.store.delete(RESOURCE)
    mesh.clock.jump(timedelta(hours=2))
    assert mesh.rest(loop).phase == "NotEnabled"
    assert mesh.names("deployments", MESH) == {f"istiod-{STABLE}", f"istiod-{CANARY}"}
    assert "is being deleted" in mesh.pilotage("upgrade", "rollback", "--yes").must(3).err


@pytest.mark.parametrize(("verb", "gone"), [("complete", STABLE), ("rollback", CANARY)])
def test_an_istiod_that_served_and_is_away_may_have_proxies_that_nobody_sees(mesh: Lab, verb: str, gone: str) -> None:
    mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    if gone == STABLE:
        mesh.pilotage("namespace", "move", SPACE, "--to", CANARY).must()
        mesh.pilotage("restart", "--not-on", CANARY).must()
    for node in mesh.get("nodes")["items"]:
        mesh.world.store.update(node | {"spec": node["spec"] | {"unschedulable": True}})
    for pod in mesh.get("pods", "-n", MESH, "-l", f"istio.io/rev={gone}")["items"]:
        mesh.world.store.delete(Key("", "pods", MESH, pod["metadata"]["name"]))
    mesh.world.loop.settle()
    refused = mesh.pilotage("upgrade", verb, "--yes").must(3)
    assert f"no istiod of {gone} is available" in refused.err
    for node in mesh.get("nodes")["items"]:
        mesh.world.store.update(node | {"spec": node["spec"] | {"unschedulable": False}})
    mesh.world.loop.settle()
    mesh.pilotage("upgrade", verb, "--yes").must()


def test_a_copy_of_what_is_ours_is_its_makers_labels_and_all(mesh: Lab) -> None:
    for kind in ("service", "configmap"):
        name = f"istiod-{STABLE}" if kind == "service" else f"values-{STABLE}"
        original = mesh.get(kind, name, "-n", MESH)
        for space in (MESH, SPACE):
            metadata: Obj = {"name": "copy", "namespace": space, "labels": original["metadata"]["labels"]}
            mesh.apply({**{key: original[key] for key in ("apiVersion", "kind")}, "metadata": metadata})
    assert mesh.rest().phase == "Settled"
    assert {"copy"} < mesh.names("services", MESH)
    mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    mesh.patch(f"namespace/{SPACE}", {"metadata": {"labels": {"istio.io/rev": CANARY}}})
    mesh.pilotage("restart", "--all").must()
    mesh.pilotage("upgrade", "complete", "--yes").must()
    assert {"copy"} <= mesh.names("services", SPACE)
    assert {"copy"} <= mesh.names("configmaps", SPACE)
    assert f"istiod-{STABLE}" not in mesh.names("services", MESH)
    assert mesh.rest().phase == "Settled"
