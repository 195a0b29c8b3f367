"""Never two writers: the API server's audit log tells who wrote when, however the one before ended."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest
from tools.audit import Request

from audit import Audit
from harness import CANARY, MESH, STABLE, Cluster, eventually, sandbox
from processes import Process, started

pytestmark = pytest.mark.e2e
PROMISED = 15.0  # seconds from the death of a leader to the first write of the one that stands by


@pytest.fixture(scope="module")
def mesh() -> Iterator[Cluster]:
    with sandbox("leader") as made:
        made.enable().must()
        yield made


def operator(mesh: Cluster) -> AbstractContextManager[Process]:
    return started(mesh, "operator", "--listen", "off", "--log-format", "text")


def by(process: Process, told: list[Request]) -> list[Request]:
    return [asked for asked in told if asked.by(process.pid)]


def leads(audit: Audit, process: Process) -> bool:
    """It wrote the Lease last."""
    renewals = [asked for asked in audit.written(renewals=True) if asked.renewal]
    return bool(renewals) and renewals[-1].by(process.pid)


def stands_by(process: Process) -> bool:
    return " stands by " in process.said


def work(mesh: Cluster) -> None:
    """Something to be mended, a few writes of it.

    Small ones: an answer that no buffer holds ends, by the audit log, when a suspended client wakes and reads on.
    """
    for name in (f"istio-{STABLE}", f"values-{STABLE}"):
        mesh.kubectl("delete", "configmap", "-n", MESH, name, "--ignore-not-found").must()


def assert_one_after_the_other(audit: Audit, old: Process, new: Process) -> None:
    """No write of the old one was carried out after the new one's first."""
    told = audit.written(renewals=True)
    first = min(asked.at for asked in by(new, told))
    late = [asked for asked in by(old, told) if asked.answered > first]
    assert not late, f"wrote after another had begun: {late}"


def test_one_that_stands_by_takes_over_from_a_leader_that_was_killed_and_writes_in_time(mesh: Cluster) -> None:
    audit = Audit(mesh)
    with operator(mesh) as old:
        eventually("the first operator leads", lambda: leads(audit, old))
        with operator(mesh) as new:
            eventually("the second stands by", lambda: stands_by(new))
            old.child.kill()
            killed = time.time()
            work(mesh)
            mended = eventually("the second mends", lambda: by(new, audit.written()))[0]
            assert mended.answered.timestamp() - killed < PROMISED
            assert_one_after_the_other(audit, old, new)


def test_a_leader_that_was_suspended_while_another_took_over_writes_nothing_when_it_wakes(mesh: Cluster) -> None:
    audit = Audit(mesh)
    with operator(mesh) as old:
        eventually("the first operator leads", lambda: leads(audit, old))
        with operator(mesh) as new:
            eventually("the second stands by", lambda: stands_by(new))
            work(mesh)
            eventually("the first has begun to mend", lambda: by(old, audit.written()))
            old.suspend()
            work(mesh)
            eventually("the second mends", lambda: by(new, audit.written()))
            old.wake()
            eventually("the first has seen it", lambda: stands_by(old))
            count = len(by(new, audit.written()))
            work(mesh)
            eventually("the second mends again", lambda: len(by(new, audit.written())) > count)
            assert_one_after_the_other(audit, old, new)


def test_an_operator_at_rest_writes_nothing_but_its_lease(mesh: Cluster) -> None:
    audit = Audit(mesh)
    with operator(mesh) as alone:
        eventually("it leads", lambda: leads(audit, alone))
        eventually("the mesh is as wanted", lambda: "True" in ready(mesh))
        eventually("what was broken before it came is mended", lambda: calm(mesh, renewals=2))
        assert calm(mesh, renewals=4)


def calm(mesh: Cluster, *, renewals: int) -> bool:
    """Whether nothing was written while the Lease was renewed so many times."""
    rest = Audit(mesh)
    eventually("it has renewed its Lease", lambda: len(rest.written(renewals=True)) >= renewals)
    return not rest.written()


def test_a_verb_that_was_suspended_while_an_operator_took_over_ends_with_words_and_writes_nothing(
    mesh: Cluster,
) -> None:
    audit = Audit(mesh)
    with started(mesh, "upgrade", "start", "--revision", CANARY, "--local") as verb:
        eventually("the verb has begun", lambda: [w for w in by(verb, audit.written()) if CANARY in w.name])
        verb.suspend()
        with operator(mesh) as new:
            eventually("the operator has taken over", lambda: leads(audit, new))
            verb.wake()
            assert verb.child.wait(timeout=60) == 1, verb.said
            assert "is at work on this mesh; the same command without --local follows it" in verb.said
            assert_one_after_the_other(audit, verb, new)
            mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
            followed = mesh.pilotage("upgrade", "rollback", "--yes").must()
            assert "the loop runs here" not in followed.err
            assert {asked.thing for asked in strangers(audit, verb, new)} == {"servicemeshes.pilotage.dev/default"}


def strangers(audit: Audit, *known: Process) -> list[Request]:
    """Writes of verbs that only followed: of their intent, which is the ServiceMesh."""
    return [asked for asked in audit.written() if not any(asked.by(process.pid) for process in known)]


def test_a_verb_says_that_an_operator_is_down_and_what_to_do_and_another_does_it_here(mesh: Cluster) -> None:
    with operator(mesh) as gone:
        eventually("it leads", lambda: "operator:" in holder(mesh))
        gone.child.kill()
    long_ago = '{"spec":{"renewTime":"2026-01-01T00:00:00.000000Z"}}'
    mesh.kubectl("patch", "lease", "pilotage", "-n", MESH, "--type=merge", "-p", long_ago).must()
    told = mesh.pilotage("upgrade", "start", "--revision", CANARY).must(3)
    assert "waiting for the operator" in told.err
    assert "which does not run: it last renewed Lease" in told.err
    assert "the same command with --local" in told.err
    here = mesh.pilotage("upgrade", "start", "--revision", CANARY, "--local").must()
    assert "the loop runs here" in here.err
    back = mesh.pilotage("upgrade", "rollback", "--yes").must()
    assert "no operator is installed: the loop runs here" in back.err


def ready(mesh: Cluster) -> str:
    path = '{.status.conditions[?(@.type=="Ready")].status}'
    return mesh.kubectl("get", "smesh", "default", "-o", f"jsonpath={path}").must().out


def holder(mesh: Cluster) -> str:
    return str(mesh.get("lease", "pilotage", "-n", MESH)["spec"]["holderIdentity"])
