"""Moves of namespaces, restarts of workloads, and how far a restart is."""

from typing import Any

import pytest
from msgspec.structs import replace

from pilotage.decide.dataplane import (
    Selection,
    expected_revision,
    move_namespaces,
    restart_action,
    restart_findings,
    to_restart,
)
from pilotage.decide.restart_state import Done, Waiting, restart_state
from pilotage.domain.cluster import Container, Pod, Workload
from pilotage.domain.errors import Refused
from pilotage.domain.state import Snapshot
from worlds import deployment, managed, namespace, pod, revision, tag, workload, world

OLD, NEW = "asm-1-30", "asm-1-31"
MESH = (revision(OLD), revision(NEW), tag("prod", OLD))
TOKEN = "move-7"
WEB = ("Deployment", "shop", "web")


def test_a_move_changes_one_label_of_each_namespace() -> None:
    here = world(*MESH, namespace("shop", rev=OLD), namespace("bank"), namespace("done", rev=NEW))
    moves = move_namespaces(here, ("shop", "bank", "done", "shop"), NEW)
    assert [(each.ref.name, each.body) for each in moves.actions] == [
        ("shop", {"metadata": {"labels": {"istio.io/rev": NEW}}}),
        ("bank", {"metadata": {"labels": {"istio.io/rev": NEW}}}),
    ]
    assert not moves.findings


def test_a_move_may_go_to_a_tag() -> None:
    (action,) = move_namespaces(world(*MESH, namespace("shop", rev=OLD)), ("shop",), "prod").actions
    assert action.body["metadata"]["labels"] == {"istio.io/rev": "prod"}
    assert "from asm-1-30 to prod" in action.why


@pytest.mark.parametrize(
    ("sentence", "names", "to", "words"),
    [
        (
            "a revision that is not there",
            ("shop",),
            "asm-1-9",
            'no tag or revision "asm-1-9" (there: asm-1-30, asm-1-31, prod)',
        ),
        ("a namespace that is not there", ("shp",), NEW, 'no namespace "shp"; did you mean shop?'),
        ("a namespace that is being deleted", ("leaving",), NEW, 'no namespace "leaving"'),
        ("a namespace istiod never injects", ("kube-system",), NEW, "never injects namespace kube-system"),
    ],
)
def test_a_move_is_refused(sentence: str, names: tuple[str, ...], to: str, words: str) -> None:
    here = world(*MESH, namespace("shop"), namespace("leaving", terminating=True), namespace("kube-system"))
    with pytest.raises(Refused) as refused:
        move_namespaces(here, names, to)
    assert words in str(refused.value), sentence


def test_istio_injection_beside_the_label_is_removed_only_on_request() -> None:
    here = world(*MESH, namespace("shop", injection="enabled"), namespace("bank", rev=NEW, injection="enabled"))
    left = move_namespaces(here, ("shop", "bank"), NEW)
    assert not left.actions
    assert [finding.code for finding in left.findings] == ["InjectionLabelConflict"] * 2
    assert left.findings[0].fix == f"pilotage namespace move shop --to {NEW} --remove-injection-label"
    moved = move_namespaces(here, ("shop", "bank"), NEW, remove_injection=True)
    assert [each.body["metadata"]["labels"] for each in moved.actions] == [
        {"istio.io/rev": NEW, "istio-injection": None},
        {"istio-injection": None},
    ]


def test_a_label_that_git_keeps_is_not_written_but_its_patch_is_given() -> None:
    fields = [managed("argocd-controller", "metadata", "labels", "istio.io/rev")]
    raw = {"metadata": {"labels": {"istio.io/rev": OLD}, "managedFields": fields}}
    here = world(*MESH, namespace("shop", rev=OLD, raw=raw), namespace("bank", rev=OLD))
    moves = move_namespaces(here, ("shop", "bank"), NEW)
    assert [each.ref.name for each in moves.actions] == ["bank"]
    (finding,) = moves.findings
    assert finding.code == "FieldOwned"
    assert "kept by Argo CD" in finding.message
    assert '{"metadata": {"labels": {"istio.io/rev": "asm-1-31"}}}' in finding.fix


def chosen(here: Snapshot, **selection: Any) -> list[str]:
    return [f"{each.kind}/{each.name}" for each in to_restart(here, Selection(**selection))]


