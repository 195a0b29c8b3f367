"""Gateways as a table. Used by `gateway list` and `status`."""

from collections.abc import Sequence

from pilotage.decide.gatewaylist import GatewayRow
from pilotage.faces.render.table import table


def gateway_lines(rows: Sequence[GatewayRow]) -> list[str]:
    """A column per revision, with its ready pods; none at all where there is no gateway."""
    revisions = sorted({each.revision for row in rows for each in row.revisions})
    cells = [
        (row.name, row.namespace, row.type or "leaving", row.address or "pending", *_ready(row, revisions))
        for row in rows
    ]
    return table(("GATEWAY", "NAMESPACE", "TYPE", "ADDRESS", *revisions), cells) if rows else []


def _ready(row: GatewayRow, revisions: Sequence[str]) -> list[str]:
    pods = {each.revision: f"{each.ready}/{each.desired}" for each in row.revisions}
    return [pods.get(name, "-") for name in revisions]
