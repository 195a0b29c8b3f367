"""The one door to Kubernetes: raw dicts in and out, every failure one of ours. Used by `edge` and faces."""

import copy
from collections.abc import Callable, Iterator
from threading import Event
from typing import Final, TypeAlias, TypeVar

import msgspec

from pilotage.domain.names import MANAGER
from pilotage.domain.objects import Obj, ObjectRef, ref_of
from pilotage.domain.version import Version
from pilotage.edge import discovery
from pilotage.edge.failures import AlreadyThere, Conflict, NotThere
from pilotage.edge.kubeconfig import load
from pilotage.edge.paging import objects, pages
from pilotage.edge.paths import Resource
from pilotage.edge.transport import JSON, Call, Transport
from pilotage.edge.watch import Feed, Follower, Watched

__all__ = ["AlreadyThere", "Conflict", "Kube", "NotThere"]

# Names of their own, for within the class `list` is the method.
Objs: TypeAlias = list[Obj]
Kinds: TypeAlias = list[discovery.Served]
T = TypeVar("T")

_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_METADATA: Final = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{JSON}"


class _Version(msgspec.Struct, frozen=True, rename="camel"):
    git_version: str


class Kube:
    """Thread-safe; connections are kept and shared.

    Every method may raise Unreachable (no answer within the deadline), Denied (403), Refused (401, or the API server
    finds the request wrong) or Retry (it is busy, or what is needed is not there yet).
    """

    def __init__(self, transport: Transport, namespace: str = "default") -> None:
        self.transport = transport
        self.context_name = transport.target.context
        self.server = transport.server
        self.namespace = namespace
        self._places = discovery.Places(transport)
        self._wrote: Callable[[ObjectRef, Obj | None], None] = lambda _ref, _obj: None

    @classmethod
    def connect(cls, kubeconfig: str | None = None, context: str | None = None, *, deadline: float = 30.0) -> "Kube":
        """The cluster that kubectl would choose; nothing is sent yet. `deadline`, in seconds, is for each request.

        Raises NoCluster where there is none, Refused for a kubeconfig that cannot be understood.
        """
        target = load(kubeconfig, context)
        return cls(Transport(target, deadline), target.namespace)

    def within(self, deadline: float) -> "Kube":
        """The same cluster and connections, with another deadline, in seconds, for each request."""
        return self._over(self.transport.within(deadline))

    def fenced(self, check: Callable[[], None]) -> "Kube":
        """The same, but `check` may raise right before any write is sent, repeated ones and Events included."""
        return self._over(self.transport.fenced(check))

    def reporting(self, wrote: Callable[[ObjectRef, Obj | None], None]) -> "Kube":
        """The same; `wrote` is told each object that was written, as the API server keeps it: None once deleted."""
        other = copy.copy(self)
        other._wrote = wrote
        return other

    def _over(self, transport: Transport) -> "Kube":
        other = copy.copy(self)
        other.transport = transport
        return other

    def get(self, ref: ObjectRef) -> Obj | None:
        """None where the object, its kind or its namespace is not there."""
        place = self._places.find(ref.api_version, ref.kind)
        if place is None:
            return None
        try:
            return self._send(Call("GET", place.object(ref), f"get {ref}"))
        except NotThere:
            return None

    def list(self, api_version: str, kind: str, namespace: str = "", *, labels: str = "", fields: str = "") -> Objs:
        """Objects of one namespace, or of all. Each has its apiVersion and kind. A kind that is not served has none."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        return self._whole((api_version, kind), namespace, query)

    def list_metadata(self, api_version: str, kind: str, namespace: str = "", *, labels: str = "") -> Objs:
        """As `list`, with nothing but metadata: a fraction of the bytes."""
        return self._whole((api_version, kind), namespace, {"labelSelector": labels}, _METADATA)

    def list_pages(self, api_version: str, kind: str, namespace: str = "", *, labels: str = "") -> Iterator[bytes]:
        """The same list as raw JSON, in pages of 500, for `decode`."""
        call = self._call(api_version, kind, namespace, {"labelSelector": labels})
        return iter(()) if call is None else (page.body for page in pages(self.transport, call))

    def decode(self, page: bytes, shape: type[T]) -> T:
        """A page as `shape`, which has `items` and of those the few fields that are wanted."""
        return self.transport.decode(page, shape)

    def apply(self, obj: Obj, manager: str, *, dry_run: bool = False) -> Obj:
        """Server-side apply, whole for `manager`, which takes over what another manager owns of it."""
        ref = ref_of(obj)
        query = {"fieldManager": manager, "force": "true", **_dry(dry_run)}
        call = Call("PATCH", self._place(ref).object(ref), f"apply {ref}", query, _json(obj), _APPLY)
        return self._write(call, ref, dry_run)

    def create(self, obj: Obj, *, dry_run: bool = False) -> Obj:
        """`metadata` may have `generateName` instead of a name. Raises AlreadyThere."""
        meta = obj.get("metadata", {})
        name = meta.get("name") or meta.get("generateName", "")
        ref = ObjectRef(obj["apiVersion"], obj["kind"], meta.get("namespace", ""), name)
        query = {"fieldManager": MANAGER, **_dry(dry_run)}
        return self._write(Call("POST", self._place(ref).place(ref), f"create {ref}", query, _json(obj)), ref, dry_run)

    def replace(self, obj: Obj) -> Obj:
        """Write the whole object. Raises Conflict if it changed since the `resourceVersion` in it."""
        ref = ref_of(obj)
        query = {"fieldManager": MANAGER}
        return self._write(Call("PUT", self._place(ref).object(ref), f"replace {ref}", query, _json(obj)), ref)

    def patch(
        self, ref: ObjectRef, body: Obj, *, manager: str = MANAGER, dry_run: bool = False, subresource: str = ""
    ) -> Obj:
        """JSON merge patch; None deletes a field. Raises NotThere."""
        path = self._place(ref).object(ref) + (f"/{subresource}" if subresource else "")
        query = {"fieldManager": manager, **_dry(dry_run)}
        return self._write(Call("PATCH", path, f"patch {ref}", query, _json(body), _MERGE), ref, dry_run)

    def delete(self, ref: ObjectRef, *, dry_run: bool = False) -> bool:
        """In the background: what it owns follows. False if it was not there."""
        place = self._places.find(ref.api_version, ref.kind)
        if place is None:
            return False
        query = {"propagationPolicy": "Background", **_dry(dry_run)}
        try:
            self._send(Call("DELETE", place.object(ref), f"delete {ref}", query))
        except NotThere:
            return False
        if not dry_run:
            self._wrote(ref, None)
        return True

    def follower(self, watched: Watched, feed: Feed, over: Event, absent: float) -> Follower:
        """Who tells `feed` what is there and what happens until `over` is set: `run` it in a thread of its own."""
        query, accept = {"labelSelector": watched.labels}, _METADATA if watched.metadata else JSON

        def find() -> Call | None:
            call = self._call(watched.api_version, watched.kind, watched.namespace, query)
            return call and call._replace(accept=accept)

        return Follower(self.transport, find, feed, over, absent)

    def version(self) -> Version:
        """Of the API server."""
        return Version.parse(self.transport.read(Call("GET", "/version", "get the version"), _Version).git_version)

    def raw(self, path: str) -> bytes:
        """GET any path of the API server, query included."""
        return self.transport.send(Call("GET", path, f"get {path}"))

    def resources(self, group_suffix: str) -> Kinds:
        """(apiVersion, kind, namespaced) of the groups that end in `group_suffix`, each in its preferred version."""
        return discovery.kinds(self.transport, group_suffix)

    def may(self, verb: str, group: str, resource: str, namespace: str = "", name: str = "") -> bool:
        """May the caller do this? Namespace "" means in the whole cluster, name "" to any object."""
        wanted = {"verb": verb, "group": group, "resource": resource, "namespace": namespace, "name": name}
        review = self._ask("authorization.k8s.io/v1", "SelfSubjectAccessReview", spec={"resourceAttributes": wanted})
        return bool(review["status"]["allowed"])

    def pod_get(self, namespace: str, pod: str, port: int, path: str) -> bytes:
        """HTTP GET inside a pod, by port-forward. Raises Refused for a 4xx from within, Retry where none answers."""
        from pilotage.edge.portforward import get  # a websocket library that few verbs need

        place = self._place(ref := ObjectRef("v1", "Pod", namespace, pod)).object(ref)
        return get(self.transport, place, port, path)

    def whoami(self) -> str:
        """The caller's user name, as the API server knows it (Kubernetes 1.28 or newer)."""
        review = self._ask("authentication.k8s.io/v1", "SelfSubjectReview")
        return str(review["status"]["userInfo"]["username"])

    def _ask(self, api_version: str, kind: str, **more: Obj) -> Obj:
        return self.create({"apiVersion": api_version, "kind": kind, "metadata": {}, **more})

    def _place(self, ref: ObjectRef) -> Resource:
        place = self._places.find(ref.api_version, ref.kind)
        if place is None:
            raise NotThere(f"{ref}: the cluster does not serve {ref.kind} of {ref.api_version}")
        return place

    def _write(self, call: Call, ref: ObjectRef, dry_run: bool = False) -> Obj:
        obj = self._send(call)
        if not dry_run:
            self._wrote(ref, obj)
        return obj

    def _send(self, call: Call) -> Obj:
        return self.transport.read(call, Obj)

    def _call(self, api_version: str, kind: str, namespace: str, query: dict[str, str]) -> Call | None:
        place = self._places.find(api_version, kind)
        where = f" in {namespace}" if namespace else ""
        return None if place is None else Call("GET", place.collection(namespace), f"list {kind}{where}", query)

    def _whole(self, kind: tuple[str, str], namespace: str, query: dict[str, str], accept: str = JSON) -> Objs:
        call = self._call(*kind, namespace, query)
        if call is None:
            return []
        items, _ = objects(self.transport, call._replace(accept=accept))
        for item in items:
            item["apiVersion"], item["kind"] = kind
        return items


def _json(body: Obj) -> bytes:
    return msgspec.json.encode(body)


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}
