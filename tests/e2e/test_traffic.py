"""No request is lost while gateways come and go: counted with live traffic through real Envoys.

Both revisions are one Istio build, see the sandbox's README. The figures are printed; `pytest -s` shows them.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from gateways import SPACE, flowing, go_on, open_gateway, pods_of, reach
from harness import CANARY, STABLE, Cluster, eventually, sandbox
from pilotage_sandbox.tally import table

pytestmark = pytest.mark.e2e

_STEADY = 150.0  # requests a second at least, on a machine that does much else


@pytest.fixture(scope="module")
def mesh() -> Iterator[Cluster]:
    """A mesh on the stable revision whose gateway answers."""
    with sandbox("traffic") as made:
        open_gateway(made)
        yield made


def test_no_request_is_lost_by_start_rollback_complete_and_patch(mesh: Cluster) -> None:
    with flowing(mesh) as flow:
        for decision in ("rollback", "complete"):
            mesh.pilotage("upgrade", "start", "--revision", CANARY, "--version", "1.31.0").must()
            reach(flow, pods_of(mesh, STABLE) | pods_of(mesh, CANARY))
            go_on(flow)
            mesh.pilotage("upgrade", decision, "--yes").must()
        before = pods_of(mesh, CANARY)
        mesh.patch("servicemesh/default", {"spec": {"revisions": [{"name": CANARY, "version": "1.31.1"}]}})
        mesh.enable(CANARY).must()
        reach(flow, eventually("new pods only", lambda: _only_new(mesh, before)))
        go_on(flow)
        figures = flow.end()
    _show("start, rollback, start, complete, patch", figures)
    assert (figures["failed"], figures["streams_broken"]) == (0, 0), "\n".join(table(figures))
    assert figures["rate"] > _STEADY


def test_requests_are_lost_where_gateways_do_not_drain(mesh: Cluster) -> None:
    """The control: what the other test could have seen."""
    with flowing(mesh) as flow:
        pods = pods_of(mesh, CANARY)
        reach(flow, pods)
        words = ("-n", SPACE, "--grace-period=0", "--force")
        mesh.kubectl("delete", "pod", min(pods), *words).must()
        go_on(flow)
        figures = flow.end()
    _show("a gateway killed without draining", figures)
    assert figures["failed"] > 0
    assert figures["streams_broken"] > 0


def _only_new(mesh: Cluster, before: set[str]) -> set[str]:
    now = pods_of(mesh, CANARY)
    return set() if now & before else now


def _show(what: str, figures: dict[str, Any]) -> None:
    print(f"\n{what}\n" + "\n".join(table(figures)))
