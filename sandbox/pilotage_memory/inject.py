"""Admission webhooks: which ones see a new object, whether they can be called, what istiod answers. Used by `world`.

As in an API server, a webhook that cannot be called fails the request (500) where its failurePolicy is Fail, and is
skipped where that is Ignore. Only istiods answer webhooks here.
"""

import base64
import json
import re
from typing import Any, Final

from pilotage_memory.controllers.loop import Loop
from pilotage_memory.controllers.objects import (
    CONFIG_MAP,
    MUTATING,
    NODE,
    POD,
    SERVICE,
    VALIDATING,
    annotations_of,
    deleting,
    holds,
    is_a,
    labels_of,
    selects,
)
from pilotage_memory.errors import ApiError
from pilotage_memory.istiods import revision_of, root_of
from pilotage_memory.kinds import Kind, Obj, group_of
from pilotage_memory.lag import Late, Now, View
from pilotage_memory.sidecar import Injector, injected, wants_proxy

_REJECT: Final = "internal.istio.io/webhook-always-reject"
_NATIVE_FROM: Final = (1, 33)


class _CallFailed(Exception):
    """Why a webhook did not answer, in the API server's words."""


class Webhooks:
    """Admission of creates: the mutating configurations by name, then the validating ones."""

    def __init__(self, loop: Loop) -> None:
        self.store, self.cache = loop.store, loop.cache
        self._values: dict[tuple[str, str], dict[str, Any]] = {}  # as an istiod last read them
        self._late = Late()

    def lag(self, *, made: int = 0, tried: int = 0) -> None:
        """So many pods are still admitted by what is there now; see `Late.begin`."""
        self._late.begin(self.cache, made=made, tried=tried)

    def __call__(self, operation: str, obj: Obj) -> Obj:
        """Raises ApiError where a webhook denies, or cannot be called and must be."""
        known: View = self._late if self._late.takes(obj) else Now(self.cache)
        for kind in (MUTATING, VALIDATING):
            for config in sorted(known.configs(kind), key=lambda config: str(config["metadata"]["name"])):
                for webhook in config.get("webhooks") or ():
                    if self._concerns(known, webhook, operation, obj):
                        obj = self._call(kind, webhook, obj)
        return obj

    def _concerns(self, known: View, webhook: Obj, operation: str, obj: Obj) -> bool:
        plural = self.store.kind_of(obj).plural
        if not any(_covers(rule, operation, obj, plural) for rule in webhook.get("rules") or ()):
            return False
        if webhook.get("matchConditions"):
            raise ApiError(501, "NotImplemented", "the in-memory cluster does not do this: matchConditions")
        return selects(webhook.get("objectSelector") or {}, labels_of(obj)) and selects(
            webhook.get("namespaceSelector") or {}, _labels_around(known, obj)
        )

    def _call(self, kind: Kind, webhook: Obj, obj: Obj) -> Obj:
        try:
            istiod = self._reach(webhook["clientConfig"])
            return self._inject(istiod, obj) if kind is MUTATING else _validated(webhook, obj)
        except _CallFailed as failed:
            if webhook.get("failurePolicy", "Fail") == "Ignore":
                return obj
            why = f'failed calling webhook "{webhook["name"]}": failed to call webhook: {failed}'
            message = f"Internal error occurred: {why}"
            raise ApiError(500, "InternalError", message, {"causes": [{"message": why}]}) from None

    def _reach(self, client: Obj) -> Obj:
        """The istiod pod that answers. Raises _CallFailed."""
        service = client.get("service")
        if service is None:
            raise _CallFailed(f'Post "{client["url"]}?timeout=10s": dial tcp: connect: connection refused')
        name, space, port = service["name"], service["namespace"], service.get("port", 443)
        asked = f'Post "https://{name}.{space}.svc:{port}{service.get("path", "/")}?timeout=10s"'
        found = self.cache.get(SERVICE, name, space)
        if found is None:
            raise _CallFailed(f'{asked}: service "{name}" not found')
        ports = {each["port"]: each.get("targetPort", each["port"]) for each in found["spec"].get("ports") or ()}
        if port not in ports:
            raise _CallFailed(f'{asked}: no service port {port} found for service "{name}"')
        chosen = {"matchLabels": found["spec"].get("selector") or {"": ""}}
        behind = (pod for pod in self.cache.list(POD, space) if serves(pod) and selects(chosen, labels_of(pod)))
        istiod = next(behind, None)
        if istiod is None:
            raise _CallFailed(f"{asked}: dial tcp: connect: connection refused")
        if base64.b64encode(root_of(space).encode()).decode() != client.get("caBundle"):
            words = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
            raise _CallFailed(f"{asked}: {words}")
        return istiod

    def _inject(self, istiod: Obj, pod: Obj) -> Obj:
        if not is_a(POD, pod) or not wants_proxy(pod):
            return pod
        revision, space = revision_of(istiod), istiod["metadata"]["namespace"]
        return injected(pod, Injector(revision, space, self._values_of(revision, space), self._native()))

    def _values_of(self, revision: str, namespace: str) -> dict[str, Any]:
        """Of the revision's injector ConfigMap; once that is gone, as they were: an istiod keeps what it has read."""
        name = "istio-sidecar-injector" + ("" if revision == "default" else f"-{revision}")
        config = self.cache.get(CONFIG_MAP, name, namespace)
        if config is not None:
            self._values[namespace, revision] = json.loads(config["data"]["values"])
        if (namespace, revision) not in self._values:
            raise _CallFailed(f'istiod has no ConfigMap "{name}" to inject by')
        return self._values[namespace, revision]

    def _native(self) -> bool:
        """As istiod's default decides: every node's kubelet is new enough."""
        nodes = self.cache.list(NODE)
        infos = (node.get("status", {}).get("nodeInfo", {}).get("kubeletVersion", "") for node in nodes)
        return bool(nodes) and all(_minor(version) >= _NATIVE_FROM for version in infos)


def _labels_around(known: View, obj: Obj) -> dict[str, str]:
    """Of the object's namespace; one without a namespace is matched as if that had no label."""
    name = obj["metadata"].get("namespace", "")
    namespace = known.namespace(name) if name else None
    return {"kubernetes.io/metadata.name": name} | labels_of(namespace) if namespace else {}


def serves(pod: Obj) -> bool:
    """An istiod that a Service sends requests to."""
    return labels_of(pod).get("app") == "istiod" and holds(pod, "Ready") and not deleting(pod)


def _covers(rule: Obj, operation: str, obj: Obj, plural: str) -> bool:
    group, version = group_of(obj["apiVersion"]), obj["apiVersion"].rpartition("/")[2]
    asked = (
        ("operations", operation),
        ("apiGroups", group),
        ("apiVersions", version),
        ("resources", plural),
    )
    return all({"*", word} & set(rule.get(field) or ()) for field, word in asked)


def _validated(webhook: Obj, obj: Obj) -> Obj:
    if annotations_of(obj).get(_REJECT) == "true":
        words = f"configuration is invalid: {_REJECT} asks for it"
        raise ApiError(400, "BadRequest", f'admission webhook "{webhook["name"]}" denied the request: {words}')
    return obj


def _minor(version: str) -> tuple[int, int]:
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
