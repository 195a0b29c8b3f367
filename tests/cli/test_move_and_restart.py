"""`namespace move` and `restart`, as typed."""

import json

import pytest
from stage import SetStage

from pilotage.domain.errors import Denied
from worlds import deployment, namespace, revision, tag, workload, world

TWO = (revision("1-30"), revision("1-31"), tag("prod", "1-30"))
SHOP = (
    namespace("shop", rev="prod"),
    deployment("shop", "web", on="1-30", pods=2),
    deployment("shop", "cart", on="1-30"),
)
MOVED = (
    namespace("shop", rev="1-31"),
    deployment("shop", "web", on="1-30", pods=2),
    deployment("shop", "cart", on="1-30"),
    namespace("pay", rev="1-31"),
    deployment("pay", "bank", on="1-31"),
)


@pytest.mark.parametrize("words", [("shop",), ("--selector", "istio.io/rev=prod")], ids=" ".join)
def test_a_namespace_moves_by_name_or_selector(stage: SetStage, words: tuple[str, ...]) -> None:
    on = stage(world(*TWO, SHOP))
    answer = on.pilotage("namespace", "move", *words, "--to", "1-31")
    assert (answer.code, answer.out) == (0, "namespace shop moves from prod to 1-31\n")
    assert on.kube.seen().namespaces[0].labels["istio.io/rev"] == "1-31"


def test_a_namespace_that_is_there_already_is_not_written(stage: SetStage) -> None:
    on = stage(world(*TWO, SHOP))
    answer = on.pilotage("namespace", "move", "shop", "--to", "prod", "-o", "json")
    assert json.loads(answer.out) == {"moved": [], "unchanged": ["shop"], "findings": []}
    assert on.kube.written == []


def test_a_dry_run_moves_nothing(stage: SetStage) -> None:
    on = stage(world(*TWO, SHOP))
    assert "would: namespace shop moves" in on.pilotage("namespace", "move", "shop", "--to", "1-31", "--dry-run").out
    assert on.kube.written == []


def test_nothing_moves_to_a_revision_that_does_not_inject(stage: SetStage) -> None:
    on = stage(world(*TWO, SHOP))
    on.kube.injects = False
    answer = on.pilotage("namespace", "move", "shop", "--to", "1-31")
    assert answer.code == 3
    assert "1-31 does not inject" in answer.err
    assert on.kube.written == []


def test_a_namespace_without_a_label_is_proven_before_it_moves(stage: SetStage) -> None:
    on = stage(world(*TWO, namespace("new")))
    on.kube.without_proxies.add("new")
    answer = on.pilotage("namespace", "move", "new", "--to", "1-31")
    assert answer.code == 3
    assert "InjectionNotProven" in answer.err
    assert on.kube.written == []


def test_a_label_that_a_killed_move_left_is_proven_by_the_next(stage: SetStage) -> None:
    on = stage(world(*TWO, namespace("new", rev="1-31")))
    assert on.pilotage("namespace", "move", "new", "--to", "1-31").code == 0
    on.kube.without_proxies.add("new")
    again = on.pilotage("namespace", "move", "new", "--to", "1-31")
    assert again.code == 3
    assert "InjectionNotProven" in again.err


def test_a_namespace_whose_proof_fails_once_it_moved_gets_its_label_back(stage: SetStage) -> None:
    on = stage(world(*TWO, SHOP))
    on.kube.without_proxies.add("shop")
    assert on.pilotage("namespace", "move", "shop", "--to", "1-31").code == 3
    assert on.kube.seen().namespaces[0].labels["istio.io/rev"] == "prod"


def test_an_api_server_whose_webhooks_learn_of_a_label_after_it_was_written_is_awaited(stage: SetStage) -> None:
    on = stage(world(*TWO, SHOP))
    on.kube.behind = 4
    assert on.pilotage("namespace", "move", "shop", "--to", "1-31").code == 0
    assert on.kube.seen().namespaces[0].labels["istio.io/rev"] == "1-31"


def test_so_is_one_that_has_yet_to_learn_of_a_label_that_somebody_else_wrote(stage: SetStage) -> None:
    on = stage(world(*TWO, SHOP))
    assert on.pilotage("namespace", "move", "shop", "--to", "1-31").code == 0
    on.kube.behind = 3
    assert on.pilotage("namespace", "move", "shop", "--to", "1-31").code == 0


