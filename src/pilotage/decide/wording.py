"""Turns of phrase that messages of many rules share. Called throughout `decide`, and by `render`."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def first_of(names: Sequence[object], most: int = 5) -> str:
    """`a, b and 3 more`: a message is for people, who can ask for the rest."""
    rest = len(names) - most
    return ", ".join(map(str, names[:most])) + (f" and {rest} more" if rest > 0 else "")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that is most like `name`; None if none is like it."""
    return next(iter(get_close_matches(name, list(known), n=1)), None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that says `name` is unknown; "" if nothing is like it."""
    near = nearest(name, known)
    return f"; did you mean {near}?" if near else ""