def test_all_that_is_not_on_a_revision_and_would_be_is_restarted_in_order() -> None:
    here = world(
        *MESH,
        namespace("shop", rev=NEW),
        namespace("bank", rev=NEW),
        deployment("shop", "web", on=OLD),
        workload("StatefulSet", "shop", "db"),
        pod("shop", "db-0", on=OLD, of=("StatefulSet", "db")),
        deployment("shop", "moved", on=NEW),
        deployment("shop", "plain"),
        deployment("bank", "till", on=OLD),
    )
    assert chosen(here, not_on=NEW) == ["Deployment/till", "Deployment/web", "StatefulSet/db"]
    assert chosen(here, not_on=NEW, namespaces=("shop",)) == ["Deployment/web", "StatefulSet/db"]
    assert chosen(here, namespaces=("bank",)) == ["Deployment/till"]
    assert chosen(here, names=(("Deployment", "shop", "moved"),)) == ["Deployment/moved"]


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(not_on="asm-1-99"), f'no revision "asm-1-99" (there: {OLD}, {NEW})'),
        (Selection(namespaces=("shpo",)), 'no namespace "shpo"; did you mean shop?'),
        (Selection(names=(("Deployment", "shop", "wbe"),)), "no Deployment wbe in namespace shop"),
    ],
    ids=["revision", "namespace", "workload"],
)
def test_what_is_not_there_is_not_taken_for_nothing_to_restart(selection: Selection, words: str) -> None:
    here = world(*MESH, namespace("shop", rev=NEW), deployment("shop", "web", on=OLD))
    with pytest.raises(Refused) as refused:
        to_restart(here, selection)
    assert words in str(refused.value)


def test_a_namespace_just_labelled_gets_its_first_proxies_by_a_restart_of_all_in_it() -> None:
    here = world(
        *MESH, namespace("shop", rev=NEW), deployment("shop", "web"), namespace("bank"), deployment("bank", "till")
    )
    assert chosen(here, namespaces=("shop", "bank")) == ["Deployment/web"]


def test_where_injection_still_gives_the_old_proxy_a_restart_is_not_done_and_says_why() -> None:
    here = world(*MESH, namespace("shop", rev="prod"), deployment("shop", "web", on=OLD))
    assert chosen(here, not_on=NEW) == []
    (finding,) = restart_findings(here, Selection(not_on=NEW))
    assert finding.code == "RestartChangesNothing"
    assert finding.message == "Deployment shop/web: new pods would get a proxy of asm-1-30, not asm-1-31"
    assert finding.fix == f"pilotage tag set prod --revision {NEW} --overwrite"


@pytest.mark.parametrize(
    ("sentence", "things", "words", "fix"),
    [
        (
            "a Job",
            (workload("Job", "shop", "x"), pod("shop", "x-1", on=OLD, of=("Job", "x"))),
            "a Job's template cannot change; its pods end by themselves",
            "",
        ),
        ("a bare pod", (pod("shop", "x", on=OLD),), "nothing would bring it back", "kubectl delete pod x -n shop"),
        (
            "another's controller",
            (pod("shop", "x-1", on=OLD, of=("Rollout", "x")),),
            "it belongs to a controller that Pilotage does not know",
            "kubectl delete pod x-1 -n shop",
        ),
        (
            "OnDelete",
            (workload("DaemonSet", "shop", "x", on_delete=True), pod("shop", "x-1", on=OLD, of=("DaemonSet", "x"))),
            "OnDelete: pods are replaced when they are deleted",
            "kubectl delete pod x-1 -n shop",
        ),
        (
            "a paused Deployment",
            (workload("Deployment", "shop", "x", paused=True), pod("shop", "x-1", on=OLD, of=("Deployment", "x"))),
            "it is paused",
            "kubectl rollout resume deployment/x -n shop",
        ),
    ],
)
def test_what_a_restart_cannot_replace_is_explained(
    sentence: str, things: tuple[Any, ...], words: str, fix: str
) -> None:
    here = world(*MESH, namespace("shop", rev=NEW), *things)
    assert chosen(here, not_on=NEW) == [], sentence
    (finding,) = restart_findings(here, Selection(not_on=NEW))
    assert (finding.code, finding.fix) == ("NotRestartable", fix), sentence
    assert words in finding.message, sentence


def test_finished_and_leaving_pods_ask_for_no_restart() -> None:
    gone = pod("shop", "a", on=OLD, of=("Deployment", "web"), phase="Failed")
    leaving = pod("shop", "b", on=OLD, of=("Deployment", "web"), deleting=True)
    here = world(*MESH, namespace("shop", rev=NEW), workload("Deployment", "shop", "web"), gone, leaving)
    assert chosen(here, not_on=NEW) == []


