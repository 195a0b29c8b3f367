"""Who acts next: the user (`Refused`), the world (`Retry`), or nobody (`Unreachable`). Faces map each once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pilotage.domain.findings import Finding


class MeshError(Exception):
    """Base of every error a face shows as text, never as a traceback."""


class Refused(MeshError):
    """The user must change something first. Carries every finding, not the first."""

    def __init__(self, message: str, *, fix: str = "", findings: "Sequence[Finding]" = ()) -> None:
        super().__init__(message)
        self.fix = fix
        self.findings = tuple(findings)


class Retry(MeshError):
    """The world must change first (429, a conflict, an object not there yet); `after` in seconds."""

    def __init__(self, message: str, *, after: float = 1.0) -> None:
        super().__init__(message)
        self.after = after


class NoCharts(Retry):
    """The registry of Istio's charts does not answer, or cannot serve now. The message says what to check."""


class TimedOut(MeshError):
    """A wait ended before the world got there; the message names the stuck object and its cause."""


class Unreachable(MeshError):
    """No API server answers, or not within its deadline."""


class NoCluster(MeshError):
    """No kubeconfig, or no such context in it."""


class Denied(Refused):
    """The API server said 403: the caller may not do this. Whoever it does not know (401) is only Refused."""
