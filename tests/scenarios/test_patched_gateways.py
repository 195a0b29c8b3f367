"""A patch of a mesh with gateways, in memory and real: istiod first, then the gateways, and back as a whole."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import pytest
from msgspec.structs import replace

from gateways import PLAIN_ENVOY
from harness import MESH, STABLE, Cluster, Obj, eventually, sandbox
from inmemory import in_memory, passing
from patchcharts import charts_in
from pilotage.domain.catalog import Release
from pilotage.domain.version import Minor, Version
from pilotage.edge.catalog import packaged_catalog
from pilotage.edge.kube import Kube
from pilotage.reconcile import Reconciler
from pilotage_memory.controllers.loop import Pace
from scenery import obj, staged

SPACE, DOOR = "sc-doors", "sc-door"
MINOR: Final = Minor(1, 30)
TODAY: Final = datetime(2026, 10, 20, 12, tzinfo=UTC)
# Seconds that are as short as can be: neither load balancers nor traffic are looked at here.
GATEWAY: Final = {
    "name": DOOR,
    "namespace": SPACE,
    "type": "Egress",
    "drainSeconds": 1,
    "values": {"minReadySeconds": 1, "podDisruptionBudget": {"minAvailable": 2}},
}
PACE: Final = {"ready": (1, 6), "end": (1, 6), "bundle": (0, 4)}


class Look(NamedTuple):
    """At one moment: versions of the istiods and of the gateways that are Ready, and which the latter are to have."""

    istiods: list[str]
    gateways: list[str]
    asked: str


class Patcher:
    """The loop of an operator whose catalog ends with `newest`; its clock is the test's. Looks after every step."""

    def __init__(self, mesh: Cluster, newest: int) -> None:
        before = packaged_catalog()
        known = next(each for each in before.minors if each.minor == MINOR)
        released = TODAY.date() - timedelta(days=30)
        patches = tuple(Release(Version(1, 30, patch), released=released) for patch in range(newest, 2, -1))
        minors = tuple(replace(each, patches=patches) if each is known else each for each in before.minors)
        self.mesh, self.now, self.looks = mesh, TODAY, list[Look]()
        kube = Kube.connect(str(mesh.kubeconfig), None, deadline=30.0)
        self.loop = Reconciler(kube, replace(before, minors=minors), lambda: self.now)
        self.loop.begin_patches()

    def until(self, what: str, holds: Callable[[Obj], bool]) -> Obj:
        """The status in which it holds."""

        def seen() -> Obj | None:
            self.loop.step()
            self.looks.append(look(self.mesh))
            status: Obj = self.mesh.get("servicemesh/default")["status"]
            return status if holds(status) else None

        found: Obj = eventually(what, seen)
        return found


@pytest.fixture(scope="module", params=["in-memory", pytest.param("real", marks=pytest.mark.e2e)])
def mesh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """On 1.30.3, with a gateway, and no version in the resource."""
    charts = charts_in(tmp_path_factory.mktemp("charts"), range(3, 7), broken=6)
    with _cluster(request.param) as made:
        words = ("enable", "-r", STABLE, "--profile", "aks", "--charts", charts)
        made.pilotage(*words, "--version", "1.30.3").must()
        free = {"revisions": [{"name": STABLE}], "values": PLAIN_ENVOY, "gateways": [GATEWAY]}
        made.patch("servicemesh/default", {"spec": free | {"patches": {"policy": "Automatic"}}})
        made.pilotage(*words).must()
        yield made


@contextmanager
def _cluster(which: str) -> Iterator[Cluster]:
    if which == "real":
        with sandbox("sc-patched") as made:
            yield made
    else:
        with in_memory(pace=Pace(1, PACE)) as memory, passing(memory):
            yield memory


def test_istiod_is_patched_first_then_the_gateways_and_never_below_their_budget(mesh: Cluster) -> None:
    patcher = Patcher(mesh, 4)
    patcher.until("it runs 1.30.4", lambda status: settled(status, "1.30.4"))
    for each in patcher.looks:
        assert each.asked == "1.30.3" or set(each.istiods) == {"1.30.4"}, each
        assert len(each.gateways) >= budget(mesh), each
    assert {"1.30.3", "1.30.4"} <= {version for each in patcher.looks for version in each.gateways}
    assert set(look(mesh).gateways) == {"1.30.4"}


def test_a_patch_whose_gateways_do_not_get_ready_is_taken_back_as_a_whole(mesh: Cluster) -> None:
    before = mesh.get("servicemesh/default")["status"]["revisions"][0]["version"]
    patcher = Patcher(mesh, 5)
    full = obj("ResourceQuota", "sc-full", space=SPACE, spec={"hard": {"pods": str(len(look(mesh).gateways))}})
    with staged(mesh, full):
        patcher.until("the gateways wait", lambda status: "exceeded quota" in ready(status))
        assert (look(mesh).istiods[0], look(mesh).asked) == ("1.30.5", "1.30.5")
        patcher.now += timedelta(minutes=11)
        status = patcher.until("it went back", lambda status: settled(status, before))
    assert f"Deployment {SPACE}/{DOOR}-{STABLE}" in status["patch"]["failed"]
    assert (set(look(mesh).istiods), set(look(mesh).gateways), look(mesh).asked) == ({before}, {before}, before)
    assert min(len(each.gateways) for each in patcher.looks) >= budget(mesh)
    assert min(len(each.istiods) for each in patcher.looks) >= 1


def settled(status: Obj, version: str) -> bool:
    return bool(status["phase"] == "Settled" and status["revisions"][0]["version"] == version)


def ready(status: Obj) -> str:
    return str(next(each["message"] for each in status["conditions"] if each["type"] == "Ready"))


def budget(mesh: Cluster) -> int:
    """Of the gateway."""
    return int(mesh.get("pdb", f"{DOOR}-{STABLE}", "-n", SPACE)["spec"]["minAvailable"])


def look(mesh: Cluster) -> Look:
    istiods = [tag(pod) for pod in mesh.get("pods", "-n", MESH, "-l", "app=istiod")["items"] if up(pod)]
    doors = [marked(pod) for pod in mesh.get("pods", "-n", SPACE)["items"] if up(pod)]
    return Look(istiods, doors, marked(mesh.get("deployment", f"{DOOR}-{STABLE}", "-n", SPACE)["spec"]["template"]))


def up(pod: Obj) -> bool:
    """Ready, and not on its way out."""
    told = {each["type"]: each["status"] for each in pod["status"].get("conditions", ())}
    return told.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def tag(pod: Obj) -> str:
    return str(pod["spec"]["containers"][0]["image"]).rpartition(":")[2]


def marked(pod: Obj) -> str:
    """The version that a gateway's pod, or their template, was made for."""
    return str(pod["metadata"]["annotations"]["pilotage.dev/istio-version"])
