"""What drifts now: small lists and pages of pods, then dry runs. Called by `drift`, `restart` and the operator.

The operator follows all of it by watches: it asks for nothing but the dry runs.
"""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from pilotage.decide.drift import Drift, compare, doubtful, groups
from pilotage.decide.injection import injection_of
from pilotage.decide.reading import Reading, interest_of
from pilotage.domain.drift import Asked, Expected, Injection
from pilotage.domain.errors import Refused
from pilotage.edge.dryruns import may_try, try_all
from pilotage.edge.injectors import look
from pilotage.edge.kube import Kube
from pilotage.edge.reads import Reads
from pilotage.edge.running import begin, of_cron_jobs, of_store, running

if TYPE_CHECKING:
    from pilotage.edge.store import Store

NO_RIGHT = "you may not create pods, not even as dry runs"
NOT_ASKED = "--no-proof"
_SETTLES: Final = 3.0  # seconds until an API server's admission has learnt of what was written a moment ago
_PAUSE: Final = 0.2


class Drifted(NamedTuple):
    """`untried`: why nothing was tried, "" where it was."""

    drift: Drift
    untried: str


def drifted(kube: Kube, namespaces: Sequence[str] = (), labels: str = "", *, prove: bool = True) -> Drifted:
    """Of pods in these namespaces, or in all, that `labels` select. Raises Denied where pods may not be listed.

    Raises Refused for a namespace that is not there.
    """
    pages = begin(kube, namespaces, labels)
    injection = _injection(kube)
    _refuse_strange(namespaces, injection)
    rows = of_cron_jobs(kube, running(pages, interest_of(injection)))
    grouped = groups(rows, injection)
    untried = NOT_ASKED if not prove else "" if may_try(kube, namespaces) else NO_RIGHT
    tried = {} if untried else _settled(kube, grouped.tries, injection)
    return Drifted(compare(rows, injection, grouped, tried), untried)


def _settled(kube: Kube, tries: Mapping[Reading, tuple[Asked, ...]], injection: Injection) -> dict[Reading, Expected]:
    """What dry runs give, tried again for some seconds where that is doubtful."""
    tried, deadline = try_all(kube, tries), time.monotonic() + _SETTLES
    while (again := doubtful(tries, tried, injection)) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        tried |= try_all(kube, again)
    return tried


def followed(store: "Store") -> Drift:
    """Of pods with a proxy, as `store` knows them."""
    injection = _injection(store)
    interest = interest_of(injection)
    rows, unread = of_store(store.pods().pods, interest)
    if unread:
        rows += running(begin(store.kube, unread), interest)
    grouped = groups(rows, injection)
    return compare(rows, injection, grouped, try_all(store.kube, grouped.tries))


def _refuse_strange(namespaces: Sequence[str], injection: Injection) -> None:
    """A name that was misspelt would look like one where all is well."""
    strange = [name for name in namespaces if name not in injection.namespaces]
    if strange and "namespaces" not in injection.unknown:
        raise Refused(f'there is no namespace "{strange[0]}"', fix="kubectl get namespaces")


def _injection(source: Reads) -> Injection:
    facts = look(source)
    return injection_of(facts.injectors, facts.namespaces, facts.configs, facts.proxy_configs, facts.unknown)
