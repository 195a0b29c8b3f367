"""`status`, `check` and `version`: what they say of a world."""

import json
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace
from stage import SetStage

from pilotage.domain.istio import ControlPlane, IstiodReport
from pilotage.domain.mesh import Mode, Removal, Revision, ServiceMesh, ServiceMeshSpec
from pilotage.edge.catalog import packaged_catalog
from worlds import deployment, namespace, report, revision, tag, world

BOTH = ServiceMesh(ServiceMeshSpec([Revision("1-30"), Revision("1-31")]))
UPGRADE = (
    revision("1-30"),
    revision("1-31"),
    tag("prod", "1-30"),
    namespace("shop", rev="prod"),
    deployment("shop", "web", on="1-30", pods=2),
    deployment("shop", "new", on="1-31"),
)


def test_status_tells_stable_from_canary_and_counts_their_proxies(stage: SetStage) -> None:
    on = stage(world(UPGRADE, catalog=packaged_catalog()))
    stable, canary = json.loads(on.pilotage("status", "-o", "json").out)["revisions"]
    assert (stable["name"], stable["role"], stable["proxies"]["total"]) == ("1-30", "stable", 2)
    assert (canary["name"], canary["role"], canary["proxies"]["connected"]) == ("1-31", "canary", 1)
    assert stable["tags"] == ["prod"]


def test_status_says_the_next_step(stage: SetStage) -> None:
    moving = stage(world(UPGRADE, catalog=packaged_catalog())).pilotage("status").out
    assert "pilotage restart --not-on 1-31 replaces the 2 pods left on 1-30" in moving
    parts = (revision("1-30"), revision("1-31"), deployment("shop", "new", on="1-31"))
    moved = stage(world(parts, catalog=packaged_catalog(), mesh=BOTH), BOTH).pilotage("status").out
    assert "Next: pilotage upgrade complete (to go back instead, move the applications to 1-30, then" in moved


def test_status_names_only_the_decision_that_would_not_be_refused(stage: SetStage) -> None:
    def next_of(*parts: Any) -> str:
        return stage(world(parts, catalog=packaged_catalog(), mesh=BOTH), BOTH).pilotage("status").out

    two = (revision("1-30"), revision("1-31"))
    assert "Next: pilotage upgrade complete, or pilotage upgrade rollback" in next_of(*two)
    labelled = next_of(*two, namespace("shop", rev="1-30"))
    assert "Next: pilotage upgrade complete --dry-run lists what still depends on 1-30" in labelled
    assert "rollback" not in next_of(*two, namespace("shop", rev="1-31")).partition("(to go back")[0]


def test_an_enable_or_disable_that_was_stopped_goes_on(stage: SetStage) -> None:
    asked = ServiceMesh(ServiceMeshSpec([Revision("1-30")]))
    on = stage(world(catalog=packaged_catalog(), mesh=asked), asked)
    assert "Next: pilotage enable --revision 1-30 goes on" in on.pilotage("status").out
    unwanted = ServiceMesh(ServiceMeshSpec([Revision("1-30")], mode=Mode.DISABLED))
    on = stage(world(revision("1-30"), catalog=packaged_catalog(), mesh=unwanted), unwanted)
    assert "Next: pilotage disable goes on" in on.pilotage("status").out


def test_with_no_upgrade_to_make_the_first_error_is_what_comes_next(stage: SetStage) -> None:
    settled = (revision("1-31"), namespace("shop", rev="gone"))
    assert "Next: pilotage namespace move shop --to 1-31" in _status(stage, *settled)
    assert "Next: nothing: no upgrade is available" in _status(stage, revision("1-31"))


def _status(stage: SetStage, *parts: Any) -> str:
    return stage(world(parts, catalog=packaged_catalog())).pilotage("status").out


def test_status_of_a_mesh_that_others_installed_names_no_verb_that_would_be_refused(stage: SetStage) -> None:
    assert "Next: install 1-31 beside 1-30 with what installed that" in _status(stage, revision("1-30"))
    assert "then remove it with what installed it" in _status(stage, revision("1-30"), revision("1-31"))


