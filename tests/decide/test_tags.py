"""Revision tags: set, moved, listed, removed, beside istioctl."""

from typing import Any

import pytest
from msgspec.structs import replace

from pilotage.decide.taglist import TagRow, list_tags
from pilotage.decide.tags import TagRequest, generate, remove_tag, repoint, set_tag, tags_of
from pilotage.domain.actions import Action, Apply, Delete
from pilotage.domain.errors import Refused, Retry
from pilotage.domain.istio import Requirement, Selector, WebhookConfig
from pilotage.domain.mesh import ProfileName
from pilotage.domain.objects import Obj
from pilotage.domain.profile import PROFILES
from pilotage.domain.state import Snapshot
from worlds import injector, namespace, revision, service, tag, world

REV, TAG = "istio.io/rev", "istio.io/tag"
TWO = (revision("asm-1-30"), revision("asm-1-31"))
SUFFIX = "sidecar-injector.istio.io"


def bodies(actions: tuple[Action, ...]) -> list[Obj]:
    return [action.body for action in actions if isinstance(action, Apply)]


def selectors(obj: Obj) -> dict[str, tuple[Any, Any]]:
    return {
        hook["name"].removesuffix(f".{SUFFIX}"): (terms(hook["namespaceSelector"]), terms(hook["objectSelector"]))
        for hook in obj["webhooks"]
    }


def terms(selector: Obj) -> set[str]:
    return {
        f"{line['key']} {line['operator']} {','.join(line.get('values', ()))}".strip()
        for line in selector["matchExpressions"]
    }


def clash() -> WebhookConfig:
    """An injector of another revision that already serves the name `prod`."""
    return replace(injector("prod"), labels={REV: "odd"})


def test_a_new_tag_is_a_webhook_configuration_and_a_service_with_istioctls_names_and_labels() -> None:
    webhook, svc = bodies(set_tag(world(*TWO), TagRequest("prod-stable", "asm-1-30")))
    assert webhook["metadata"]["name"] == "istio-revision-tag-prod-stable"
    assert (
        webhook["metadata"]["labels"].items()
        >= {REV: "asm-1-30", TAG: "prod-stable", "app": "sidecar-injector"}.items()
    )
    assert svc["metadata"]["name"] == "istiod-revision-tag-prod-stable"
    assert svc["metadata"]["namespace"] == "istio-system"
    assert svc["metadata"]["labels"].items() >= {REV: "asm-1-30", TAG: "prod-stable", "app": "istiod"}.items()
    assert svc["spec"]["selector"] == {"app": "istiod", REV: "asm-1-30"}
    assert [(port["port"], port.get("targetPort")) for port in svc["spec"]["ports"]] == [
        (15010, None),
        (15012, None),
        (443, 15017),
        (15014, None),
    ]


def test_a_tag_selects_namespaces_that_name_it_and_pods_that_name_it_where_their_namespace_does_not() -> None:
    webhook, _ = bodies(set_tag(world(*TWO), TagRequest("prod", "asm-1-30")))
    declined = "sidecar.istio.io/inject NotIn false"
    assert selectors(webhook) == {
        "rev.namespace": ({f"{REV} In prod", "istio-injection DoesNotExist"}, {declined}),
        "rev.object": ({f"{REV} DoesNotExist", "istio-injection DoesNotExist"}, {declined, f"{REV} In prod"}),
    }
    hook = webhook["webhooks"][0]
    assert (hook["failurePolicy"], hook["sideEffects"], hook["reinvocationPolicy"]) == ("Fail", "None", "Never")
    assert hook["clientConfig"]["caBundle"] == "Y2E="
    assert hook["clientConfig"]["service"]["name"] == "istiod-asm-1-30"


def test_one_apply_moves_service_bundle_and_label_together() -> None:
    here = world(*TWO, tag("prod", "asm-1-30"))
    webhook, svc = bodies(set_tag(here, TagRequest("prod", "asm-1-31", overwrite=True)))
    assert webhook["metadata"]["labels"][REV] == "asm-1-31"
    assert {hook["clientConfig"]["service"]["name"] for hook in webhook["webhooks"]} == {"istiod-asm-1-31"}
    assert all(hook["clientConfig"]["caBundle"] for hook in webhook["webhooks"])
    assert svc["spec"]["selector"][REV] == "asm-1-31"


