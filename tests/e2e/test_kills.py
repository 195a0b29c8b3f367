"""kill -9 anywhere in a verb, then the same verb again: it ends where it would have ended."""

import random
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from tools.audit import Request

from audit import Audit
from harness import CANARY, MESH, PATIENCE, STABLE, Cluster, eventually, sandbox
from picture import Picture, differences, picture
from processes import Process, started

pytestmark = pytest.mark.e2e
SEED = 1031
KILLS = 10
IDLE = 2.5  # seconds without a write: the verb waits for the world, a moment as good as any
START = ("upgrade", "start", "--revision", CANARY)
ROLLBACK = ("upgrade", "rollback", "--yes")
COMPLETE = ("upgrade", "complete", "--yes")


@pytest.fixture(scope="module")
def mesh() -> Iterator[Cluster]:
    with sandbox("kills") as made:
        made.enable().must()
        yield made


class Killing:
    """One verb, killed again and again as its work goes on, and in between what else may happen to the resource."""

    def __init__(self, mesh: Cluster, words: tuple[str, ...], dice: random.Random) -> None:
        self.mesh, self.words, self.dice = mesh, words, dice
        self.audit = Audit(mesh)
        self.landed = 0  # kills that left something to do

    def work(self, moments: list[int]) -> None:
        """One piece of work, to its end: killed right after so many writes, each time. Fails where a run does."""
        self.audit = Audit(self.mesh)
        between = {KILLS // 3: self._wipe, 2 * KILLS // 3: self._reapply}
        for moment in [*moments, None]:
            with started(self.mesh, *self.words) as process:
                if moment is not None:
                    self._kill(process, moment)
                code, said = process.child.wait(timeout=PATIENCE), process.said
            if code == 0:
                return
            if code != -signal.SIGKILL:  # the one before was killed between its last write and its end
                assert (code, "only one revision is installed" in said) == (3, True), said
                self.landed -= 1
                return
            self.landed += 1
            between.get(self.landed, lambda: None)()

    def _kill(self, process: Process, moment: int) -> None:
        """Right after the `moment`th write since the first run, or a little later, or when nothing is written."""
        count, since = -1, time.monotonic()
        while process.child.poll() is None:
            written = len(self.audit.written())
            if written != count:
                count, since = written, time.monotonic()
            if written >= moment and self._begun(process) or time.monotonic() - since > IDLE + self.dice.random():
                time.sleep(self.dice.choice([0, 0, self.dice.random() / 5]))
                process.child.kill()
                process.child.wait()
                return
            time.sleep(0.01)

    def _begun(self, process: Process) -> bool:
        return any(asked.by(process.pid) for asked in self.audit.told())

    def _wipe(self) -> None:
        empty = ("--type=json", "-p", '[{"op":"replace","path":"/status","value":{}}]')
        self.mesh.kubectl("patch", "smesh", "default", "--subresource=status", *empty).must()

    def _reapply(self) -> None:
        """As from Git: deleted, and applied again from a file."""
        resource = self.mesh.get("smesh", "default")
        kept = {key: resource["metadata"][key] for key in ("name", "annotations") if key in resource["metadata"]}
        self.mesh.kubectl("delete", "smesh", "default").must()
        self.mesh.apply({**resource, "metadata": kept, "status": {}})


def killed(mesh: Cluster, words: tuple[str, ...], writes: int, again: Callable[[], object]) -> None:
    """Ten times, at moments spread over the writes of an unkilled run. Work that ends sooner is made to do `again`."""
    dice = random.Random(f"{SEED} {words}")
    killing = Killing(mesh, words, dice)
    killing.work(sorted(dice.sample(range(writes), KILLS)))
    while killing.landed < KILLS:
        again()
        killing.work(sorted(dice.sample(range(writes), KILLS - killing.landed)))


def unkilled(mesh: Cluster, words: tuple[str, ...]) -> tuple[Picture, int]:
    """Where it ends, and in how many writes."""
    audit = Audit(mesh)
    mesh.pilotage(*words).must()
    writes = len(audit.written())
    return settled(mesh), writes


def settled(mesh: Cluster) -> Picture:
    """Once pods that are removed have gone, and what they held with them, and others hold what istiods take."""
    asked = {entry["name"] for entry in mesh.get("smesh", "default")["spec"]["revisions"]}
    gone = {STABLE, CANARY} - asked
    eventually("its pods are gone", lambda: not any(mesh.names("pods", MESH, f"istio.io/rev={name}") for name in gone))
    held = {f"istio-gateway-{what}-{name}" for what in ("deployment", "status-leader") for name in asked}
    eventually(f"{held} are held", lambda: held <= mesh.names("leases", MESH))
    return picture(mesh)


def test_a_start_and_a_rollback_killed_ten_times_each_end_where_they_would_have(mesh: Cluster) -> None:
    canary, to_start = unkilled(mesh, START)
    stable, to_roll_back = unkilled(mesh, ROLLBACK)
    killed(mesh, START, to_start, lambda: mesh.pilotage(*ROLLBACK).must())
    assert differences(canary, settled(mesh)) == []
    killed(mesh, ROLLBACK, to_roll_back, lambda: mesh.pilotage(*START).must())
    assert differences(stable, settled(mesh)) == []


def test_a_half_done_start_can_be_rolled_back(mesh: Cluster) -> None:
    before, audit = settled(mesh), Audit(mesh)
    with started(mesh, *START) as process:
        eventually("the canary's istiod was made", lambda: made(audit))
        process.child.kill()
    mesh.pilotage(*ROLLBACK).must()
    assert differences(before, settled(mesh)) == []


def test_a_resource_deleted_during_a_canary_is_taken_back_with_both_revisions(mesh: Cluster) -> None:
    mesh.pilotage(*START).must()
    before = settled(mesh)
    mesh.kubectl("delete", "servicemesh", "default").must()
    mesh.pilotage("enable", "--profile", "aks", "--charts", str(mesh.assets["charts"])).must()
    assert differences(before, settled(mesh)) == []


def test_a_complete_killed_ten_times_ends_where_it_would_have(mesh: Cluster) -> None:
    mesh.pilotage(*START).must()
    completed, to_complete = unkilled(mesh, COMPLETE)

    def again() -> None:
        mesh.pilotage("disable", "--yes").must()
        mesh.kubectl("delete", "servicemesh", "default").must()
        mesh.enable().must()
        mesh.pilotage(*START).must()

    again()
    killed(mesh, COMPLETE, to_complete, again)
    assert differences(completed, settled(mesh)) == []


def made(audit: Audit) -> list[Request]:
    return [asked for asked in audit.written() if asked.thing == f"deployments.apps/istiod-{CANARY}"]
