"""The catalog as written, in YAML or JSON, read into the catalog of `domain`. Called by `catalog.parse_catalog`.

The head of `data/catalog.yaml` describes the format.
"""

import re
from calendar import monthrange
from datetime import date
from typing import Any, Literal

import msgspec

from pilotage.decide.strictyaml import Node, YamlError, parse
from pilotage.domain.catalog import BadPair, Catalog, ClosingHome, MinorRelease, Range, Release
from pilotage.domain.errors import Refused
from pilotage.domain.version import Minor, Version

_DAY = re.compile(r"(\d{4})-(\d\d)(?:-(\d\d))?")
_SCORE = re.compile(r"\d{1,2}(\.\d{1,2})?")
_STEP = re.compile(r"\.([A-Za-z0-9-]+)|\[(\d+)\]")
_AT = re.compile(r"(.*) - at `(\$[^`]*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")


_MEND = "mend it there; the catalog that Pilotage brings is used where none is named"
_LAST = "completeUntil"


class _Wire(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The file as written; every field is carried over into the catalog of `domain`."""


class _Patch(_Wire, frozen=True):
    version: str
    date: str = ""
    security: tuple[str, ...] = ()
    cves: tuple[str, ...] = ()
    cvss: dict[str, str] = {}
    note: str = ""
    avoid: str = ""


class _MinorOnFile(_Wire, frozen=True):
    minor: str
    released: str
    end_of_life: str
    kubernetes: tuple[str, ...]
    patches: tuple[_Patch, ...]
    end_of_life_status: Literal["", "final", "announced", "expected"] = ""


class _Artifacts(_Wire, frozen=True):
    images: str = ""
    charts: str = ""


class _Home(_Wire, frozen=True):
    home: str
    closes: str


class _Range(_Wire, frozen=True):
    from_: str = msgspec.field(name="from", default="")
    before: str = ""


class _Pair(_Wire, frozen=True):
    proxy: _Range
    istiod: _Range
    why: str


class _File(_Wire, frozen=True):
    minors: tuple[_MinorOnFile, ...]
    complete_until: str
    artifacts: _Artifacts = _Artifacts()
    closing_homes: tuple[_Home, ...] = ()
    bad_pairs: tuple[_Pair, ...] = ()


class _BadField(ValueError):
    def __init__(self, path: str, problem: object) -> None:
        super().__init__(f"{problem} - at `${path}`")


def read(text: str, source: str) -> Catalog:
    """YAML or JSON in the format of `data/catalog.yaml`. Raises Refused with one line: source, line, field, problem."""
    try:
        root = parse(text, scalars="text")
    except YamlError as error:
        raise Refused(f"catalog {source}: {error}", fix=_MEND) from None
    try:
        file = msgspec.convert(root.plain(), _File)
        if not text.lstrip().startswith("{") and list(root.value)[-1] != _LAST:  # JSON that was cut short is no JSON
            raise _BadField(f".{_LAST}", "stands at the end, where a file that was cut short lacks it")
        return _catalog(file, source)
    except ValueError as error:
        raise Refused(f"catalog {source}: {_placed(str(error), root)}", fix=_MEND) from None


def _catalog(file: _File, source: str) -> Catalog:
    return Catalog(
        _minors(file),
        source,
        _day(file.complete_until, f".{_LAST}"),
        file.artifacts.images,
        file.artifacts.charts,
        tuple(
            ClosingHome(each.home, _day(each.closes, f".closingHomes[{index}].closes"))
            for index, each in enumerate(file.closing_homes)
        ),
        tuple(_pair(each, f".badPairs[{index}]") for index, each in enumerate(file.bad_pairs)),
    )


def _pair(entry: _Pair, path: str) -> BadPair:
    return BadPair(_range(entry.proxy, f"{path}.proxy"), _range(entry.istiod, f"{path}.istiod"), entry.why)


def _range(entry: _Range, path: str) -> Range:
    if not entry.from_ and not entry.before:
        raise _BadField(path, "neither `from` nor `before`: this would be every version")
    first = _version(entry.from_, f"{path}.from") if entry.from_ else None
    end = _version(entry.before, f"{path}.before") if entry.before else None
    return Range(first, end)


def _minors(file: _File) -> tuple[MinorRelease, ...]:
    if not file.minors:
        raise _BadField(".minors", "no minor at all")
    found: dict[Minor, MinorRelease] = {}
    for index, entry in enumerate(file.minors):
        path = f".minors[{index}]"
        release = _minor(entry, path)
        if release.minor in found:
            raise _BadField(f"{path}.minor", f"{release.minor} is given twice")
        found[release.minor] = release
    return tuple(found[minor] for minor in sorted(found))


def _minor(entry: _MinorOnFile, path: str) -> MinorRelease:
    minor = _version(entry.minor, f"{path}.minor").in_minor
    patches = [_patch(patch, minor, f"{path}.patches[{index}]") for index, patch in enumerate(entry.patches)]
    if not patches:
        raise _BadField(f"{path}.patches", f"no patch of {minor}")
    kubernetes = [_version(text, f"{path}.kubernetes[{index}]").in_minor for index, text in enumerate(entry.kubernetes)]
    if not kubernetes:
        raise _BadField(f"{path}.kubernetes", f"no Kubernetes version for {minor}")
    return MinorRelease(
        minor,
        _last_day(entry.released, f"{path}.released"),
        _last_day(entry.end_of_life, f"{path}.endOfLife"),
        entry.end_of_life,
        tuple(sorted(kubernetes)),
        tuple(sorted(patches, key=lambda patch: patch.version, reverse=True)),
        entry.end_of_life_status,
    )


def _patch(entry: _Patch, minor: Minor, path: str) -> Release:
    version = _version(entry.version, f"{path}.version")
    if version.in_minor != minor:
        raise _BadField(f"{path}.version", f"{version} is not a patch of {minor}")
    released = _last_day(entry.date, f"{path}.date") if entry.date else None
    scores = [_score(text, f"{path}.cvss.{name}") for name, text in entry.cvss.items()]
    highest = max(scores, default=None)
    return Release(version, released, entry.security, entry.avoid, entry.cves, highest, entry.note)


def _score(text: str, path: str) -> float:
    if not _SCORE.fullmatch(text) or float(text) > 10:
        raise _BadField(path, f"not a CVSS score: {text!r}; write 0.0 to 10.0")
    return float(text)


def _version(text: str, path: str) -> Version:
    try:
        return Version.parse(text)
    except ValueError as error:
        raise _BadField(path, error) from None


def _day(text: str, path: str) -> date:
    if len(text) != len("2026-11-30"):
        raise _BadField(path, f"not a day: {text!r}; write 2026-11-30")
    return _last_day(text, path)


def _last_day(text: str, path: str) -> date:
    """A month alone means that month's last day."""
    found = _DAY.fullmatch(text)
    if found is None:
        raise _BadField(path, f"not a date: {text!r}; write 2026-11-30 or 2026-11")
    year, month = int(found[1]), int(found[2])
    try:
        return date(year, month, int(found[3]) if found[3] else monthrange(year, month)[1])
    except ValueError as error:
        raise _BadField(path, f"not a date: {text!r} ({error})") from None


def _placed(error: str, root: Node) -> str:
    """`line 7, minors[0].released: not a date …` of a message that ends in a path."""
    at = _AT.fullmatch(error)
    problem, path = (at[1], at[2]) if at else (error, "$")
    unknown = _UNKNOWN.fullmatch(problem)
    if unknown:
        path, problem = f"{path}.{unknown[1]}", "unknown field"
    node = root
    for name, index in _STEP.findall(path):
        node = _child(node, name or int(index)) or node
    return f"line {node.line}, {path.removeprefix('$').lstrip('.') or 'the whole'}: {problem}"


def _child(node: Node, key: Any) -> Node | None:
    if isinstance(node.value, dict):
        return node.value.get(key)
    return node.value[key] if isinstance(node.value, list) and isinstance(key, int) else None
