"""get-revisions and get-upgrades, as typed."""

import json
from datetime import UTC, date, datetime

import yaml
from stage import SetStage

from pilotage.data import read
from pilotage.domain.objects import ObjectRef
from pilotage.domain.version import Version
from pilotage.edge.catalog import packaged_catalog
from pilotage.faces.cli.session import Session
from worlds import revision, world

DAY = ("--today", "2026-11-22")


def test_upgrades_are_a_table_with_the_columns_of_az(stage: SetStage) -> None:
    on = stage(world(revision("1-30"), catalog=packaged_catalog(), kubernetes=Version(1, 36)))
    answer = on.pilotage("get-upgrades")
    head, rule, row = answer.out.splitlines()
    assert head.split() == ["Revision", "Upgrades", "CompatibleWith", "CompatibleVersions"]
    assert set(rule) == {"-", " "}
    assert row.split()[:3] == ["1-30", "1-31", "kubernetes"]
    assert answer.code == 0


def test_none_available_is_said_and_explained_beside_the_table(stage: SetStage) -> None:
    on = stage(world(revision("1-31"), catalog=packaged_catalog(), kubernetes=Version(1, 36)))
    assert "None available" in on.pilotage("get-upgrades").out


def test_what_is_not_offered_is_explained_without_sending_the_reader_in_a_circle(stage: SetStage) -> None:
    day = datetime(2026, 8, 1, tzinfo=UTC)
    early = world(revision("1-30"), catalog=packaged_catalog(), kubernetes=Version(1, 36), now=day)
    answer = stage(early).pilotage("get-upgrades")
    assert "1-31 is not released before 2026-08-31" in answer.err
    assert "fix:  pilotage get-upgrades" not in answer.err


def test_json_has_the_keys_of_az_and_then_more(stage: SetStage) -> None:
    on = stage(world(revision("1-30"), catalog=packaged_catalog(), kubernetes=Version(1, 36)))
    document = json.loads(on.pilotage("get-upgrades", "-o", "json").out)
    assert list(document)[:3] == ["compatibleWith", "revision", "upgrades"]
    assert document["upgrades"] == ["1-31"]
    assert document["alsoInstalled"] == []


def test_during_a_canary_both_revisions_are_answered_for(stage: SetStage) -> None:
    on = stage(world(revision("1-30"), revision("1-31"), catalog=packaged_catalog(), kubernetes=Version(1, 36)))
    document = yaml.safe_load(on.pilotage("get-upgrades", "-o", "yaml").out)
    assert document["revision"] == "1-30"
    assert [other["revision"] for other in document["alsoInstalled"]] == ["1-31"]


def test_a_cluster_without_istio_is_told_so_and_is_no_failure(stage: SetStage) -> None:
    answer = stage(world()).pilotage("get-upgrades")
    assert answer.code == 0
    assert answer.out == ""
    assert "No Istio control plane" in answer.err


def test_revisions_are_those_in_support_on_the_day_given(stage: SetStage) -> None:
    on = stage(world())
    rows = json.loads(on.pilotage("get-revisions", "-o", "json", *DAY).out)["meshRevisions"]
    assert rows[-1]["revision"] == "1-31"
    assert all(row["supported"] for row in rows)
    assert json.loads(on.pilotage("get-revisions", "-o", "json", "--today", "2099-01-01").out)["meshRevisions"] == []
    late = on.pilotage("get-revisions", "--today", "2099-01-01")
    assert len(late.out.splitlines()) == 2
    assert "is supported on 2099-01-01. Next: name a newer one with --catalog" in late.err


def test_a_catalog_may_come_from_a_config_map(stage: SetStage) -> None:
    on = stage(world())
    place = ObjectRef("v1", "ConfigMap", "mesh", "catalog")
    on.kube.objects[place] = {"data": {"catalog.yaml": read("catalog.yaml").decode()}}
    answer = on.pilotage(*DAY, "--catalog", "configmap/mesh/catalog", "get-revisions")
    assert (answer.code, answer.out) == (0, on.pilotage(*DAY, "get-revisions").out)


def test_a_config_map_without_a_catalog_is_named(stage: SetStage) -> None:
    answer = stage(world()).pilotage("--catalog", "configmap/mesh/catalog", "get-revisions")
    assert answer.code == 3
    assert "catalog mesh/catalog: the ConfigMap does not exist" in answer.err


def test_time_passes_on_a_day_that_is_given() -> None:
    session = Session()
    session.today = date(2026, 10, 20)
    seen = [session.now for _ in range(1000)]
    assert {moment.date() for moment in seen} == {session.today}
    assert len(set(seen)) > 1
