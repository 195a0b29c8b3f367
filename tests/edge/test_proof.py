"""Injection on trial, and permissions asked ahead."""

from pathlib import Path
from typing import Any

import pytest
from loopback_api import Asked, Reply, serving, status

from pilotage.domain.findings import Finding
from pilotage.domain.roles import Right
from pilotage.edge.permissions import missing_permissions
from pilotage.edge.proof import Trial, injection_proof, selecting

IMAGE = "example/proxyv2:1.31.0"
PROXY = {"name": "istio-proxy", "image": IMAGE}


def pod(revision: str, **spec: Any) -> Reply:
    return Reply({"metadata": {"annotations": {"istio.io/rev": revision}}, "spec": spec})


def proof(folder: Path, answer: Reply) -> Finding | None:
    with serving(lambda _: answer) as api:
        return injection_proof(api.connect(folder), Trial("mesh", selecting("asm-1-31"), "asm-1-31", IMAGE))


@pytest.mark.parametrize("where", ["containers", "initContainers"])
def test_a_pod_that_gets_the_proxy_of_the_revision_proves_it(tmp_path: Path, where: str) -> None:
    assert proof(tmp_path, pod("asm-1-31", **{"containers": [], where: [PROXY]})) is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (pod("asm-1-30", containers=[PROXY]), "got the proxy of asm-1-30"),
        (pod("asm-1-31", containers=[{**PROXY, "image": "example/other:1"}]), "image example/other:1 instead of"),
        (pod("asm-1-31", containers=[{"name": "probe"}]), "got no proxy"),
        (status(500, "InternalError", "failed calling webhook: no endpoints"), "no endpoints"),
    ],
)
def test_anything_else_is_told_as_it_came(tmp_path: Path, answer: Reply, words: str) -> None:
    finding = proof(tmp_path, answer)
    assert finding is not None
    assert finding.code == "InjectionNotProven"
    assert words in finding.message


def test_a_pod_that_may_not_be_created_proves_nothing_either_way(tmp_path: Path) -> None:
    finding = proof(tmp_path, status(403, "Forbidden", "pods is forbidden: exceeded quota: small"))
    assert finding is not None
    assert finding.code == "HealthUnknown"
    assert "exceeded quota: small" in finding.message


def test_nothing_is_created_for_good(tmp_path: Path) -> None:
    asked: list[Asked] = []

    def respond(one: Asked) -> Reply:
        asked.append(one)
        return pod("asm-1-31", containers=[PROXY])

    with serving(respond) as api:
        injection_proof(api.connect(tmp_path), Trial("mesh", {}, "asm-1-31"))
    assert [(one.method, one.query["dryRun"]) for one in asked] == [("POST", "All")]


def test_permissions_that_are_missing_are_named_in_the_order_asked(tmp_path: Path) -> None:
    needs = [Right("list", "", "pods"), Right("patch", "apps", "deployments", "shop"), Right("get", "", "nodes")]

    def respond(asked: Asked) -> Reply:
        return Reply({"status": {"allowed": asked.json["spec"]["resourceAttributes"]["resource"] == "pods"}}, 201)

    with serving(respond) as api:
        missing = missing_permissions(api.connect(tmp_path), [*needs, needs[2]])
    assert missing == (needs[1], needs[2])
