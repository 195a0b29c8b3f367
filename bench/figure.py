"""One measured figure against its aim, and how figures are printed and kept. Used by every module of the bench."""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True, slots=True)
class Figure:
    """`reference` and `ratio` are None where a figure has an absolute aim. `aim` in words."""

    name: str
    value: float
    unit: str
    reference: float | None
    ratio: float | None
    aim: str
    ok: bool


def against(name: str, value: float, reference: float, most: float) -> Figure:
    """Seconds that may be `most` times those of the reference."""
    ratio = value / reference
    return Figure(name, round(value, 3), "s", round(reference, 3), round(ratio, 2), f"ratio <= {most:g}", ratio <= most)


def within(name: str, value: float, most: float) -> Figure:
    """Seconds that may be `most` at most."""
    return Figure(name, round(value, 3), "s", None, None, f"<= {most:g} s", value <= most)


def keep(figures: Iterable[Figure]) -> None:
    """Writes results.json."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    rows = [asdict(figure) for figure in figures]
    document = {"machine": machine, "date": datetime.now(UTC).date().isoformat(), "figures": rows}
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")


def row(figure: Figure) -> str:
    """One line of the table."""
    reference = "" if figure.reference is None else f"{figure.reference:.3f} {figure.unit}"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    verdict = "ok" if figure.ok else "MISSED"
    return f"{figure.name:<34}{figure.value:>9.3f} {figure.unit}{reference:>12}{ratio:>8}  {figure.aim:<13} {verdict}"


HEADER = f"{'FIGURE':<34}{'VALUE':>11}{'REFERENCE':>12}{'RATIO':>8}  {'AIM':<13} VERDICT"
