"""What istiods do in a cluster by themselves: fill webhooks in, hand out their root of trust, hold their leases.

An istiod is a pod labelled `app: istiod` whose process runs. A controller like all others; `debug` answers for ports.
"""

import base64
import hashlib
from collections.abc import Iterable
from typing import Final

from pilotage_memory.controllers.base import Base, place_of
from pilotage_memory.controllers.loop import Place
from pilotage_memory.controllers.objects import (
    CONFIG_MAP,
    LEASE,
    MUTATING,
    NAMESPACE,
    POD,
    VALIDATING,
    deleting,
    finished,
    holds,
    is_a,
    labels_of,
    named,
)
from pilotage_memory.kinds import Kind, Obj
from pilotage_memory.store import clone

REV: Final = "istio.io/rev"
_INJECTOR: Final = "sidecar-injector.istio.io"
_ROOT: Final = "istio-ca-root-cert"
_WITHOUT_ROOT: Final = frozenset({"kube-public", "kube-node-lease", "local-path-storage"})
_LEASES: Final = ("istio-gateway-deployment", "istio-gateway-status-leader")
_LINE: Final = 64


def root_of(namespace: str) -> str:
    """The root of trust of the istiods of a namespace, PEM: a shape that can be compared, not a certificate."""
    body = base64.b64encode(b"".join(hashlib.sha512(f"{namespace}{n}".encode()).digest() for n in range(12))).decode()
    lines = [body[start : start + _LINE] for start in range(0, len(body), _LINE)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def is_istiod(pod: Obj) -> bool:
    return is_a(POD, pod) and labels_of(pod).get("app") == "istiod"


def runs(pod: Obj) -> bool:
    """Its process does; that of a pod which is being deleted runs until it ends."""
    told = pod.get("status", {}).get("containerStatuses") or ()
    return is_istiod(pod) and not finished(pod) and any("running" in each["state"] for each in told[:1])


def revision_of(pod: Obj) -> str:
    return labels_of(pod).get(REV, "default")


class Istiods(Base):
    manager = "pilot-discovery"

    def wants(self, event: str, obj: Obj) -> Iterable[Place]:
        if is_istiod(obj):
            yield from self._of_revision(obj)
        elif is_a(MUTATING, obj) and event != "DELETED":
            yield place_of("injector", obj)
        elif is_a(VALIDATING, obj) and event != "DELETED":
            yield place_of("validator", obj)
        elif is_a(NAMESPACE, obj) and event != "DELETED":
            yield Place("root", "", obj["metadata"]["name"])
        elif is_a(CONFIG_MAP, obj) and obj["metadata"]["name"] == _ROOT:
            yield Place("root", "", obj["metadata"]["namespace"])
        elif is_a(LEASE, obj) and event == "DELETED":
            yield place_of("lease", obj)

    def reconcile(self, place: Place) -> None:
        match place.what:
            case "injector":
                self._fill(MUTATING, place.name)
            case "validator":
                self._fill(VALIDATING, place.name)
            case "root":
                self._hand_out_root(place.name)
            case "lease":
                self._hold(place)

    def _of_revision(self, istiod: Obj) -> Iterable[Place]:
        revision, space = revision_of(istiod), istiod["metadata"]["namespace"]
        for kind, what in ((MUTATING, "injector"), (VALIDATING, "validator")):
            for config in self.cache.list(kind):
                if labels_of(config).get(REV) == revision:
                    yield place_of(what, config)
        for namespace in self.cache.list(NAMESPACE):
            yield Place("root", "", namespace["metadata"]["name"])
        for name in _LEASES:
            yield Place("lease", space, f"{name}-{revision}")

    def _processes(self, revision: str = "", namespace: str = "") -> list[Obj]:
        """Those that run, by age; of one revision or of all."""
        pods = self.cache.list(POD, namespace)
        return [pod for pod in pods if runs(pod) and revision in ("", revision_of(pod))]

    def _fill(self, kind: Kind, name: str) -> None:
        """The caBundle of its revision's webhooks and of tags labelled for that revision; those of others never.

        Validators fail closed once their istiod is seen to deny, which takes one that is ready.
        """
        config = self.cache.get(kind, name)
        revision = labels_of(config).get(REV, "") if config else ""
        istiods = self._processes(revision) if revision else []
        if config is None or not istiods or not self._in_time(config, istiods[0]):
            return
        up = any(holds(pod, "Ready") and not deleting(pod) for pod in istiods)
        changed = clone(config)
        for webhook in changed.get("webhooks") or ():
            if kind is VALIDATING or webhook["name"].endswith(_INJECTOR):
                webhook["clientConfig"]["caBundle"] = _bundle(istiods[0])
            if kind is VALIDATING and up:
                webhook["failurePolicy"] = "Fail"
        if changed != config:
            self.store.update(changed, manager=self.manager)

    def _in_time(self, config: Obj, istiod: Obj) -> bool:
        return self.loop.elapsed("bundle", f"{config['metadata']['uid']} {istiod['metadata']['uid']}")

    def _hand_out_root(self, name: str) -> None:
        namespace, istiods = self.cache.get(NAMESPACE, name), self._processes()
        if namespace is None or deleting(namespace) or not istiods or name in _WITHOUT_ROOT:
            return
        data = {"root-cert.pem": root_of(istiods[0]["metadata"]["namespace"])}
        there = self.cache.get(CONFIG_MAP, _ROOT, name)
        if there is None:
            marks = {"istio.io/config": "true"}
            self.store.create(named(CONFIG_MAP, _ROOT, name, labels=marks, data=data), manager=self.manager)
        elif there.get("data") != data:
            self.store.update({**there, "data": data}, manager=self.manager)

    def _hold(self, place: Place) -> None:
        """A lease per revision: held by one of its istiods, stopping ones too; given back by the last."""
        prefix = next((name for name in _LEASES if place.name.startswith(f"{name}-")), "")
        revision = place.name.removeprefix(f"{prefix}-")
        lease = self.cache.get(LEASE, place.name, place.namespace)
        names = [pod["metadata"]["name"] for pod in self._processes(revision, place.namespace)] if prefix else []
        if not prefix or (lease is None and not names):
            return
        before = lease["spec"].get("holderIdentity", "") if lease else ""
        holder = before if before in names else names[0] if names else ""
        if lease is not None and holder == before:
            return
        now = self.store.clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": holder, "leaseDurationSeconds": 30 if holder else 1, "leaseTransitions": 0}
        spec |= {"acquireTime": now, "renewTime": now}
        if lease is None:
            self.store.create(named(LEASE, place.name, place.namespace, spec=spec), manager=self.manager)
        else:
            self.store.update({**lease, "spec": spec}, manager=self.manager)


def _bundle(istiod: Obj) -> str:
    return base64.b64encode(root_of(istiod["metadata"]["namespace"]).encode()).decode()
