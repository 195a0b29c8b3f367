"""The generated part of a page that people write. Called by `generate` and `rbac.files`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

_START: Final = "<!-- generated: start -->\n"
_END: Final = "<!-- generated: end -->"


def with_part(page: Path, lines: Iterable[str]) -> str:
    """The text of the page with `lines` between its two marks, in place of what is there."""
    before, _, rest = page.read_text().partition(_START)
    _, _, after = rest.partition(_END)
    return before + _START + "".join(lines) + _END + after
