"""`tag list`, in a module of its own: it should answer at once, and needs nothing of what the other verbs import."""

from collections.abc import Sequence

from pilotage.decide.taglist import TagRow, list_tags
from pilotage.faces.cli.istioctl import root_flags
from pilotage.faces.cli.options import command, output
from pilotage.faces.cli.session import Session
from pilotage.faces.render.emit import emit
from pilotage.faces.render.table import table

_PARTS = frozenset({"namespaces", "injectors", "revision_services"})


@command()
@root_flags
@output
def list_(session: Session, output: str) -> None:
    """List revision tags, the revisions they point at, and the namespaces that name them."""
    rows = list_tags(session.snapshot(_PARTS))
    emit(output, rows, lambda: _lines(rows))


def _lines(rows: Sequence[TagRow]) -> list[str]:
    if not rows:
        return ["No Istio revision tags found."]
    cells = [(row.tag, row.revision, ",".join(row.namespaces)) for row in rows]
    return table(("TAG", "REVISION", "NAMESPACES"), cells, gap=1)
