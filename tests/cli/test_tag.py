"""`tag`, with istioctl's flags and messages."""

import io
import json
import re
import subprocess

import click
import pytest
import yaml
from stage import SetStage

from pilotage.faces.cli.main import cli
from pilotage_sandbox.assets import binary
from worlds import namespace, revision, tag, world

TWO = (revision("1-30"), revision("1-31"))
CREATED = (
    'Revision tag "prod" created, referencing control plane revision "1-31". To enable injection using this\n'
    "revision tag, use 'kubectl label namespace <NAMESPACE> istio.io/rev=prod'\n"
)


@pytest.mark.parametrize("words", [("-r", "1-31"), ("--revision", "1-31"), ("--revision=1-31", "-y")], ids=" ".join)
def test_set_says_what_istioctl_says(stage: SetStage, words: tuple[str, ...]) -> None:
    on = stage(world(*TWO))
    answer = on.pilotage("tag", "set", "prod", *words)
    assert (answer.code, answer.out) == (0, CREATED)
    assert {ref.name for _, ref in on.kube.written} == {"istio-revision-tag-prod", "istiod-revision-tag-prod"}


def test_global_flags_may_stand_anywhere(stage: SetStage) -> None:
    on = stage(world(*TWO))
    for words in (
        ("-i", "istio-system", "tag", "list"),
        ("tag", "-i", "istio-system", "list"),
        ("tag", "list", "--istioNamespace", "istio-system"),
    ):
        assert on.pilotage(*words).code == 0


@pytest.mark.parametrize("verb", ["set", "list", "remove", "generate"])
def test_every_flag_that_istioctl_prints_is_taken(verb: str) -> None:
    printed = subprocess.run([binary("istioctl"), "tag", verb, "--help"], capture_output=True, text=True, check=True)
    theirs = re.findall(r"(?m)^ +(?:(-\w), )?(--[\w-]+)( \w+)?  ", printed.stdout)
    command = cli.resolve_command(click.Context(cli), ["tag"])[1].get_command(click.Context(cli), verb)  # type: ignore
    ours = {name: option for option in command.params for name in option.opts} | {"-h": None, "--help": None}
    known = [(name, bool(value)) for short, long, value in theirs for name in (short, long) if name]
    assert ("--context", True) in known
    acting = {"--as", "--as-group", "--as-uid"}  # what decision 0002 refuses
    assert {name for name, _ in known} - acting <= set(ours)
    assert [name for name, value in known if ours.get(name) and value is ours[name].is_flag] == []


@pytest.mark.parametrize(
    "flags",
    [
        ("-n", "default", "--kubeclient-timeout", "20s", "--vklog=9"),
        ("--overwrite=true", "--skip-confirmation=false"),
        ("--overwrite=1", "-y"),
    ],
    ids=" ".join,
)
def test_a_script_that_called_istioctl_needs_no_other_change(stage: SetStage, flags: tuple[str, ...]) -> None:
    answer = stage(world(*TWO)).pilotage("tag", "set", "prod", "-r", "1-31", *flags)
    assert (answer.code, answer.out) == (0, CREATED)


def test_a_boolean_may_be_unset_as_go_writes_it(stage: SetStage) -> None:
    on = stage(world(*TWO, tag("prod", "1-30")))
    assert on.pilotage("tag", "set", "prod", "-r", "1-31", "--overwrite=false").code == 3
    assert on.pilotage("tag", "set", "prod", "-r", "1-31", "--overwrite=maybe").code == 2


def test_a_dry_run_writes_nothing_and_says_what_it_would(stage: SetStage) -> None:
    on = stage(world(*TWO))
    answer = on.pilotage("tag", "set", "prod", "-r", "1-31", "--dry-run")
    assert answer.code == 0
    assert on.kube.written == []
    assert "would apply MutatingWebhookConfiguration istio-revision-tag-prod" in answer.out


def test_an_existing_tag_is_not_moved_without_overwrite(stage: SetStage) -> None:
    on = stage(world(*TWO, tag("prod", "1-30")))
    answer = on.pilotage("tag", "set", "prod", "-r", "1-31")
    assert answer.code == 3
    assert 'Error: revision tag "prod" already exists, and --overwrite is false' in answer.err
    assert on.kube.written == []
    assert on.pilotage("tag", "set", "prod", "-r", "1-31", "--overwrite").out == CREATED


def test_an_unknown_revision_is_refused_as_json_too(stage: SetStage) -> None:
    on = stage(world(*TWO))
    answer = on.pilotage("tag", "set", "prod", "-r", "1-99")
    assert answer.code == 3
    assert 'cannot find MutatingWebhookConfiguration or Service with revision "1-99"' in answer.err


def test_an_empty_ca_bundle_is_waited_for_and_then_a_time_out(stage: SetStage) -> None:
    on = stage(world(revision("1-31", ca_bundle="")))
    answer = on.pilotage("tag", "set", "prod", "-r", "1-31", "--timeout", "0s")
    assert answer.code == 1
    assert "no caBundle yet" in answer.err
    assert on.kube.written == []


def test_list_is_what_istioctl_prints(stage: SetStage) -> None:
    on = stage(world(*TWO, tag("prod", "1-30"), namespace("shop", rev="prod"), namespace("cart", rev="prod")))
    assert on.pilotage("tag", "list").out == "TAG  REVISION NAMESPACES\nprod 1-30     cart,shop\n     1-31     \n"
    assert on.pilotage("tag", "show").out == on.pilotage("tag", "list").out
    rows = json.loads(on.pilotage("tag", "list", "-o", "json").out)
    assert rows[0] == {"tag": "prod", "revision": "1-30", "namespaces": ["cart", "shop"]}
    assert yaml.safe_load(on.pilotage("tag", "list", "-oyaml").out) == rows


def test_without_any_tag_list_says_so(stage: SetStage) -> None:
    assert stage(world()).pilotage("tag", "list").out == "No Istio revision tags found.\n"


def test_remove_of_a_tag_nobody_names_asks_nothing(stage: SetStage) -> None:
    answer = stage(world(*TWO, tag("prod", "1-30"))).pilotage("tag", "remove", "prod")
    assert (answer.code, answer.out) == (0, "Revision tag prod removed\n")


def test_remove_of_a_tag_that_injects_needs_an_answer_and_does_not_wait_for_one(
    stage: SetStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = stage(world(*TWO, tag("prod", "1-30"), namespace("shop", rev="prod")))
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    answer = on.pilotage("tag", "remove", "prod")
    assert answer.code == 3
    assert 'found 1 namespace(s) still injected by tag "prod": shop' in answer.err
    assert "--skip-confirmation" in answer.err
    assert on.kube.written == []
    assert on.pilotage("tag", "delete", "prod", "-y").code == 0


def test_generate_prints_objects_that_kubectl_can_apply(stage: SetStage) -> None:
    on = stage(world(*TWO))
    objects = list(yaml.safe_load_all(on.pilotage("tag", "generate", "prod", "-r", "1-31").out))
    assert {each["kind"] for each in objects} == {"MutatingWebhookConfiguration", "Service"}
    assert on.kube.written == []


def test_a_conflict_is_shown_and_asked_about(stage: SetStage, monkeypatch: pytest.MonkeyPatch) -> None:
    stray = tag("prod", "1-30")[0]
    del stray.labels["istio.io/tag"]
    on = stage(world(*TWO, stray))
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    answer = on.pilotage("tag", "set", "prod", "-r", "1-31")
    assert answer.code == 3
    assert "creating tag would conflict" in answer.err
    assert on.pilotage("tag", "set", "prod", "-r", "1-31", "-y").code == 0
