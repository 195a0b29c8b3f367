"""The roles: from calls in an audit log to rules, compared both ways. tests/e2e/test_rights.py tries them."""

import json
from typing import Any

import pytest
from tools.rbac.calls import Call, seen_in
from tools.rbac.check import faults
from tools.rbac.files import load_granted, load_seen, rules_for
from tools.rbac.rules import Rule, rules_of
from tools.rbac.verbs import ROLE_OF, Role, held_by, verb_of

from pilotage.domain.roles import ROLES, Right, role_with
from pilotage.faces.cli.main import SECTIONS

USER = "system:serviceaccount:pilotage-system:tag-set"
PODS = {"resource": "pods", "namespace": "shop"}
MESHES = {"resource": "servicemeshes", "apiGroup": "pilotage.dev", "name": "default"}
CRDS = {
    "resource": "customresourcedefinitions",
    "apiGroup": "apiextensions.k8s.io",
    "name": "gateways.networking.istio.io",
}


def event(verb: str, what: dict[str, str], user: str = USER, agent: str = "pilotage", code: int = 200) -> str:
    """One line of an audit log."""
    answer: dict[str, Any] = {"verb": verb, "user": {"username": user}, "userAgent": agent, "objectRef": what}
    return json.dumps(answer | {"responseStatus": {"code": code}})


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (event("list", PODS), {"list pods"}),
        (event("list", PODS, code=403), {"list pods"}),
        (event("get", PODS | {"name": "web-1"}), {"get pods"}),
        (event("get", MESHES), {"get servicemeshes.pilotage.dev default"}),
        (event("list", MESHES), {"list servicemeshes.pilotage.dev"}),
        (event("patch", MESHES | {"subresource": "status"}), {"patch servicemeshes.pilotage.dev/status default"}),
        (event("get", PODS | {"subresource": "portforward"}), {"get pods/portforward", "create pods/portforward"}),
        (event("patch", PODS), {"patch pods"}),
        (event("patch", PODS, code=201), {"patch pods", "create pods"}),
        (event("create", {"resource": "selfsubjectaccessreviews", "apiGroup": "authorization.k8s.io"}), set()),
        (event("list", PODS, agent="kubectl/v1.36.3"), set()),
        (event("list", PODS, user="kubernetes-admin"), set()),
        (event("list", PODS, user="system:serviceaccount:pilotage-system:viewer"), set()),
    ],
)
def test_a_line_of_the_audit_log_tells_what_a_verb_asked(line: str, found: set[str]) -> None:
    assert {str(call) for calls in seen_in([line]).values() for call in calls} == found


def test_the_operator_of_the_chart_is_seen_as_the_verb() -> None:
    assert set(seen_in([event("watch", PODS, user="system:serviceaccount:pilotage-system:pilotage")])) == {"operator"}


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        ("status -o json", "status"),
        ("tag set prod -r asm-1-31", "tag set"),
        ("-i other tag show", "tag list"),
        ("--kubeconfig status.yaml upgrade start --revision check", "upgrade start"),
        ("nonsense", ""),
    ],
)
def test_the_verb_of_a_command_line_is_found(words: str, verb: str) -> None:
    assert verb_of(words.split()) == verb


def test_every_verb_has_a_role() -> None:
    assert {verb.path for section in SECTIONS for verb in section.verbs} == set(ROLE_OF)


def test_a_rule_is_for_the_names_that_were_seen_and_for_all_where_none_can_be() -> None:
    rules = rules_of([Call("patch", "crds.x", "a"), Call("patch", "crds.x", "b"), Call("list", "crds.x")])
    assert rules == (Rule(("x",), ("crds",), (), ("list",)), Rule(("x",), ("crds",), ("a", "b"), ("patch",)))


def test_the_committed_roles_and_calls_agree_both_ways() -> None:
    assert not list(faults(load_seen()))


def test_a_call_beyond_a_verbs_role_is_a_fault() -> None:
    seen = load_seen()
    (fault,) = faults(seen | {"status": [*seen["status"], Call("delete", "pods")]})
    assert fault == "status asks for `delete pods`, and role viewer does not allow it"


def test_a_secret_that_is_asked_for_is_a_fault_although_full_may() -> None:
    seen = load_seen()
    (fault,) = faults(seen | {"enable": [*seen["enable"], Call("list", "secrets")]})
    assert "enable asks for `list secrets`" in fault


def test_a_rule_that_no_verb_uses_is_a_fault() -> None:
    without = {verb: [call for call in calls if str(call) != "list nodes"] for verb, calls in load_seen().items()}
    assert "role viewer may list nodes, and no verb was seen to" in list(faults(without))


@pytest.mark.parametrize("role", Role)
def test_what_a_role_holds_by_itself_has_no_wildcard_no_secret_and_no_way_up(role: Role) -> None:
    own = [rule for rule, _ in rules_for(role) if rule not in load_granted()]
    held = {word for rule in own for words in (rule.groups, rule.resources, rule.verbs) for word in words}
    assert not held & {"*", "secrets", "escalate", "bind", "impersonate", "serviceaccounts/token", "pods/exec"}


@pytest.mark.parametrize("role", Role)
def test_a_role_has_what_the_smaller_ones_have(role: Role) -> None:
    own = [rule for rule, _ in rules_for(role)]
    for smaller in held_by(role):
        for rule, _ in rules_for(smaller):
            assert any(set(rule.verbs) <= set(each.verbs) and rule[:3] == each[:3] for each in own), rule


@pytest.mark.parametrize(
    ("right", "role"),
    [
        (Right("list", "", "pods", "shop"), ROLES[0]),
        (Right("patch", "apps", "deployments"), ROLES[1]),
        (Right("delete", "apps", "deployments"), ROLES[2]),
        (Right("patch", "pilotage.dev", "servicemeshes/status"), ROLES[2]),
        (Right("list", "security.istio.io", "anything"), ROLES[2]),
        (Right("bind", "rbac.authorization.k8s.io", "clusterroles"), ""),
    ],
)
def test_the_smallest_role_with_a_right_is_named(right: Right, role: str) -> None:
    assert role_with(right) == role
