"""Who is told of every exchange with the API server. Called by `transport` and `watch`, from many threads."""


class Observer:
    """Says nothing itself: the operator's, which counts, is one of these. Must not raise, and must be quick."""

    def answered(self, verb: str, code: int, seconds: float) -> None:
        """One attempt of a request: the status of its answer, 0 where none came, after `seconds`."""

    def watch_restarted(self, reason: str) -> None:
        """A watch lost its place, and lists anew. `reason`: `expired` or `broken`."""
