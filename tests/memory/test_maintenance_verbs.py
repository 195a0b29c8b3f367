"""`maintenance` and `patch` as they are typed, against an API server in memory without an operator."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Result
from inmemory import InMemory, in_memory
from pilotage_memory.cluster import memory_cluster
from pilotage_memory.lifecycle import By
from pilotage_memory.world import World

REVISION, SPACE = "asm-1-30", "aks-istio-system"
SATURDAY = ("--schedule-type", "Weekly", "--day-of-week", "Saturday", "--start-time", "22:00", "--duration", "8")
DAY = ("--duration", "24")


class Mesh(InMemory):
    """On 25 September 2026, four days after 1.30.5; another day comes first on the line."""

    def pilotage(self, *words: str, **given: Any) -> Result:
        return super().pilotage("--today", "2026-09-25", *words, **given)

    @property
    def spec(self) -> Any:
        return self.get("servicemesh/default")["spec"]

    @property
    def image(self) -> str:
        deployment = self.get("deployment", f"istiod-{REVISION}", "-n", SPACE)
        return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"]).rpartition(":")[2]


@pytest.fixture(scope="module")
def installed() -> Iterator[World]:
    with in_memory() as made:
        mesh = Mesh(made.world, made.kubeconfig)
        mesh.enable(REVISION, "--version", "1.30.4").must()
        yield mesh.world


@pytest.fixture
def mesh(installed: World) -> Iterator[Mesh]:
    """1.30.4 was asked for, and is in the resource."""
    world = installed.fork()
    with memory_cluster(world.store) as served:
        yield Mesh(world, served.kubeconfig)


def free(mesh: Mesh) -> None:
    mesh.patch("servicemesh/default", {"spec": {"revisions": [{"name": REVISION}]}})


def test_a_window_is_set_shown_and_deleted(mesh: Mesh) -> None:
    said = mesh.pilotage("maintenance", "set", *SATURDAY, "--time-zone", "Europe/Berlin").must()
    assert "opens 2026-09-26 20:00 UTC" in said.out
    assert mesh.spec["maintenanceWindows"] == [
        {
            "name": "default",
            "schedule": {"weekly": {"dayOfWeek": "Saturday", "intervalWeeks": 1}},
            "startTime": "22:00",
            "durationHours": 8,
            "timeZone": "Europe/Berlin",
        }
    ]
    shown = mesh.pilotage("maintenance", "show").must().out.splitlines()
    assert shown[0].split() == ["NAME", "SCHEDULE", "START", "DURATION", "FOR"]
    assert " ".join(shown[1].split()) == "default every week on Saturday 22:00 Europe/Berlin 8 h patches"
    mesh.pilotage("maintenance", "delete", "--yes").must()
    assert "maintenanceWindows" not in mesh.spec
    assert "work starts at any time" in mesh.pilotage("maintenance", "show").must().out


def test_next_says_the_three_starts_and_what_each_would_do(mesh: Mesh) -> None:
    free(mesh)
    mesh.pilotage("maintenance", "set", *SATURDAY).must()
    lines = mesh.pilotage("maintenance", "next").must().out.splitlines()
    assert [" ".join(line.split()) for line in lines[1:4]] == [
        "2026-09-26 22:00 UTC 2026-09-27 06:00 UTC nothing",
        f"2026-10-03 22:00 UTC 2026-10-04 06:00 UTC {REVISION}: 1.30.4 to 1.30.5",
        "2026-10-10 22:00 UTC 2026-10-11 06:00 UTC nothing",
    ]
    document = json.loads(mesh.pilotage("maintenance", "next", "-o", "json").must().out)
    assert [start["work"] for start in document["starts"]] == ["", f"{REVISION}: 1.30.4 to 1.30.5", ""]


def test_a_window_shows_from_when_it_holds_when_it_does_not_and_what_for(mesh: Mesh) -> None:
    more = ("--start-date", "2026-09-01", "--not-allowed-dates", "2026-12-23/2027-01-03")
    said = mesh.pilotage("maintenance", "set", "--schedule-type", "Daily", "--start-time", "00:00", *DAY, *more).must()
    assert "it is open now, until 2026-09-26 00:00 UTC" in said.out
    mesh.pilotage("maintenance", "set", "nightly", *SATURDAY).must()
    mesh.pilotage("maintenance", "set", "unused", *SATURDAY).must()
    mesh.patch("servicemesh/default", {"spec": {"proxyRestarts": {"mode": "InWindow", "window": "nightly"}}})
    shown = [" ".join(line.split()) for line in mesh.pilotage("maintenance", "show").must().out.splitlines()]
    assert shown == [
        "NAME SCHEDULE START DURATION FROM NOT ON FOR",
        "default every day 00:00 UTC+00:00 24 h 2026-09-01 2026-12-23 to 2027-01-03 patches",
        "nightly every week on Saturday 22:00 UTC+00:00 8 h proxy restarts",
        "unused every week on Saturday 22:00 UTC+00:00 8 h nothing",
    ]
    assert (
        "restarts of workloads whose proxies are behind" in mesh.pilotage("maintenance", "next", "nightly").must().out
    )
    asked = mesh.pilotage("maintenance", "delete", "nightly", given="n\n")
    assert "the operator restarts no workload" in asked.must(3).err
    mesh.pilotage("maintenance", "delete", "unused").must()


def test_next_says_what_keeps_a_patch_from_every_start(mesh: Mesh) -> None:
    mesh.pilotage("maintenance", "set", *SATURDAY).must()
    said = mesh.pilotage("--today", "2026-10-20", "maintenance", "next").must().out
    assert f"{REVISION} is kept at 1.30.4 by the version in its entry of spec.revisions" in said.lower()
    assert "No operator runs here: nothing starts by itself" in said
    free(mesh)
    document = json.loads(mesh.pilotage("maintenance", "next", "-o", "json").must().out)
    assert document["notes"][0] == "1.30.5 is out, and old enough on 2026-09-28 (minAge 7d)"


def test_next_says_why_a_due_patch_would_not_start(mesh: Mesh) -> None:
    free(mesh)
    mesh.pilotage("patch", "hold").must()
    said = mesh.pilotage("--today", "2026-10-20", "maintenance", "next").must().out
    assert "1.30.4 to 1.30.5, but held: patches are held" in said
    assert "PatchHeld" in mesh.pilotage("--today", "2026-10-20", "check").out


def test_what_would_be_written_is_said_and_not_written(mesh: Mesh) -> None:
    before = mesh.spec
    mesh.pilotage("maintenance", "set", *SATURDAY, "--dry-run").must()
    mesh.pilotage("patch", "hold", "--dry-run").must()
    mesh.pilotage("patch", "start", "--dry-run").must()
    assert mesh.spec == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("set", "--schedule-type", "Daily", "--day-of-week", "Monday", "--start-time", "01:00"), "does not go with"),
        (("set", *SATURDAY, "--utc-offset", "+01:00", "--time-zone", "Europe/Berlin"), "not both"),
        (("set", *SATURDAY, "--time-zone", "Europe/Atlantis"), "not a time zone"),
        (("set", *SATURDAY, "--start-time", "25:99"), "write --start-time HH:MM"),
        (("set", *SATURDAY, "--duration", "2"), "write --duration 4 to 24"),
        (("set", *SATURDAY, "--not-allowed-dates", "2026-12-24"), "write --not-allowed-dates FIRST/LAST"),
        (("set", "--schedule-type", "Weekly", "--start-time", "01:00"), "write --day-of-week Monday"),
        (("delete", "nightly"), "no maintenance window nightly"),
        (("next", "nightly"), "no maintenance window nightly"),
    ],
)
def test_a_window_that_means_nothing_is_refused(mesh: Mesh, words: tuple[str, ...], says: str) -> None:
    said = mesh.pilotage("maintenance", *words)
    assert says in said.must(3).err
    assert "maintenanceWindows" not in mesh.spec


def test_what_git_keeps_is_printed_and_not_written(mesh: Mesh) -> None:
    daily = {"name": "default", "schedule": {"daily": {}}, "startTime": "01:00", "durationHours": 4}
    meta = {"apiVersion": "pilotage.dev/v1alpha1", "kind": "ServiceMesh", "metadata": {"name": "default"}}
    spec = {"maintenanceWindows": [daily], "patches": {"hold": False}}
    mesh.world.store.apply({**meta, "spec": spec}, By("argocd-controller", mesh.world.store.clock()))
    before = mesh.spec
    for words, patch in (
        (("maintenance", "set", *SATURDAY), '"startTime": "22:00"'),
        (("maintenance", "delete", "--yes"), '{"spec": {"maintenanceWindows": null}}'),
        (("patch", "hold"), '"hold": true'),
    ):
        said = mesh.pilotage(*words).must(3).err
        assert "kept by Argo CD" in said and patch in said, words
    assert mesh.spec == before


def test_a_disabled_mesh_starts_nothing(mesh: Mesh) -> None:
    mesh.patch("servicemesh/default", {"spec": {"mode": "Disabled"}})
    assert "the mesh is disabled" in mesh.pilotage("maintenance", "next").must(3).err


def test_patch_start_takes_the_newest_patch_whatever_its_age_and_takes_the_pin_out(mesh: Mesh) -> None:
    mesh.pilotage("maintenance", "set", *SATURDAY).must()
    said = mesh.pilotage("patch", "start", "--yes").must()
    assert f"{REVISION} runs 1.30.5" in said.out
    assert mesh.image == "1.30.5"
    assert mesh.spec["revisions"] == [{"name": REVISION, "owner": "Managed"}]
    assert not mesh.get("servicemesh/default")["metadata"].get("annotations")
    assert "no newer patch is known" in mesh.pilotage("patch", "start").must().out


def test_a_patch_that_is_on_its_way_is_told_and_followed_and_begun_only_once(mesh: Mesh) -> None:
    free(mesh)
    mesh.pilotage("patch", "start", "--yes", "--no-wait").must()
    assert "1.30.5 is due, and " in (asked := mesh.pilotage("check").must().out) and "asked for it now" in asked
    resource = mesh.get("servicemesh/default")
    begun = {"revision": REVISION, "from": "1.30.4", "to": "1.30.5", "since": "2026-09-25T00:00:00Z"}
    status = {**resource["status"], "patch": begun}
    mesh.world.store.update({**resource, "status": status}, subresource="status")
    assert f"{REVISION} is on its way from 1.30.4 to 1.30.5" in mesh.pilotage("check").must().out
    dry = mesh.pilotage("patch", "start", "--dry-run").must()
    assert dry.out == f"{REVISION} is on its way from 1.30.4 to 1.30.5; nothing was written.\n"
    assert f"{REVISION} runs 1.30.5" in mesh.pilotage("patch", "start").must().out
    assert mesh.image == "1.30.5"


def test_patch_start_asks_first(mesh: Mesh) -> None:
    said = mesh.pilotage("patch", "start", given="n\n")
    assert "It is kept at 1.30.4 by the resource" in said.must(3).err
    assert mesh.image == "1.30.4"


def test_patch_start_is_refused_where_proxies_would_not_work_with_the_patch(mesh: Mesh, tmp_path: Path) -> None:
    clash = {"proxy": {"before": "1.30.5"}, "istiod": {"from": "1.30.5"}, "why": "they clash"}
    minor = {"minor": "1.30", "released": "2026-05-18", "endOfLife": "2026-11", "kubernetes": ["1.36"]}
    patches = [{"version": "1.30.5", "date": "2026-09-01"}]
    catalog = tmp_path / "catalog.json"
    every = {"minors": [{**minor, "patches": patches}], "badPairs": [clash], "completeUntil": "2026-10-01"}
    catalog.write_text(json.dumps(every))
    said = mesh.pilotage("--catalog", str(catalog), "patch", "start", "--yes").must(3).err
    assert "1.30.5 is out, and it does not work with proxies of 1.30.4: they clash" in said
    assert mesh.image == "1.30.4"


def test_patch_start_is_refused_while_patches_are_held(mesh: Mesh) -> None:
    mesh.pilotage("patch", "hold").must()
    assert "Next: pilotage patch hold --release" in mesh.pilotage("patch", "start", "--yes").must(3).err
    mesh.pilotage("patch", "hold", "--release").must()
    mesh.pilotage("patch", "start", "--yes").must()


def test_other_verbs_begin_no_patch_by_themselves(mesh: Mesh) -> None:
    free(mesh)
    mesh.pilotage("--today", "2026-10-20", "enable").must()
    assert mesh.image == "1.30.4"
    assert "PatchDue" in mesh.pilotage("--today", "2026-10-20", "check").out


def test_a_revision_that_no_version_was_given_for_is_free_to_take_patches() -> None:
    with in_memory() as mesh:
        mesh.enable(REVISION).must()
        assert "version" not in mesh.get("servicemesh/default")["spec"]["revisions"][0]


@pytest.mark.parametrize("verb", ["show", "next"])
def test_who_may_not_see_the_resource_is_not_told_that_there_is_none(mesh: Mesh, tmp_path: Path, verb: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(mesh.kubeconfig.read_text().replace("token: memory", f'token: "{mesh.token("jane")}"'))
    answer = mesh.pilotage("-c", str(path), "maintenance", verb)
    assert answer.code == 3
    assert "jane may not" in answer.err
    assert "no ServiceMesh" not in answer.err
