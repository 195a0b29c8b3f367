"""PodDisruptionBudgets of the whole cluster. Called by the operator before it restarts applications."""

from pilotage.domain.cluster import Budget
from pilotage.edge.reads import Reads
from pilotage.edge.webhooks import selector_of


def budgets(source: Reads) -> tuple[Budget, ...]:
    """One without a selector is for no pod, and left out; an empty selector is for every pod."""
    listed = ((obj["metadata"], obj.get("spec") or {}) for obj in source.list("policy/v1", "PodDisruptionBudget"))
    return tuple(
        Budget(
            meta["namespace"],
            meta["name"],
            selector_of(spec["selector"]),
            spec.get("minAvailable"),
            spec.get("maxUnavailable"),
        )
        for meta, spec in listed
        if spec.get("selector") is not None
    )
