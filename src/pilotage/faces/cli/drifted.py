"""What drifts now: small lists and pages of pods, then dry runs. Called by `drift`, `restart` and the operator."""

from collections.abc import Sequence
from typing import NamedTuple

from pilotage.decide.drift import Drift, compare, groups
from pilotage.decide.injection import injection_of
from pilotage.decide.reading import Reading, interest_of
from pilotage.domain.drift import Expected
from pilotage.edge.dryruns import may_try, try_all
from pilotage.edge.injectors import look
from pilotage.edge.kube import Kube
from pilotage.edge.running import begin, of_cron_jobs, running

NO_RIGHT = "you may not create pods, not even as dry runs"
NOT_ASKED = "--no-proof"


class Drifted(NamedTuple):
    """`untried`: why nothing was tried, "" where it was."""

    drift: Drift
    untried: str


def drifted(kube: Kube, namespaces: Sequence[str] = (), labels: str = "", *, prove: bool = True) -> Drifted:
    """Of pods in these namespaces, or in all, that `labels` select. Raises Denied where pods may not be listed."""
    pages = begin(kube, namespaces, labels)
    facts = look(kube)
    injection = injection_of(facts.injectors, facts.namespaces, facts.configs, facts.proxy_configs, facts.unknown)
    rows = of_cron_jobs(kube, running(pages, interest_of(injection)))
    grouped = groups(rows, injection)
    untried = NOT_ASKED if not prove else "" if may_try(kube, namespaces) else NO_RIGHT
    tried: dict[Reading, Expected] = {} if untried else try_all(kube, grouped.tries)
    return Drifted(compare(rows, injection, grouped, tried), untried)
