"""What a person who typed an unknown name may have meant. Called by `dataplane`, `labels`, `meshfields`."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that is most like `name`; None if none is like it."""
    return next(iter(get_close_matches(name, list(known), n=1)), None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that says `name` is unknown; "" if nothing is like it."""
    near = nearest(name, known)
    return f"; did you mean {near}?" if near else ""
