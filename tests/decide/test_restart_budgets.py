"""Restarts of applications stay within PodDisruptionBudgets, which rollouts themselves do not ask."""

from typing import Any

import pytest

from pilotage.decide.budget import below_any
from pilotage.domain.cluster import Budget, Pod, Workload
from pilotage.domain.istio import Requirement, Selector

WEB = Selector((Requirement("app", "In", ("web",)),))


def pods(count: int, unready: int = 0, **labels: str) -> list[Pod]:
    marks = {"app": "web"} | labels
    return [Pod("shop", f"web-{at}", ready=at >= unready, labels=marks) for at in range(count)]


def web(missing: int) -> Workload:
    return Workload("Deployment", "shop", "web", labels={"app": "web"}, missing=missing)


def budget(selector: Selector = WEB, **spec: Any) -> Budget:
    return Budget(spec.pop("space", "shop"), "keep", selector, **spec)


@pytest.mark.parametrize(
    ("missing", "there", "kept", "held"),
    [
        (1, pods(2), budget(least=2), True),
        (1, pods(2), budget(least=1), False),
        (1, pods(4, unready=1), budget(most=1), True),
        (1, pods(4), budget(most="25%"), False),
        (2, pods(4), budget(most="25%"), True),
        (1, pods(3), budget(least="67%"), True),
        (0, pods(2), budget(least="100%"), False),
        (0, pods(2, unready=1), budget(least=2), False),
        (1, pods(2), budget(Selector(), least=2), True),
        (1, pods(2), budget(Selector((Requirement("app", "In", ("other",)),)), least=2), False),
        (1, pods(2), budget(space="elsewhere", least=2), False),
        (1, [*pods(2), *pods(2, tier="other")], budget(least=3), False),
        (1, [*pods(2), Pod("shop", "old", deleting=True, labels={"app": "web"})], budget(most=1), False),
    ],
    ids=[
        "it may take one of two, and two are asked for",
        "it may take one of two, and one is asked for",
        "one is gone already",
        "a quarter of four may be gone",
        "it may take two where one may be gone",
        "a share is rounded up",
        "it adds a pod before it takes one",
        "it takes none, and one is not Ready anyway",
        "an empty selector is for all pods",
        "the budget is of others",
        "the budget is of another namespace",
        "the budget is of pods of two workloads",
        "a pod that is being deleted counts for nothing",
    ],
)
def test_a_restart_is_held_where(missing: int, there: list[Pod], kept: Budget, held: bool) -> None:
    assert bool(below_any(web(missing), there, [kept])) is held


def test_who_is_held_is_told_what_for() -> None:
    words = "a restart may take away 1 of 2 Ready pods, and PodDisruptionBudget keep asks for 2"
    assert below_any(web(1), pods(2), [budget(least=2)]) == words