def test_a_workload_that_is_not_there_is_refused_with_the_nearest_name() -> None:
    here = world(*MESH, deployment("shop", "web"))
    with pytest.raises(Refused, match="there is no Deployment wbe in namespace shop; did you mean web"):
        to_restart(here, Selection(names=(("Deployment", "shop", "wbe"),)))


def test_a_restart_is_one_annotation_that_says_what_for() -> None:
    patch = restart_action(workload("StatefulSet", "shop", "db"), TOKEN)
    assert (patch.ref.api_version, patch.ref.kind, patch.ref.name) == ("apps/v1", "StatefulSet", "db")
    assert patch.body == {"spec": {"template": {"metadata": {"annotations": {"pilotage.dev/restarted-for": TOKEN}}}}}


def restarted(**facts: Any) -> Workload:
    """The Deployment web of two pods after its restart was written."""
    counts = dict.fromkeys(("desired", "updated", "ready", "available", "total"), 2)
    return workload("Deployment", "shop", "web", annotations={"pilotage.dev/restarted-for": TOKEN}, **(counts | facts))


def fresh(name: str = "web-1", on: str = NEW, **facts: Any) -> Pod:
    return pod("shop", name, on=on, of=("Deployment", "web"), **facts)


PULLING = fresh(ready=False, containers=(Container("istio-proxy", reason="ImagePullBackOff", message="no such tag"),))


@pytest.mark.parametrize(
    ("sentence", "things", "cause"),
    [
        ("the patch is not seen", (replace(restarted(), annotations={}),), "does not carry this restart yet"),
        (
            "another restart was written",
            (replace(restarted(), annotations={"pilotage.dev/restarted-for": "x"}),),
            "not carry",
        ),
        ("its controller is behind", (restarted(observed=False),), "has not seen the change"),
        ("pods are replaced", (restarted(updated=1),), "1 of 2 pods are new"),
        ("old pods are left", (restarted(total=3),), "1 old pod is still there"),
        ("new pods start", (restarted(available=1),), "1 of 2 new pods are ready"),
        ("it was paused", (restarted(paused=True),), "it is paused"),
        (
            "a pod is stuck",
            (restarted(ready=1), PULLING),
            "pod web-1: container istio-proxy: ImagePullBackOff: no such tag",
        ),
        (
            "no pod can be made",
            (restarted(updated=0, reason="FailedCreate: exceeded quota"),),
            "0 of 2 pods are new (FailedCreate: exceeded quota)",
        ),
        (
            "a new pod has the old proxy",
            (restarted(), fresh(on=OLD)),
            "pod web-1 has a proxy of asm-1-30, not of asm-1-31",
        ),
        ("a pod lost its readiness since", (restarted(), fresh(ready=False)), "a pod is not Ready"),
    ],
)
def test_a_restart_is_waited_for_with_its_cause(sentence: str, things: tuple[Any, ...], cause: str) -> None:
    state = restart_state(world(*things), WEB, NEW, TOKEN)
    assert isinstance(state, Waiting), sentence
    assert cause in state.cause, sentence


@pytest.mark.parametrize(
    ("sentence", "things", "expected", "pods"),
    [
        ("all pods are ready with the new proxy", (restarted(), fresh("web-1"), fresh("web-2")), NEW, 2),
        ("an old pod is leaving", (restarted(), fresh("a"), fresh("b"), fresh("c", on=OLD, deleting=True)), NEW, 2),
        ("it has no replicas", (restarted(desired=0, updated=0, ready=0, available=0, total=0),), NEW, 0),
        ("its pods are not for injection", (restarted(), fresh("a", on=""), fresh("b", on="")), NEW, 2),
        ("injection gives it no proxy any more", (restarted(), fresh("a", on="")), None, 1),
        ("it was deleted meanwhile", (), NEW, 0),
    ],
)
def test_a_restart_is_done(sentence: str, things: tuple[Any, ...], expected: str | None, pods: int) -> None:
    assert restart_state(world(*things), WEB, expected, TOKEN) == Done(pods), sentence


def test_the_expected_revision_is_what_injection_gives_now() -> None:
    here = world(*MESH, namespace("shop", rev="prod"), deployment("shop", "web", on=NEW))
    assert expected_revision(here, here.workloads[0]) == OLD