def test_outside_istio_system_the_name_says_the_namespace() -> None:
    aks = PROFILES[ProfileName.AKS]
    here = world(revision("asm-1-30", mesh=aks.namespace), profile=aks)
    webhook, svc = bodies(set_tag(here, TagRequest("prod", "asm-1-30")))
    assert webhook["metadata"]["name"] == "istio-revision-tag-prod-aks-istio-system"
    assert svc["metadata"]["namespace"] == "aks-istio-system"


def test_marks_of_other_owners_are_not_copied_but_the_users_own_labels_are() -> None:
    marks = {
        "team": "mesh",
        "release": "istiod",
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/instance": "istiod",
        "helm.sh/chart": "istiod-1.30.0",
        "operator.istio.io/component": "Pilot",
        "install.operator.istio.io/owning-resource": "unknown",
        "argocd.argoproj.io/instance": "mesh",
        "pilotage.dev/managed": "true",
        "pilotage.dev/part": "asm-1-30",
    }
    own = injector("asm-1-30", labels=marks)
    own = replace(own, annotations={"meta.helm.sh/release-name": "istiod", "why": "ours"})
    webhook = generate(world(own, service("istiod-asm-1-30")), TagRequest("prod", "asm-1-30"))[0]
    labels = webhook["metadata"]["labels"]
    assert labels["team"] == "mesh"
    assert labels["app.kubernetes.io/managed-by"] == "pilotage"
    assert not set(labels) & (set(marks) - {"team", "app.kubernetes.io/managed-by"})
    assert webhook["metadata"]["annotations"] == {"why": "ours"}


@pytest.mark.parametrize(
    ("sentence", "things", "request_", "words"),
    [
        (
            "a tag may not take the name of a revision",
            TWO,
            TagRequest("asm-1-31", "asm-1-30"),
            'cannot create revision tag "asm-1-31": found existing control plane revision with same name',
        ),
        (
            "not even with --overwrite",
            TWO,
            TagRequest("asm-1-31", "asm-1-30", overwrite=True),
            "found existing control plane revision with same name",
        ),
        (
            "the revision must be there",
            TWO,
            TagRequest("prod", "asm-1-9"),
            'cannot find MutatingWebhookConfiguration or Service with revision "asm-1-9" (there: asm-1-30, asm-1-31)',
        ),
        (
            "a revision without webhooks cannot be tagged",
            (service("istiod-x", labels={REV: "x", "app": "istiod"}),),
            TagRequest("prod", "x"),
            'cannot find MutatingWebhookConfiguration with revision "x"',
        ),
        (
            "a revision installed twice is ambiguous",
            (*TWO, injector("asm-1-30", mesh="other")),
            TagRequest("prod", "asm-1-30"),
            'found multiple canonical webhooks or services with revision "asm-1-30"',
        ),
        (
            "a tag that is there is moved only on request",
            (*TWO, tag("prod", "asm-1-30")),
            TagRequest("prod", "asm-1-31"),
            'revision tag "prod" already exists, and --overwrite is false',
        ),
        ("a tag has a name", TWO, TagRequest("Prod_1", "asm-1-30"), '"Prod_1" is no name for a tag'),
        (
            "a name that another injector already serves would inject twice",
            (*TWO, clash()),
            TagRequest("prod", "asm-1-30"),
            "creating tag would conflict, pass --skip-confirmation to proceed",
        ),
    ],
)
def test_a_tag_is_refused_in_istioctls_words(
    sentence: str, things: tuple[Any, ...], request_: TagRequest, words: str
) -> None:
    with pytest.raises(Refused) as refused:
        set_tag(world(*things), request_)
    assert words in str(refused.value), sentence


def test_a_conflict_that_was_confirmed_is_written() -> None:
    here = world(*TWO, clash())
    assert set_tag(here, TagRequest("prod", "asm-1-30", skip_confirmation=True))


def test_an_empty_bundle_is_waited_for() -> None:
    with pytest.raises(Retry, match="has no caBundle yet"):
        set_tag(world(revision("asm-1-31", ca_bundle="")), TagRequest("prod", "asm-1-31"))