def test_istio_injection_beside_the_label_is_named_and_removed_on_request(stage: SetStage) -> None:
    on = stage(world(*TWO, namespace("shop", injection="enabled")))
    refused = on.pilotage("namespace", "move", "shop", "--to", "1-31")
    assert refused.code == 3
    assert "InjectionLabelConflict" in refused.err
    assert on.kube.written == []
    assert on.pilotage("namespace", "move", "shop", "--to", "1-31", "--remove-injection-label").code == 0
    assert "istio-injection" not in on.kube.seen().namespaces[0].labels


@pytest.mark.parametrize("words", [(), ("shop", "-l", "a=b")], ids=["neither", "both"])
def test_names_or_a_selector_but_not_both(stage: SetStage, words: tuple[str, ...]) -> None:
    assert stage(world(*TWO, SHOP)).pilotage("namespace", "move", *words, "--to", "1-31").code == 2


def test_what_is_not_on_a_revision_is_restarted_one_by_one(stage: SetStage) -> None:
    on = stage(world(*TWO, MOVED))
    answer = on.pilotage("restart", "--not-on", "1-31")
    assert answer.code == 0
    assert answer.out == "2 workloads restarted.\n"
    assert [ref.name for _, ref in on.kube.written] == ["cart", "web"]
    assert "Deployment shop/web: 2 pods Ready, with a proxy of 1-31" in answer.err


@pytest.mark.parametrize("name", ["deployment/web", "deploy/web", "deployments.apps/web"])
def test_a_workload_is_named_as_kubectl_names_it(stage: SetStage, name: str) -> None:
    on = stage(world(*TWO, MOVED))
    assert on.pilotage("restart", name, "-n", "shop").code == 0
    assert [ref.name for _, ref in on.kube.written] == ["web"]


def test_a_dry_run_restarts_nothing(stage: SetStage) -> None:
    on = stage(world(*TWO, MOVED))
    answer = on.pilotage("restart", "-n", "shop", "--dry-run")
    assert answer.out.splitlines()[0] == "would restart Deployment shop/cart"
    assert on.kube.written == []


def test_a_restart_that_would_change_nothing_is_refused_with_what_would(stage: SetStage) -> None:
    on = stage(world(*TWO, SHOP))
    answer = on.pilotage("restart", "--not-on", "1-31")
    assert answer.code == 3
    assert "pilotage tag set prod --revision 1-31 --overwrite" in answer.err
    assert on.kube.written == []


def test_a_stuck_workload_is_named_with_its_cause_and_no_other_is_begun(stage: SetStage) -> None:
    slow = workload("Deployment", "shop", "a", desired=2, updated=1, reason="ProgressDeadlineExceeded")
    _, *pods = deployment("shop", "a", on="1-30")
    on = stage(world(*TWO, MOVED, slow, pods))
    answer = on.pilotage("restart", "--not-on", "1-31", "--timeout", "0s", "-o", "json")
    assert answer.code == 1
    assert json.loads(answer.out)["stuck"][0]["name"] == "Deployment shop/a"
    assert "Deployment shop/cart" in json.loads(answer.out)["left"]
    assert "ProgressDeadlineExceeded" in json.loads(answer.err)["error"]["message"]


def test_without_waiting_all_are_begun_at_once(stage: SetStage) -> None:
    on = stage(world(*TWO, MOVED))
    assert on.pilotage("restart", "-n", "shop", "--no-wait").code == 0
    assert len(on.kube.written) == 2


@pytest.mark.parametrize(
    "words",
    [(), ("web",), ("deploy/",), ("gizmo/web",), ("deploy/web", "--all"), ("--all", "--parallel", "0")],
    ids=" ".join,
)
def test_an_unclear_choice_is_a_usage_error(stage: SetStage, words: tuple[str, ...]) -> None:
    assert stage(world(*TWO, MOVED)).pilotage("restart", *words).code == 2


def test_where_no_pod_may_be_tried_the_selectors_of_the_webhooks_answer(
    stage: SetStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise Denied("jane may not create pods")

    on = stage(world(*TWO, SHOP))
    monkeypatch.setattr(on.kube, "create", denied)
    answer = on.pilotage("namespace", "move", "shop", "--to", "1-31", "-o", "json")
    assert answer.code == 0
    messages = {each["subject"]: each["message"] for each in json.loads(answer.out)["findings"]}
    assert messages["namespace shop"].startswith("injection could not be tried: jane may not create pods")
    assert messages["namespace shop"].endswith("by the selectors of the webhooks it would get a proxy of 1-31")
