"""One measured figure against its aim, and how figures are printed and kept. Used by every module of the bench."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
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


def at_most(name: str, value: float, unit: str, most: float) -> Figure:
    """What may be `most` at most, in any unit."""
    return Figure(name, round(value, 3), unit, None, None, f"<= {most:g} {unit}", value <= most)


def noted(name: str, value: float, unit: str) -> Figure:
    """A figure without an aim of its own."""
    return Figure(name, round(value, 3), unit, None, None, "", True)


def rank(ascending: Sequence[float], percent: int) -> float:
    """The percentile, by nearest rank."""
    return ascending[-(-len(ascending) * percent // 100) - 1]


def keep(figures: Iterable[Figure]) -> None:
    """Into results.json, each with its day; figures of earlier runs stay where this one did not measure them."""
    today = datetime.now(UTC).date().isoformat()
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    fresh = {figure.name: asdict(figure) | {"date": today} for figure in figures}
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    same = before.get("machine") == machine
    known = {row["name"]: {"date": before.get("date"), **row} for row in before.get("figures", ()) if same}
    document = {"machine": machine, "date": today, "figures": list((known | fresh).values())}
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")


def row(figure: Figure) -> str:
    """One line of the table."""
    reference = "" if figure.reference is None else f"{figure.reference:.3f} {figure.unit}"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    verdict = ("ok" if figure.ok else "MISSED") if figure.aim else ""
    value = f"{figure.value:>9.3f} {figure.unit:<5}"
    return f"{figure.name:<38}{value}{reference:>12}{ratio:>8}  {figure.aim:<13} {verdict}".rstrip()


HEADER = f"{'FIGURE':<38}{'VALUE':>9}      {'REFERENCE':>12}{'RATIO':>8}  {'AIM':<13} VERDICT"
