"""Writes in orders of chance, by several managers, to both servers at once: answers and outcomes are the same."""

import itertools
from typing import Any, NamedTuple

import pytest
from client import Answer, Both, Obj, Server, held, told
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.e2e

_NAMES = itertools.count()
VALUES = st.sampled_from(["1", "2"])


class Step(NamedTuple):
    verb: str
    manager: str
    wish: Obj
    force: bool

    def write(self, server: Server, name: str) -> Answer:
        obj = {**job(), **self.wish, "metadata": {**self.wish.get("metadata", {}), "name": name}}
        if self.verb == "patch":
            return server.patch(obj, self.wish, fieldManager=self.manager)
        if self.verb == "replace":
            return server.replace(obj, fieldManager=self.manager)
        return server.apply(obj, self.manager, **({"force": True} if self.force else {}))


def job(*containers: Obj, **spec: Any) -> Obj:
    """Suspended, so that no controller writes to it."""
    pod = {"restartPolicy": "Never", "containers": list(containers) or [{"name": "app", "image": "example/app:1"}]}
    template = {"metadata": {"labels": {"app": "order"}}, "spec": {"template": {"spec": pod}}}
    fields = {"schedule": "0 0 * * *", "suspend": True, "jobTemplate": template} | spec
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "order"}, "spec": fields}


def some(names: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(list(names)), unique=True)


@st.composite
def wishes(draw: Any) -> Obj:
    """A CronJob as a manager may want it: some fields or others, in one order or another."""
    app: Obj = {"name": "app", "image": "example/app:1"}
    app["env"] = [{"name": name, "value": draw(VALUES)} for name in draw(some("ABC"))]
    if draw(st.booleans()):
        app["args"] = draw(st.lists(VALUES, max_size=2))
    if draw(st.booleans()):
        app["ports"] = [{"containerPort": 80 + at} for at in range(draw(st.integers(0, 2)))]
    containers = [app]
    if draw(st.booleans()):
        containers.insert(draw(st.integers(0, 1)), {"name": "proxy", "image": f"example/proxy:{draw(VALUES)}"})
    obj = job(*containers)
    obj["metadata"]["labels"] = {name: draw(VALUES) for name in draw(some("ab"))}
    if draw(st.booleans()):
        obj["spec"]["startingDeadlineSeconds"] = draw(st.integers(20, 22))
    if draw(st.booleans()):
        obj["spec"]["failedJobsHistoryLimit"] = draw(st.integers(1, 3))
    return obj


PATCHES = st.sampled_from(
    [
        {"metadata": {"labels": {"a": "3"}}},
        {"metadata": {"labels": {"a": None}}},
        {"metadata": {"labels": None}},
        {"metadata": {"annotations": {"c": "1"}}},
        {"spec": {"failedJobsHistoryLimit": 3}},
        {"spec": {"failedJobsHistoryLimit": None}},
        {"spec": {"startingDeadlineSeconds": None}},
        {"spec": {"jobTemplate": {"metadata": {"labels": {"a": "1"}}}}},
    ]
)
MANAGERS = st.sampled_from(["alice", "bob"])
STEPS = st.one_of(
    st.builds(Step, st.just("apply"), MANAGERS, wishes(), st.booleans()),
    st.builds(Step, st.just("patch"), MANAGERS, PATCHES, st.just(False)),
    st.builds(Step, st.just("replace"), MANAGERS, wishes(), st.just(False)),
)


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(steps=st.lists(STEPS, min_size=2, max_size=7))
def test_writes_of_several_managers_end_alike(both: Both, steps: list[Step]) -> None:
    end_alike(both, steps)


def end_alike(both: Both, steps: list[Step]) -> None:
    name = f"order-{next(_NAMES)}"
    known = {**job(), "metadata": {"name": name}}
    before = [server.create(known, fieldManager="carol").must(201).version for server in both]
    for step in steps:
        memory, real = (step.write(server, name) for server in both)
        assert (memory.said, memory.causes) == (real.said, real.causes)
        seen = [server.get(known).must() for server in both]
        assert told(seen[0].body) == told(seen[1].body)
        assert held(seen[0].body) == held(seen[1].body)
        after = [answer.version for answer in seen]
        memory_moved, real_moved = (now != then for now, then in zip(after, before, strict=True))
        assert memory_moved == real_moved
        before = after