def test_a_tag_kept_by_helm_or_git_is_not_written() -> None:
    (config, svc) = tag("prod", "asm-1-30")
    raw = config.raw | {"metadata": config.raw["metadata"] | {"annotations": {"meta.helm.sh/release-name": "istiod"}}}
    here = world(*TWO, replace(config, raw=raw), svc)
    with pytest.raises(Refused, match="is kept by Helm") as refused:
        set_tag(here, TagRequest("prod", "asm-1-31", overwrite=True))
    assert "pilotage tag generate prod --revision asm-1-31 --overwrite" in refused.value.fix
    with pytest.raises(Refused, match="is kept by Helm"):
        remove_tag(here, "prod")
    assert repoint(here, "prod", "asm-1-31"), "at a forced removal nothing may point at what is gone"


def test_setting_a_tag_again_where_it_is_owned_and_already_right_is_no_matter() -> None:
    here = world(*TWO, tag("prod", "asm-1-30"))
    assert set_tag(here, TagRequest("prod", "asm-1-30", overwrite=True))


def test_the_default_tag_serves_istio_injection_and_has_a_validator_whose_failure_policy_is_istiods() -> None:
    actions = set_tag(world(*TWO), TagRequest("default", "asm-1-30"))
    webhook, created, held, _ = bodies(actions)
    assert set(selectors(webhook)) == {"rev.namespace", "rev.object", "namespace", "object"}
    assert selectors(webhook)["namespace"][0] == {"istio-injection In enabled"}
    assert selectors(webhook)["object"][1] == {"sidecar.istio.io/inject In true", f"{REV} DoesNotExist"}
    assert created["webhooks"][0]["failurePolicy"] == "Ignore"
    assert actions[1].manager == "pilotage-create"  # type: ignore[union-attr]
    assert held["metadata"]["name"] == "istiod-default-validator"
    assert "failurePolicy" not in held["webhooks"][0]
    assert terms(held["webhooks"][0]["objectSelector"]) == {f"{REV} DoesNotExist"}
    assert held["webhooks"][0]["clientConfig"]["service"]["path"] == "/validate"


def test_auto_injection_leaves_out_the_system_namespaces_and_moves_along_with_the_tag() -> None:
    first = bodies(set_tag(world(*TWO), TagRequest("default", "asm-1-30", auto_inject_namespaces=True)))[0]
    system = "kube-node-lease,kube-public,kube-system,local-path-storage"
    assert f"kubernetes.io/metadata.name NotIn {system}" in selectors(first)["auto"][0]
    config, svc = tag("default", "asm-1-30")
    auto = replace(config.webhooks[0], name=f"auto.{SUFFIX}", namespaces=Selector(), pods=Selector())
    here = world(*TWO, replace(config, webhooks=(*config.webhooks, auto)), svc)
    request = TagRequest("default", "asm-1-31", overwrite=True, skip_confirmation=True)
    moved = bodies(set_tag(here, request))[0]
    calls = {hook["name"].split(".")[0]: hook["clientConfig"]["service"]["name"] for hook in moved["webhooks"]}
    assert calls["auto"] == "istiod-asm-1-31"


def test_the_default_tag_takes_over_from_an_unnamed_installation_and_gives_back_when_removed() -> None:
    here = world(revision("default"), revision("asm-1-31"))
    taking, *_ = bodies(set_tag(here, TagRequest("default", "asm-1-31")))
    never = {"matchLabels": {"istio.io/deactivated": "never-match"}}
    assert taking["metadata"]["name"] == "istio-sidecar-injector"
    assert all(hook["namespaceSelector"] == hook["objectSelector"] == never for hook in taking["webhooks"])
    saved = taking["metadata"]["annotations"]
    after = world(revision("asm-1-31"), deactivated(saved), tag("default", "asm-1-31"))
    actions, _ = remove_tag(after, "default")
    (given_back,) = bodies(actions)
    assert selectors(given_back)["namespace"][0] == {"istio-injection In enabled"}
    assert "annotations" not in given_back["metadata"]


def test_an_injector_that_istioctl_deactivated_gets_the_selectors_of_its_chart() -> None:
    actions, _ = remove_tag(world(deactivated({}), tag("default", "asm-1-31")), "default")
    (given_back,) = bodies(actions)
    assert selectors(given_back)["object"][1] == {"sidecar.istio.io/inject In true", f"{REV} DoesNotExist"}


