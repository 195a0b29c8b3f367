"""Columns of plain text, as kubectl and istioctl print them: nothing to import, and safe to cut and grep."""

from collections.abc import Iterable, Sequence


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], gap: int = 3) -> list[str]:
    """Lines of left-justified columns, `gap` spaces apart; the last column is as long as it is."""
    cells = [list(headers), *(list(row) for row in rows)]
    widths = [max(map(len, column)) + gap for column in zip(*cells, strict=True)]
    widths[-1] = 0
    return ["".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in cells]


def ruled(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """As `az -o table` prints: a line of dashes under the headers, two spaces between columns."""
    widths = [max([len(header) + 2, *(len(row[at]) for row in rows)]) for at, header in enumerate(headers)]
    lines = [headers, ["-" * width for width in widths], *rows]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in lines]


def counted(number: int, word: str) -> str:
    """`1 pod`, `2 pods`, `no pod`."""
    return f"{number or 'no'} {word}{'s' if number > 1 else ''}"
