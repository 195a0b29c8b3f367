"""What traffic came to: counted while it flows, judged at its end. Called by `traffic`. Pure: times come in.

A request has failed where no complete answer came, or one that is not the backend's. A stream that breaks is broken by
its gateway, unless that was taken out of service at least the configured drain time before: then it was drained.
"""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

_CLOCK = 1.0  # seconds by which we may learn late of a gateway's end
_SHOWN = 20  # failures that are told one by one


@dataclass
class Tally:
    """`drain` in seconds; all times in seconds since the beginning of the traffic."""

    drain: float
    answers: Counter[str] = field(default_factory=Counter)  # by gateway pod
    failures: list[tuple[float, str]] = field(default_factory=list)
    breaks: list[tuple[float, str, str]] = field(default_factory=list)  # when, gateway, why
    leaving: dict[str, float] = field(default_factory=dict)  # gateway pod -> when it was first seen terminating
    connections: int = 0
    asked_to_close: int = 0  # connections that `Connection: close` or GOAWAY ended
    streams: int = 0  # opened, one after the other
    streams_whole: int = 0  # that lasted to their end
    slowest: float = 0.0
    elapsed: float = 0.0

    def answered(self, gateway: str, seconds: float) -> None:
        """A request was answered by the backend, through this gateway."""
        self.answers[gateway] += 1
        self.slowest = max(self.slowest, seconds)

    def left(self, gateway: str, at: float) -> None:
        """The gateway is terminating, or gone; the first time counts."""
        self.leaving.setdefault(gateway, at)

    def broken(self) -> list[str]:
        """Streams that no drain explains, each in words."""
        return [f"{at:.1f} s, {gateway or 'no gateway'}: {why}" for at, gateway, why in self._breaks(drained=False)]

    def report(self) -> dict[str, Any]:
        """The figures, as JSON would have them."""
        requests = self.answers.total() + len(self.failures)
        return {
            "seconds": round(self.elapsed, 1),
            "requests": requests,
            "rate": round(requests / self.elapsed, 1) if self.elapsed else 0.0,
            "failed": len(self.failures),
            "failures": [f"{at:.1f} s: {why}" for at, why in self.failures[:_SHOWN]],
            "slowest_ms": round(self.slowest * 1000),
            "answers": dict(self.answers),
            "connections": self.connections,
            "asked_to_close": self.asked_to_close,
            "streams": self.streams,
            "streams_whole": self.streams_whole,
            "streams_drained": len(self._breaks(drained=True)),
            "streams_broken": len(self.broken()),
            "breaks": self.broken()[:_SHOWN],
        }

    def _breaks(self, *, drained: bool) -> list[tuple[float, str, str]]:
        return [each for each in self.breaks if self._drained(each[0], each[1]) is drained]

    def _drained(self, at: float, gateway: str) -> bool:
        return gateway in self.leaving and at >= self.leaving[gateway] + self.drain - _CLOCK


@dataclass(frozen=True)
class Plan:
    """What flows, through which Service's load balancer; `drain` as configured for its gateways, in seconds."""

    namespace: str
    service: str
    port: int = 80
    rate: float = 300.0  # requests a second, over all connections
    connections: int = 50
    streams: int = 10
    stream_seconds: int = 30  # that each lasts, before the next
    drain: float = 0.0
    report: str = ""  # file that has the figures so far, once a second

    def as_dict(self) -> dict[str, Any]:
        """For another process."""
        return asdict(self)


def table(report: dict[str, Any]) -> list[str]:
    """The figures for a person, one a line."""
    answers = ", ".join(f"{gateway} {count}" for gateway, count in sorted(report["answers"].items()))
    return [
        f"requests         {report['requests']} in {report['seconds']} s, {report['rate']} a second",
        f"failed           {report['failed']}",
        *(f"                 {line}" for line in report["failures"]),
        f"answers through  {answers}",
        f"slowest answer   {report['slowest_ms']} ms",
        f"connections      {report['connections']}, {report['asked_to_close']} of them asked to close",
        f"streams          {report['streams']} opened, {report['streams_whole']} lasted to their end, "
        f"{report['streams_drained']} ended by the drain time, {report['streams_broken']} broken",
        *(f"                 {line}" for line in report["breaks"]),
    ]
