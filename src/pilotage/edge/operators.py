"""Is an operator installed, and does it work? Its Lease and its Deployment tell. Used by faces."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from pilotage.domain.errors import Denied
from pilotage.domain.names import LEASE
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.edge.holder import describe, is_operator
from pilotage.edge.kube import Kube

SELECTOR: Final = "app.kubernetes.io/name=pilotage"
_RECENT: Final = timedelta(seconds=60)  # an operator that restarts is still an operator, and clocks differ


class Operator(NamedTuple):
    """`where` it is installed ("" for no trace of one), and whether it `runs`: if not, `cause` says what is seen."""

    where: str = ""
    runs: bool = False
    cause: str = ""


def find_operator(kube: Kube, namespace: str, now: datetime) -> Operator:
    """By the Lease in the mesh's `namespace`, else by a Deployment with the chart's label, wherever it is.

    `now` is the real time: renewals were written by another clock, so what is said is a hint, not a lock.
    """
    lease = kube.get(lease_ref(namespace))
    spec = (lease or {}).get("spec", {})
    holder = str(spec.get("holderIdentity") or "")
    if operator_runs(lease, now):
        return Operator(describe(holder), runs=True)
    for deployment in _deployments(kube):
        meta, wanted = deployment["metadata"], deployment["spec"].get("replicas", 1)
        available = deployment.get("status", {}).get("availableReplicas", 0)
        where = f"the operator (Deployment {meta['namespace']}/{meta['name']})"
        return Operator(where, available > 0, f"{available} of {wanted} pods are available")
    if is_operator(holder):
        return Operator(describe(holder), cause=f"it last renewed Lease {namespace}/{LEASE} at {spec['renewTime']}")
    return Operator()


def operator_runs(lease: Obj | None, now: datetime) -> bool:
    """An operator renewed the Lease within a minute."""
    spec = (lease or {}).get("spec", {})
    if not is_operator(str(spec.get("holderIdentity") or "")):
        return False
    return now - datetime.fromisoformat(spec["renewTime"]) < _RECENT


def lease_ref(namespace: str) -> ObjectRef:
    return ObjectRef("coordination.k8s.io/v1", "Lease", namespace, LEASE)


class Renewals:
    """How long ago, on our own clock, the Lease was last seen to be renewed, by whomever."""

    _EVERY: Final = 1.0  # seconds between looks

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube, self._ref = kube, lease_ref(namespace)
        self._version = ""
        self._since = self._looked = time.monotonic()

    def quiet(self) -> float:
        """Seconds."""
        now = time.monotonic()
        if now - self._looked >= self._EVERY or not self._version:
            self._looked = now
            lease = self._kube.get(self._ref)
            version = lease["metadata"]["resourceVersion"] if lease else "none"
            if version != self._version:
                self._version, self._since = version, now
        return now - self._since


def _deployments(kube: Kube) -> list[Obj]:
    try:
        return kube.list("apps/v1", "Deployment", labels=SELECTOR)
    except Denied:  # then only its Lease tells
        return []


def real_now() -> datetime:
    """Not that of --today, which moves the catalog's day and not the time of Leases."""
    return datetime.now(UTC)
