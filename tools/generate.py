"""Writes what follows from the code: the CRD, also in the chart, roles, the table of metrics, and in docs/findings the
head of each page and the index.

Run by `make generate`; `tests/test_repository.py` fails where a file differs from what this would write.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pilotage.domain.crd import service_mesh_crd
from pilotage.domain.findings import RULES, Rule, Verb
from pilotage.faces.operator.metrics import documented
from tools.pages import with_part
from tools.rbac import files as rbac

ROOT = Path(__file__).resolve().parents[1]
FINDINGS = ROOT / "docs" / "findings"
METRICS = ROOT / "docs" / "operator.md"
CRDS = ROOT / "deploy" / "crds"
CHART_CRDS = ROOT / "deploy" / "chart" / "crds"
_KEEP = {
    "helm.sh/resource-policy": "keep",
    "argocd.argoproj.io/sync-options": "Delete=false,Prune=false",
}  # with a CRD go its resources: no tool that applied it takes it back
_HEAD = "# Generated from src/pilotage/domain by `make generate`.\n"

_BODY = "\n## "  # a page's own text starts at its first section
_INDEX = """# Findings

A finding is a named answer of a rule about a mesh or its cluster. `pilotage check` runs all rules; a verb runs those
that can block it and shows all of them at once. An Error blocks the verbs it names; a Warning or an Info blocks none.

| code | severity | blocks | what it says |
|---|---|---|---|
"""


class _Whole(yaml.SafeDumper):
    """Without anchors: what the code says once is written where it stands, for whoever reads the file."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def generated() -> Iterator[tuple[Path, str]]:
    """Every generated file and its text. A page that is not written yet has a head only."""
    for crd in (service_mesh_crd(),):
        file = f"{crd['metadata']['name']}.yaml"
        yield CRDS / file, _HEAD + yaml.dump(crd, Dumper=_Whole)
        crd["metadata"]["annotations"] |= _KEEP
        yield CHART_CRDS / file, _HEAD + yaml.dump(crd, Dumper=_Whole)
    for rule in RULES.values():
        page = FINDINGS / f"{rule.code}.md"
        yield page, head(rule) + _body(page)
    yield from rbac.generated()
    yield METRICS, with_part(METRICS, _metrics())
    rows = (f"| [{r.code}]({r.code}.md) | {r.severity} | {blocked(r)} | {r.title} |\n" for r in RULES.values())
    yield FINDINGS / "README.md", _INDEX + "".join(rows)


def _metrics() -> Iterator[str]:
    yield "\n| metric | labels | |\n|---|---|---|\n"
    for row in documented():
        yield f"| `{row.name}` | {', '.join(f'`{label}`' for label in row.labels)} | {row.help} |\n"
    yield "\n"


def head(rule: Rule) -> str:
    """Title and table of a page, as the table of rules says."""
    table = f"| severity | blocks |\n|---|---|\n| {rule.severity} | {blocked(rule)} |\n"
    return f"# {rule.code}\n\n{rule.title}.\n\n{table}"


def blocked(rule: Rule) -> str:
    """The verbs a rule blocks, in the order of the enumeration."""
    return ", ".join(f"`{verb}`" for verb in Verb if verb in rule.blocks) or "nothing"


def _body(page: Path) -> str:
    text = page.read_text() if page.exists() else ""
    start = text.find(_BODY)
    return text[start:] if start >= 0 else ""


def main() -> None:
    for path, text in generated():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
