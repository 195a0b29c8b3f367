"""Waiting: look again while the world must change first, up to a limit. Used by verbs."""

import time
from collections.abc import Callable
from typing import TypeVar

from msgspec import structs

from pilotage.domain.actions import Plan, Wait
from pilotage.domain.errors import Retry, TimedOut, Unreachable
from pilotage.reconcile import PAUSE, Reconciler, pause_after

Found = TypeVar("Found")
_SHARE, _LONGEST = 2.0, 1.0  # pauses take twice as long as looks, but no more seconds: each costs the API server, too
_STARTS, _AGAIN = 15.0, 1.0  # seconds until an istiod is Ready, or will not be so soon; between two looks
_FAULT = 1.0  # seconds until an API server that did not answer is asked again


def until_ready(look: Callable[[], Found], timeout: float) -> Found:
    """What `look` returns once the world lets it. Raises TimedOut with the last cause after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        try:
            return look()
        except (Retry, Unreachable) as cause:
            left = end - time.monotonic()
            if left <= 0:
                raise TimedOut(f"gave up after {timeout:g}s: {cause}") from cause
            time.sleep(min(cause.after if isinstance(cause, Retry) else _FAULT, left))


def once_started(look: Callable[[], Found], starting: Callable[[Found], bool]) -> Found:
    """What `look` returns; looks again for a while as long as an istiod is silent that was only just `starting`.

    An autoscaler starts one when it wants to, as a quarter of a minute after an upgrade began.
    """
    end = time.monotonic() + _STARTS
    while starting(found := look()) and time.monotonic() < end:
        time.sleep(_AGAIN)
    return found


def _stuck(reconciler: Reconciler, made: Plan) -> str:
    if reconciler.contested and made.now:
        return f"{made.now[0].ref}: somebody else puts it back after every write"
    waits = [f"{wait.subject}: {wait.cause}" for wait in made.waits]
    written = [f"{made.now[0].ref} to be seen as written"] if made.now else []
    return "; ".join([*waits, *written]) or made.phase


def run_until(
    reconciler: Reconciler,
    reached: Callable[[Plan], bool],
    *,
    timeout: float,
    watch: Callable[[Plan], None],
) -> Plan:
    """Steps until `reached`, through faults of the API server, which `watch` is told as waits.

    Raises TimedOut after `timeout` seconds, naming what is stuck and why; the state stays.
    """
    deadline = time.monotonic() + timeout
    made = Plan("Starting")
    while True:
        started = time.monotonic()
        try:
            made = reconciler.step()
            watch(made)
            if reached(made):
                return made
            looked = time.monotonic() - started
            pause = pause_after(reconciler, made, min(max(PAUSE, looked * _SHARE), _LONGEST))
        except (Retry, Unreachable) as fault:
            pause = fault.after if isinstance(fault, Retry) else _FAULT
            stuck = str(fault)
            subject = "the API server" if isinstance(fault, Unreachable) else "the next attempt"
            watch(structs.replace(made, now=(), waits=(Wait(subject, stuck),)))
        else:
            stuck = _stuck(reconciler, made)
        left = made.left(reconciler.clock()) if made.waits else 0.0
        if time.monotonic() + max(pause, left) > deadline:
            raise TimedOut(f"not there within {timeout:g} s. Waiting for {stuck}")
        time.sleep(pause)
