"""Label selectors as typed, checked before a cluster is asked. Called by verbs that take `-l`."""

import re
from collections.abc import Callable
from typing import Any, Final

import click

# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
_NAME: Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_WORD: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_DOMAIN: Final = rf"{_WORD}(?:\.{_WORD})*"
_KEY: Final = rf"(?:{_DOMAIN}/)?{_NAME}"
_VALUE: Final = rf"(?:{_NAME})?"
_SET: Final = rf"\s+(?:not)?in\s*\(\s*{_VALUE}\s*(?:,\s*{_VALUE}\s*)*\)"
_REST: Final = rf"\s*(?:={{1,2}}|!=)\s*{_VALUE}|{_SET}|\s*[<>]\s*\d+"
_REQUIREMENT: Final = rf"\s*(?:!\s*{_KEY}|{_KEY}(?:{_REST})?)\s*"
_SELECTOR: Final = re.compile(rf"{_REQUIREMENT}(?:,{_REQUIREMENT})*")


def selector_option(words: str, **more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """-l/--selector, as parameter `selector`."""
    return click.option("-l", "--selector", callback=_selector, metavar="LABELS", help=words, **more)


def _selector(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text and not _SELECTOR.fullmatch(text):
        raise click.BadParameter(f"{text!r} is not a label selector such as team=shop, 'tier in (a,b)' or '!legacy'")
    return text
