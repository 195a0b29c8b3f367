"""The one whom the loop tells what it does: becomes log lines, metrics and the pulse. Called by `loop` and `survey`."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pilotage.decide.gauges import Gauge, of_plan, of_status
from pilotage.domain.actions import Action, Apply, Plan
from pilotage.domain.errors import MeshError, Refused, Retry, Unreachable
from pilotage.domain.names import PART
from pilotage.domain.objects import labels_of
from pilotage.edge.holder import describe
from pilotage.edge.observer import Observer
from pilotage.faces.operator.logs import Level, Log
from pilotage.faces.operator.metrics import Metrics
from pilotage.faces.operator.pulse import Pulse
from pilotage.reconcile import Reconciler

_QUIET = 60.0  # seconds for which the same failure is not said again
_RESULTS: tuple[tuple[type[MeshError], str], ...] = (
    (Refused, "refused"),
    (Retry, "retry"),
    (Unreachable, "unreachable"),
)


class Exchanges(Observer):
    """Counts what is asked of the API server."""

    def __init__(self, metrics: Metrics, pulse: Pulse) -> None:
        self._metrics, self._pulse = metrics, pulse

    def answered(self, verb: str, code: int, seconds: float) -> None:
        self._pulse.heard(code)
        if threading.current_thread() is threading.main_thread():
            self._pulse.turn()  # who stands by does no more than ask for the Lease
        self._metrics.requests.labels(verb, str(code or "none")).inc()
        self._metrics.request_seconds.labels(verb).observe(seconds)

    def watch_restarted(self, reason: str) -> None:
        self._metrics.watch_restarts.labels(reason).inc()


class Report:
    """Nothing is said twice in a row: at rest there is no line."""

    def __init__(self, log: Log, metrics: Metrics, pulse: Pulse) -> None:
        self.log, self.metrics, self.pulse = log, metrics, pulse
        self._said: tuple[str, ...] = ()
        self._failed: tuple[str, float] = ("", 0.0)

    def turn(self) -> None:
        """Something begins."""
        self.pulse.turn()

    def idle(self, event: str, **facts: str) -> None:
        """What the process waits for: no ServiceMesh yet, or another one leads."""
        self._once(event, **facts)

    def stands_by(self, holder: str) -> None:
        """Another one leads."""
        self.idle("stands by", holder=describe(holder))

    def follows(self, collection: str, cause: str) -> None:
        """A collection cannot be followed because of `cause`; with "", it is followed again."""
        level = Level.WARNING if cause else Level.INFO
        self.log.say("cannot follow" if cause else "follows again", level, collection=collection, why=cause)

    @contextmanager
    def leading(self, identity: str) -> Iterator[None]:
        """While the Lease is held."""
        self._once("leads", identity=identity)
        self.metrics.leader.set(1)
        try:
            yield
        finally:
            self.metrics.leader.set(0)
            self.metrics.forget()

    def step(self, loop: Reconciler) -> Plan:
        """One step of the loop, and all that is told of it. Raises what the step raises."""
        self.turn()
        began = time.monotonic()
        try:
            made = loop.step(self.wrote)
        except MeshError as error:
            result = next((name for kind, name in _RESULTS if isinstance(error, kind)), "error")
            self.metrics.reconciles.labels(result).inc()
            raise
        finally:
            self.metrics.reconcile_seconds.observe(time.monotonic() - began)
            self.metrics.tell("status", of_status(loop.status, loop.clock()))
        self.metrics.reconciles.labels("success").inc()
        self.metrics.stepped()
        looked = loop.looked
        self.metrics.tell("plan", of_plan(made, looked.desired.revisions, looked.snapshot) if looked else ())
        self._once("looked", phase=made.phase, waits="; ".join(f"{wait.subject}: {wait.cause}" for wait in made.waits))
        return made

    def wrote(self, action: Action) -> None:
        self.turn()
        self.metrics.writes.labels(type(action).__name__.lower(), "success").inc()
        revision = labels_of(action.body).get(PART, "") if isinstance(action, Apply) else ""
        facts = {"object": str(action.ref), "revision": revision, "why": action.why}
        self.log.say("wrote", action=type(action).__name__, **facts)

    def not_written(self, action: Action, error: MeshError) -> None:
        """The step ends here; its error is said by who called it."""
        result = "retry" if isinstance(error, Retry) else "error"
        self.metrics.writes.labels(type(action).__name__.lower(), result).inc()

    def surveyed(self, gauges: Iterable[Gauge]) -> None:
        self.metrics.tell("survey", gauges)
        self.metrics.surveyed()

    def failed(self, event: str, error: MeshError) -> None:
        """The same failure is said once a minute."""
        words, now = f"{event} {error}", time.monotonic()
        before, said = self._failed
        if words != before or now - said >= _QUIET:
            self._failed, self._said = (words, now), ()
            self.log.fail(event, error)

    def _once(self, event: str, **facts: str) -> None:
        words = (event, *facts.values())
        if words != self._said:
            self._said, self._failed = words, ("", 0.0)
            self.log.say(event, **facts)