def deactivated(annotations: dict[str, str]) -> WebhookConfig:
    never = Selector((Requirement("istio.io/deactivated", "In", ("never-match",)),))
    config = injector("default")
    hooks = tuple(replace(hook, namespaces=never, pods=never) for hook in config.webhooks)
    return replace(config, webhooks=hooks, annotations=annotations)


def test_the_list_has_a_row_for_each_tag_and_one_for_each_revision_without() -> None:
    here = world(
        *TWO,
        revision("asm-1-32"),
        tag("prod-stable", "asm-1-30"),
        tag("prod-canary", "asm-1-31"),
        tag("a-first", "asm-1-31"),
        namespace("shop", rev="prod-stable"),
        namespace("bank", rev="prod-stable"),
        namespace("direct", rev="asm-1-30"),
        service("istio-ingressgateway", labels={REV: "asm-1-32", "app": "istio-ingressgateway"}),
    )
    assert list_tags(here) == (
        TagRow("prod-stable", "asm-1-30", ("bank", "shop")),
        TagRow("a-first", "asm-1-31", ()),
        TagRow("prod-canary", "asm-1-31", ()),
        TagRow("", "asm-1-32", ()),
    )
    assert list_tags(world()) == ()


def test_removal_deletes_webhooks_before_the_service_and_names_who_still_uses_the_tag() -> None:
    here = world(*TWO, tag("prod", "asm-1-30"), namespace("shop", rev="prod"), namespace("bank", rev="asm-1-30"))
    actions, still = remove_tag(here, "prod")
    assert [(action.ref.kind, action.ref.name) for action in actions if isinstance(action, Delete)] == [
        ("MutatingWebhookConfiguration", "istio-revision-tag-prod"),
        ("Service", "istiod-revision-tag-prod"),
    ]
    assert still == ("shop",)


def test_what_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(Refused, match='cannot remove tag "prod": cannot find MutatingWebhookConfiguration or Service'):
        remove_tag(world(*TWO), "prod")


def test_a_tag_is_known_by_its_labels_and_keeps_the_name_its_maker_gave_it() -> None:
    config, svc = tag("prod", "asm-1-30")
    here: Snapshot = world(*TWO, replace(config, name="made-by-hand"), svc)
    moved = bodies(set_tag(here, TagRequest("prod", "asm-1-31", overwrite=True)))[0]
    assert moved["metadata"]["name"] == "made-by-hand"
    renamed = set_tag(here, TagRequest("prod", "asm-1-31", overwrite=True, webhook_name="mine"))
    assert bodies(renamed)[0]["metadata"]["name"] == "mine"
    assert [action.ref.name for action in renamed if isinstance(action, Delete)] == ["made-by-hand"]


def test_generate_prints_the_objects_without_looking_at_names_or_conflicts() -> None:
    objects = generate(world(*TWO), TagRequest("default", "asm-1-30", webhook_name="mine"))
    assert [(each["kind"], each["metadata"]["name"]) for each in objects] == [
        ("MutatingWebhookConfiguration", "mine"),
        ("ValidatingWebhookConfiguration", "istiod-default-validator"),
        ("Service", "istiod-revision-tag-default"),
    ]


def test_a_tag_of_which_only_the_service_is_left_moves_that_service_alone() -> None:
    _, left = tag("prod", "asm-1-30")
    here = world(*TWO, left)
    assert tags_of(here, "asm-1-30") == ("prod",)
    [move] = repoint(here, "prod", "asm-1-31")
    assert (move.ref.kind, move.ref.name) == ("Service", "istiod-revision-tag-prod")
    assert move.body["metadata"]["labels"][REV] == "asm-1-31"  # type: ignore[union-attr]
    assert move.body["spec"]["selector"][REV] == "asm-1-31"  # type: ignore[union-attr]


def test_a_tag_that_istioctl_made_of_a_revision_of_ours_is_not_ours() -> None:
    labels = {"pilotage.dev/managed": "true", REV: "asm-1-30"}
    kind = "MutatingWebhookConfiguration"
    assert WebhookConfig(kind, "istio-sidecar-injector-asm-1-30", labels).ours
    assert not WebhookConfig(kind, "istio-revision-tag-prod", labels | {TAG: "prod"}).ours
