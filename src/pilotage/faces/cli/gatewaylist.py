"""`gateway list`, in a module of its own: it should answer at once."""

from pilotage.decide.gatewaylist import list_gateways
from pilotage.faces.cli.options import command, output
from pilotage.faces.cli.session import Session
from pilotage.faces.render.emit import emit
from pilotage.faces.render.gateways import gateway_lines

_PARTS = frozenset({"mesh", "live"})


@command()
@output
def list_(session: Session, output: str) -> None:
    """List gateways: their addresses, and for each revision how many of their pods are ready."""
    rows = list_gateways(session.snapshot(_PARTS))
    emit(output, rows, lambda: gateway_lines(rows) or ["No gateways. Next: pilotage gateway enable --type external"])
