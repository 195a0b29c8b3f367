"""The pace of restarts: begin some, look, begin the next when one is done. Called by `restart`."""

import time
import uuid
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from pilotage.decide.dataplane import expected_revision, restart_action
from pilotage.decide.restart_state import Done, restart_state
from pilotage.domain.cluster import Workload
from pilotage.domain.errors import MeshError, Retry, Unreachable
from pilotage.domain.state import Snapshot
from pilotage.edge.apply import apply
from pilotage.edge.proof import Trial, settles
from pilotage.faces.cli.session import Session
from pilotage.faces.render.progress import Progress
from pilotage.faces.render.table import counted

PARTS: Final = frozenset({"pods", "workloads", "namespaces", "injectors"})
_LOOK = 0.5  # seconds between looks
_SETTLES = 5.0  # seconds until an API server's admission has surely learnt of what was written a moment ago


class Pace(NamedTuple):
    """`timeout` in seconds for one workload; with `wait` false all are begun and none is waited for."""

    parallel: int
    timeout: float
    wait: bool


class Outcome(NamedTuple):
    """`stuck`: (workload, cause) of those not done in time. `left`: not begun."""

    done: tuple[Workload, ...]
    stuck: tuple[tuple[Workload, str], ...]
    left: tuple[Workload, ...]


class _Running(msgspec.Struct):
    workload: Workload
    expected: str | None
    deadline: float
    token: str
    again: bool = False
    cause: str = "begun"


class Restarts:
    """One run. Its token marks each template once: a workload is not restarted twice by the same run.

    But it is where new pods have another proxy than a dry run gets: an API server's admission learns of a label or a
    tag after it was written, each of several by itself, and a pod that is made before that stays as it is.
    """

    def __init__(self, session: Session, pace: Pace, progress: Progress) -> None:
        self.session, self.pace, self.progress = session, pace, progress
        self.token = uuid.uuid4().hex[:12]
        self._patience = _SETTLES

    def run(self, snapshot: Snapshot, workloads: Sequence[Workload]) -> Outcome:
        """Until all are done, or one is stuck: then those that run are seen to their end, and no other is begun."""
        queue, running = deque(workloads), list[_Running]()
        done: list[Workload] = []
        stuck: list[tuple[Workload, str]] = []
        while running or (queue and not stuck):
            while queue and not stuck and (len(running) < self.pace.parallel or not self.pace.wait):
                running.append(self._begin(snapshot, queue.popleft()))
            if not self.pace.wait:
                return Outcome(tuple(each.workload for each in running), (), ())
            time.sleep(_LOOK)
            try:
                snapshot = self.session.snapshot(PARTS)
            except (Retry, Unreachable) as silent:
                self._bear(running, silent)
                continue
            running = self._look(snapshot, running, done, stuck)
            self._show(running, len(done), len(workloads))
        return Outcome(tuple(done), tuple(stuck), tuple(queue))

    def _bear(self, running: Sequence[_Running], silent: MeshError) -> None:
        """An API server that is away for a while ends no restart; past the last deadline it does."""
        if running and time.monotonic() > max(each.deadline for each in running):
            raise silent
        self.progress.show([f"the API server does not answer, looking again: {silent}"])

    def _begin(self, snapshot: Snapshot, workload: Workload) -> _Running:
        expected = expected_revision(snapshot, workload)
        self._settles(workload, expected)
        apply(self.session.kube, restart_action(workload, self.token))
        return _Running(workload, expected, time.monotonic() + self.pace.timeout, self.token)

    def _settles(self, workload: Workload, expected: str | None) -> bool | None:
        """Awaits that a new pod gets what is expected. What differs for good is not awaited for each workload."""
        trial = Trial(workload.namespace, workload.labels, expected or "")
        answer = settles(self.session.kube, trial, self._patience)
        self._patience = 0.0 if answer is False else self._patience
        return answer

    def _once_more(self, running: _Running) -> None:
        """If a new pod would be what those that were made are not."""
        running.again = True
        if self._settles(running.workload, running.expected):
            self.progress.say(
                f"{_name(running.workload)}: {running.cause}: made before the API server knew, and so once more"
            )
            running.token = f"{self.token}-again"
            apply(self.session.kube, restart_action(running.workload, running.token))

    def _look(
        self, snapshot: Snapshot, running: list[_Running], done: list[Workload], stuck: list[tuple[Workload, str]]
    ) -> list[_Running]:
        """Those that still run; the others go to `done` or `stuck`."""
        still = []
        for each in running:
            workload = each.workload
            key, name = (workload.kind, workload.namespace, workload.name), _name(workload)
            state = restart_state(snapshot, key, each.expected, each.token)
            if isinstance(state, Done):
                done.append(workload)
                self.progress.say(f"{name}: {counted(state.pods, 'pod')} Ready, {_with(each.expected)}")
            elif time.monotonic() > each.deadline:
                stuck.append((workload, state.cause))
            else:
                each.cause = state.cause
                still.append(each)
                if state.strange and not each.again:
                    self._once_more(each)
        return still

    def _show(self, running: Sequence[_Running], done: int, total: int) -> None:
        self.progress.show([f"{done} of {total} done", *(f"{_name(each.workload)}: {each.cause}" for each in running)])


def _name(workload: Workload) -> str:
    return f"{workload.kind} {workload.namespace}/{workload.name}"


def _with(revision: str | None) -> str:
    return f"with a proxy of {revision}" if revision else "without a proxy"