def test_status_of_a_mesh_whose_resource_was_deleted_says_how_it_is_taken_back(stage: SetStage) -> None:
    ours = [replace(each, managed=True) if isinstance(each, ControlPlane) else each for each in revision("1-30")]
    assert "Next: pilotage enable --profile istio takes the mesh back" in _status(stage, *ours)


def test_status_of_an_empty_cluster_is_an_answer(stage: SetStage) -> None:
    answer = stage(world(catalog=packaged_catalog())).pilotage("status")
    assert answer.code == 0
    assert "No Istio control plane" in answer.out
    assert "Next: pilotage enable" in answer.out


def test_what_is_not_known_is_shown_as_unknown_and_never_as_zero(stage: SetStage) -> None:
    silent = world(revision("1-31", available=1), report("1-31", error="forbidden"), catalog=packaged_catalog())
    on = stage(silent)
    assert json.loads(on.pilotage("status", "-o", "json").out)["revisions"][0]["proxies"]["connected"] is None
    assert " ?" in on.pilotage("status").out


def test_where_webhooks_may_not_be_read_a_label_leads_nobody_knows_where(stage: SetStage) -> None:
    blind = world(revision("1-31"), namespace("shop", rev="prod"), catalog=packaged_catalog())
    on = stage(replace(blind, injectors=(), unknown={"injectors": "forbidden"}))
    document = json.loads(on.pilotage("status", "-o", "json").out)
    assert document["labels"] == [{"label": "prod", "revision": None, "namespaces": ["shop"]}]
    assert document["revisions"][0]["tags"] is None
    assert "nowhere" not in on.pilotage("status").out


def test_a_mesh_without_operator_is_told_what_does_not_hold(stage: SetStage) -> None:
    on = stage(world(UPGRADE, catalog=packaged_catalog(), mesh=BOTH), BOTH)
    assert "NoOperator" in on.pilotage("check").out
    assert "NoOperator" not in stage(world(UPGRADE, catalog=packaged_catalog())).pilotage("check").out


def test_check_fails_only_on_what_it_is_asked_to(stage: SetStage) -> None:
    warned = world(revision("1-31"), namespace("shop", rev="1-31"), catalog=packaged_catalog())
    wrong = world(revision("1-31"), namespace("shop", rev="gone"), catalog=packaged_catalog())
    assert stage(warned).pilotage("check", "--fail-on", "error").code == 0
    assert stage(wrong).pilotage("check").code == 0
    on = stage(wrong)
    answer = on.pilotage("check", "--fail-on", "error")
    assert answer.code == 4
    assert "UnknownRevisionLabel" in answer.out
    assert "docs: pilotage explain UnknownRevisionLabel" in answer.out


def test_version_without_a_cluster_is_pilotages_alone(stage: SetStage) -> None:
    answer = json.loads(stage(world()).pilotage("version", "--client", "-o", "json").out)
    assert list(answer) == ["pilotage"]


def test_version_names_every_control_plane(stage: SetStage) -> None:
    out = stage(world(revision("1-30"), revision("1-31"))).pilotage("version").out
    assert "istiod 1-30" in out
    assert "istiod 1-31" in out


def test_who_may_not_ask_istiods_is_told_the_soak_that_was_published(stage: SetStage) -> None:
    since, until = datetime(2026, 11, 22, 11, 30, tzinfo=UTC), datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
    left = ServiceMesh(ServiceMeshSpec([Revision("1-30")]), removal=Removal("1-31", since, until))
    dumb = (report("1-30", only=True, error="forbidden"), report("1-31", only=True, error="forbidden"))
    parts = [thing for thing in (*revision("1-30"), *revision("1-31")) if not isinstance(thing, IstiodReport)]
    answer = stage(world(parts, dumb, catalog=packaged_catalog(), mesh=left), left).pilotage("check")
    assert "1-31 will be removed at 2026-11-22T12:30:00Z unless it is added back" in answer.out
    assert "RemovalBlocked" not in answer.out
