"""Patches in place, on an API server in memory: when they start, that they are proven, and that they go back."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from harness import Obj, eventually
from inmemory import InMemory, in_memory
from patchcharts import charts_in
from pilotage.domain.actions import Plan
from pilotage.domain.catalog import BadPair, Range, Release
from pilotage.domain.errors import Refused
from pilotage.domain.version import Minor, Version
from pilotage.edge.catalog import packaged_catalog
from pilotage.edge.kube import Kube
from pilotage.reconcile import Reconciler, pause_after
from pilotage_memory.cluster import memory_cluster
from pilotage_memory.faults import Fault
from pilotage_memory.world import World

SPACE, REVISION = "aks-istio-system", "asm-1-30"
BEGIN = datetime(2026, 10, 20, 12, 0, tzinfo=UTC)  # a Tuesday


def release(patch: int, **more: Any) -> Release:
    return Release(Version(1, 30, patch), **{"released": BEGIN.date() - timedelta(days=30), **more})


class Operator:
    """The loop of an operator, step by step, at a time of the test's own."""

    def __init__(self, mesh: InMemory) -> None:
        self.mesh, self.now, self.refuses = mesh, BEGIN, ""
        self.kube = Kube.connect(str(mesh.kubeconfig), None, deadline=30.0)
        self.releases(release(3))

    def releases(self, *patches: Release, pairs: tuple[BadPair, ...] = ()) -> None:
        """What the catalog of an operator that is started anew knows of 1.30, and which pairs are bad."""
        before = packaged_catalog()
        known = before.find(Minor(1, 30))
        assert known is not None
        newest = tuple(sorted(patches, key=lambda each: each.version, reverse=True))
        minors = tuple(replace(each, patches=newest) if each == known else each for each in before.minors)
        self.catalog = replace(before, minors=minors, bad_pairs=pairs)
        self.restart()

    def restart(self) -> None:
        self.loop = Reconciler(self.kube, self.catalog, lambda: self.now)
        self.loop.begin_patches()

    def goes_on(self) -> Plan:
        """Until nothing is left that does not need time."""
        for _ in range(30):
            before = self.status
            made = self.loop.step()
            if not made.now and self.status == before:
                return made
        raise AssertionError(f"no rest: {made}")

    def faults(self, method: str, path: str, _: Mapping[str, str]) -> Fault | None:
        """An admission policy that has something against one object."""
        refused = self.refuses and method == "PATCH" and path.endswith(self.refuses)
        return Fault(status=403) if refused else None

    def stumbles(self) -> None:
        """An attempt that the API server refuses."""
        with pytest.raises(Refused):
            self.loop.step()

    def passes(self, **span: float) -> Plan:
        self.now += timedelta(**span)
        return self.goes_on()

    @property
    def status(self) -> Obj:
        status: Obj = self.mesh.get("servicemesh/default")["status"]
        return status

    @property
    def image(self) -> str:
        deployment = self.mesh.get("deployment", f"istiod-{REVISION}", "-n", SPACE)
        return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"]).rpartition(":")[2]

    @property
    def codes(self) -> set[str]:
        assert self.loop.looked is not None
        return {finding.code for finding in self.loop.looked.made.findings}

    def spec(self, **fields: Any) -> None:
        self.mesh.patch("servicemesh/default", {"spec": fields})


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Charts whose 1.30.5 is an istiod that never gets ready."""
    return charts_in(tmp_path_factory.mktemp("charts"), range(3, 8), broken=5)


@pytest.fixture(scope="module")
def installed(charts: str) -> Iterator[World]:
    """1.30.3 was installed, and no version is in the resource."""
    with in_memory() as mesh:
        words = ("enable", "--revision", REVISION, "--version", "1.30.3", "--profile", "aks", "--charts", charts)
        mesh.pilotage(*words, "--today", str(BEGIN.date())).must()
        mesh.patch("servicemesh/default", {"spec": {"revisions": [{"name": REVISION}]}})
        yield mesh.world


@pytest.fixture
def operator(installed: World) -> Iterator[Operator]:
    world = installed.fork()
    with memory_cluster(world.store) as served:
        made = Operator(InMemory(world, served.kubeconfig))
        served.server.faults = made.faults
        assert made.goes_on().phase == "Settled"
        yield made


def test_a_newer_catalog_alone_moves_nothing_while_its_patch_is_young(operator: Operator) -> None:
    operator.releases(release(3), release(4, released=BEGIN.date() - timedelta(days=6)))
    assert operator.goes_on().phase == "Settled"
    assert (operator.image, operator.codes) == ("1.30.3", set())
    operator.passes(days=1)
    assert operator.image == "1.30.4"


def test_a_patch_that_is_old_enough_is_taken_and_proven(operator: Operator) -> None:
    operator.releases(release(3), release(4))
    assert operator.goes_on().phase == "Settled"
    assert operator.image == "1.30.4"
    assert operator.status["revisions"][0]["version"] == "1.30.4"
    assert "patch" not in operator.status
    assert {"Patching", "Patched"} <= told(operator)


def test_an_operator_wakes_when_the_window_of_a_patch_opens(operator: Operator) -> None:
    window = {"name": "default", "schedule": {"weekly": {"dayOfWeek": "Saturday"}}, "durationHours": 4}
    operator.spec(maintenanceWindows=[window | {"startTime": "01:00"}])
    operator.releases(release(3), release(4))
    made = operator.goes_on()
    assert pause_after(operator.loop, made, 180.0) == 180.0
    operator.now = datetime(2026, 10, 24, 0, 59, 30, tzinfo=UTC)
    assert pause_after(operator.loop, operator.goes_on(), 180.0) == 30.0
    operator.passes(seconds=30)
    assert operator.image == "1.30.4"


def test_a_patch_waits_for_its_window(operator: Operator) -> None:
    window = {"name": "default", "schedule": {"weekly": {"dayOfWeek": "Saturday"}}, "durationHours": 4}
    operator.spec(maintenanceWindows=[{**window, "startTime": "22:00"}])
    operator.releases(release(3), release(4))
    assert operator.goes_on().phase == "Settled"
    assert (operator.image, operator.codes) == ("1.30.3", {"PatchDue"})
    operator.passes(days=4, hours=9)
    assert operator.image == "1.30.3"
    operator.passes(hours=1)
    assert (operator.image, operator.codes) == ("1.30.4", set())


@pytest.mark.parametrize("fields", [{"policy": "Manual"}, {"hold": True}])
def test_a_patch_that_is_held_does_not_start(operator: Operator, fields: Obj) -> None:
    operator.spec(patches=fields)
    operator.releases(release(3), release(4))
    assert operator.goes_on().phase == "Settled"
    assert (operator.image, operator.codes) == ("1.30.3", {"PatchHeld"})


def test_a_patch_waits_for_a_proxy_that_it_does_not_work_with(operator: Operator) -> None:
    proxy = {"name": "istio-proxy", "image": "mcr.microsoft.com/oss/istio/proxyv2:1.30.2"}
    meta = {"name": "web", "namespace": "default", "annotations": {"istio.io/rev": REVISION}}
    operator.mesh.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [proxy]}})
    clash = BadPair(Range(None, Version(1, 30, 3)), Range(Version(1, 30, 4)), "they clash")
    operator.releases(release(3), release(4), pairs=(clash,))
    assert operator.goes_on().phase == "Settled"
    assert (operator.image, operator.codes) == ("1.30.3", {"PatchHeld"})
    operator.mesh.strike({"apiVersion": "v1", "kind": "Pod", "metadata": meta})
    operator.goes_on()
    assert (operator.image, operator.codes) == ("1.30.4", set())


def test_a_patch_is_held_while_a_canary_is_in_progress(operator: Operator) -> None:
    operator.spec(revisions=[{"name": REVISION}, {"name": "canary", "version": "1.30.7"}])
    operator.goes_on()
    operator.releases(release(3), release(4))
    assert operator.goes_on().phase == "Canary"
    assert (operator.image, operator.codes) == ("1.30.3", {"PatchHeld"})


def test_a_patch_that_never_gets_ready_goes_back_and_is_not_tried_again(operator: Operator) -> None:
    operator.releases(release(3), release(5))
    assert operator.goes_on().phase == "Patching"
    assert operator.image == "1.30.5-neverready"
    assert ready_pods(operator) >= 1
    operator.passes(minutes=10)
    assert operator.image == "1.30.3"
    assert operator.passes(days=1).phase == "Settled"
    assert (operator.image, operator.codes) == ("1.30.3", {"PatchFailed", "PatchHeld"})
    assert operator.status["patch"]["failed"].startswith("not ready within 10m: ")
    assert "PatchFailed" in told(operator)
    operator.releases(release(3), release(5), release(6))
    operator.goes_on()
    assert (operator.image, operator.codes) == ("1.30.6", set())
    assert "patch" not in operator.status


def test_a_patch_goes_back_to_where_it_came_from_though_the_operator_was_killed(operator: Operator) -> None:
    operator.releases(release(3), release(5))
    for _ in range(8):
        operator.restart()
        operator.loop.step()
    assert operator.image == "1.30.5-neverready"
    operator.restart()
    operator.passes(minutes=10)
    assert operator.image == "1.30.3"


def test_an_operator_that_was_away_gives_a_patch_its_whole_time(operator: Operator) -> None:
    operator.releases(release(3), release(4))
    operator.loop.step()
    assert operator.status["patch"]["to"] == "1.30.4"
    assert operator.image == "1.30.3"
    operator.passes(hours=2)
    assert operator.image == "1.30.4"
    assert "patch" not in operator.status


def test_a_patch_that_began_in_its_window_is_finished_after_it(operator: Operator) -> None:
    operator.spec(maintenanceWindows=[daily("08:00", 4)])  # it closes as the test begins
    operator.releases(release(3), release(4), release(5))
    operator.now -= timedelta(seconds=1)
    operator.loop.step()
    assert (operator.status["patch"]["to"], operator.image) == ("1.30.5", "1.30.3")
    operator.passes(minutes=1)
    assert operator.image == "1.30.5-neverready"
    operator.passes(minutes=10)
    assert operator.image == "1.30.3"
    operator.releases(release(3), release(4))
    assert operator.goes_on().phase == "Settled"
    assert (operator.image, operator.codes) == ("1.30.3", {"PatchDue", "PatchFailed"})


def test_a_patch_that_is_withdrawn_on_its_way_goes_back_at_once(operator: Operator) -> None:
    operator.releases(release(3), release(5))
    assert operator.goes_on().phase == "Patching"
    operator.releases(release(3), release(5, avoid="it crashes"))
    assert operator.goes_on().phase == "Settled"
    assert operator.image == "1.30.3"
    assert operator.status["patch"]["failed"] == "the catalog says to avoid it: it crashes"


def test_a_canary_that_does_not_get_ready_takes_no_patch_back(operator: Operator) -> None:
    operator.releases(release(3), release(4))
    operator.loop.step()
    operator.spec(revisions=[{"name": REVISION}, {"name": "canary", "version": "1.30.5"}])
    operator.goes_on()
    assert operator.passes(minutes=11).phase == "CanaryStarting"
    assert operator.image == "1.30.4"
    assert "Patched" in told(operator)
    assert "patch" not in operator.status


def test_a_patch_that_the_api_server_refuses_goes_back_when_its_time_is_up(operator: Operator) -> None:
    operator.releases(release(3), release(4))
    operator.loop.step()
    operator.refuses = f"deployments/istiod-{REVISION}"
    operator.stumbles()
    operator.stumbles()
    assert "failed" not in operator.status["patch"]
    operator.now += timedelta(minutes=10)
    operator.stumbles()
    operator.refuses = ""
    assert operator.goes_on().phase == "Settled"
    assert operator.image == "1.30.3"
    assert "fault 403" in operator.status["patch"]["failed"]
    assert injected_version(operator) == "1.30.3"


def test_a_verb_that_is_refused_names_the_way_on_and_the_way_back(operator: Operator) -> None:
    """Without an operator."""

    def patch_start() -> str:
        return operator.mesh.pilotage("--today", str(BEGIN.date()), "patch", "start", "--yes").must(3).err

    operator.refuses = f"deployments/istiod-{REVISION}"
    said = patch_start()
    way_back = f"pilotage enable --revision {REVISION} --version 1.30.3"
    assert "fault 403" in said and f"mend that and run this again, or go back: {way_back}" in said
    operator.spec(patches={"timeout": "0s"})  # its time is up with the second in which it began
    eventually("it has failed", lambda: "fault 403" in patch_start() and "failed" in operator.status["patch"])
    assert "fault 403" in operator.status["patch"]["failed"]
    operator.refuses = ""
    operator.mesh.pilotage("--today", str(BEGIN.date()), "enable").must()
    assert (operator.image, injected_version(operator)) == ("1.30.3", "1.30.3")


def test_a_hold_and_other_edits_on_the_way_leave_a_patch_its_way(operator: Operator) -> None:
    operator.releases(release(3), release(4))
    operator.loop.step()
    values = {"pilot": {"env": {"EXAMPLE": "yes"}}}
    operator.spec(patches={"hold": True}, values=values)
    assert operator.goes_on().phase == "Settled"
    assert operator.image == "1.30.4"
    assert "EXAMPLE" in str(operator.mesh.get("deployment", f"istiod-{REVISION}", "-n", SPACE)["spec"])


def test_a_version_that_is_set_on_the_way_ends_the_patch(operator: Operator) -> None:
    operator.releases(release(3), release(5))
    assert operator.goes_on().phase == "Patching"
    operator.spec(revisions=[{"name": REVISION, "version": "1.30.3"}])
    assert operator.goes_on().phase == "Settled"
    assert operator.image == "1.30.3"
    assert "patch" not in operator.status
    assert "Patched" not in told(operator)


def test_a_version_in_the_resource_is_obeyed_at_once_and_kept(operator: Operator) -> None:
    operator.spec(revisions=[{"name": REVISION, "version": "1.30.6"}], patches={"hold": True})
    operator.goes_on()
    assert operator.image == "1.30.6"
    operator.spec(patches={"hold": False})
    operator.releases(release(3), release(6), release(7))
    operator.goes_on()
    assert (operator.image, operator.codes) == ("1.30.6", set())


def test_an_image_that_was_changed_by_hand_is_put_back_and_no_patch_follows_from_it(operator: Operator) -> None:
    place = {"containers": [{"name": "discovery", "image": "mcr.microsoft.com/oss/istio/pilot:1.30.6"}]}
    deployment = operator.mesh.get("deployment", f"istiod-{REVISION}", "-n", SPACE)
    place["containers"] = [{**deployment["spec"]["template"]["spec"]["containers"][0], **place["containers"][0]}]
    operator.mesh.patch(f"deployment/istiod-{REVISION}", {"spec": {"template": {"spec": place}}}, SPACE)
    operator.goes_on()
    assert operator.image == "1.30.3"


def test_without_its_status_a_revision_keeps_the_version_that_runs(operator: Operator) -> None:
    operator.spec(patches={"hold": True})
    operator.releases(release(3), release(4))
    resource = operator.mesh.get("servicemesh/default")
    operator.mesh.world.store.update({**resource, "status": {}}, subresource="status")
    operator.goes_on()
    assert operator.image == "1.30.3"


def daily(start: str, hours: int) -> Obj:
    return {"name": "default", "schedule": {"daily": {}}, "durationHours": hours, "startTime": start}


def injected_version(operator: Operator) -> str:
    """Of the proxy that the injector of the revision gives."""
    config = operator.mesh.get(f"configmap/istio-sidecar-injector-{REVISION}", "-n", SPACE)
    return str(json.loads(config["data"]["values"])["global"]["tag"])


def told(operator: Operator) -> set[str]:
    events = operator.mesh.get("events", "-n", "default")["items"]
    return {event["reason"] for event in events}


def ready_pods(operator: Operator) -> int:
    pods = operator.mesh.get("pods", "-n", SPACE, "-l", "app=istiod")["items"]
    return sum(
        pod["status"]["phase"] == "Running" and all(each["ready"] for each in pod["status"]["containerStatuses"])
        for pod in pods
    )
