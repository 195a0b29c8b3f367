"""What a conformance test says to an API server and what it sees: raw requests, raw answers, nothing interpreted.

The same for both servers, over the connections that Pilotage itself uses.
"""

import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

from pilotage.edge.connections import Request
from pilotage.edge.kubeconfig import load
from pilotage.edge.line import Line
from pilotage.edge.paths import built_in
from pilotage_memory.fieldsets import decode

Obj = dict[str, Any]
Changes = list[tuple[str, Obj]]
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON = "application/json"
_DEADLINE = 30.0  # seconds
_GIVEN = "kube-root-ca.crt"  # ConfigMap of every namespace, whenever its controller gets to it
# What a server chooses: it need not be the same.
_CHOSEN = {"uid", "creationTimestamp", "resourceVersion", "managedFields", "clusterIP", "clusterIPs", "nodePort"}


class Answer(NamedTuple):
    code: int
    body: Any

    @property
    def reason(self) -> str:
        """Of a Status, as in NotFound."""
        return str(self.body.get("reason", "")) if isinstance(self.body, dict) else ""

    @property
    def said(self) -> tuple[int, str]:
        return self.code, self.reason

    @property
    def causes(self) -> set[tuple[str, str]]:
        """(reason, field) of each."""
        told = self.body.get("details", {}).get("causes") or ()
        return {(cause.get("reason", ""), cause.get("field", "")) for cause in told}

    @property
    def version(self) -> str:
        return str(self.body["metadata"]["resourceVersion"])

    @property
    def generation(self) -> int:
        return int(self.body["metadata"]["generation"])

    @property
    def names(self) -> list[str]:
        """Of the items of a list."""
        return [item["metadata"]["name"] for item in self.body["items"]]

    @property
    def managers(self) -> set[tuple[str, str]]:
        """(manager, operation) of each entry of managedFields."""
        return {(entry["manager"], entry["operation"]) for entry in self._entries()}

    def owns(self, manager: str, *path: str) -> bool:
        """Has the manager an entry for the field, or for something below it?"""
        return any(_reaches(entry["fieldsV1"], path) for entry in self._entries() if entry["manager"] == manager)

    def must(self, code: int = 200) -> "Answer":
        assert self.code == code, f"{self.code}, not {code}: {json.dumps(self.body)[:2000]}"
        return self

    def _entries(self) -> Iterator[Any]:
        yield from self.body["metadata"].get("managedFields", ())


class Server:
    """One API server. `space` is a namespace of the test's own."""

    def __init__(self, kubeconfig: str, space: str) -> None:
        target = load(kubeconfig, None)
        self._line = Line(target)
        self.space = space

    def ask(
        self, method: str, path: str, body: Any = None, *, content: str = JSON, accept: str = JSON, **query: Any
    ) -> Answer:
        """`continue_` stands for `continue`; True is `true`."""
        with_words = {name.rstrip("_"): str(value).lower() if value is True else value for name, value in query.items()}
        url = f"{path}?{urlencode(with_words)}" if query else path
        headers = {"Accept": accept, "User-Agent": "conformance/1", **self._line.credentials.header()}
        if body is not None:
            headers["Content-Type"] = content
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        response = self._line.pool().open(Request(method, url, headers, data), time.monotonic() + _DEADLINE)
        told = b"".join(response.stream())
        try:
            return Answer(response.status, json.loads(told))
        except ValueError:
            return Answer(response.status, told)

    def get(self, kind: Obj, **query: Any) -> Answer:
        """The object as it stands; `kind` names it."""
        return self.ask("GET", self.path(kind), **query)

    def list(self, api_version: str, kind: str, **query: Any) -> Answer:
        return self.ask("GET", self.collection({"apiVersion": api_version, "kind": kind}), **query)

    def create(self, obj: Obj, **query: Any) -> Answer:
        return self.ask("POST", self.collection(obj), obj, **query)

    def replace(self, obj: Obj, **query: Any) -> Answer:
        return self.ask("PUT", self.path(obj), obj, **query)

    def patch(self, obj: Obj, change: Obj, **query: Any) -> Answer:
        return self.ask("PATCH", self.path(obj), change, content=MERGE, **query)

    def apply(self, obj: Obj, manager: str = "alice", **query: Any) -> Answer:
        return self.ask("PATCH", self.path(obj), obj, content=APPLY, fieldManager=manager, **query)

    def delete(self, obj: Obj, body: Any = None, **query: Any) -> Answer:
        return self.ask("DELETE", self.path(obj), body, **query)

    def changes(self, api_version: str, kind: str, **query: Any) -> Changes:
        """What a watch of a second tells: (type, object); not what a controller gives to every new namespace."""
        told = self.list(api_version, kind, watch="1", timeoutSeconds=1, **query)
        # One change alone is one JSON object, as is an error.
        lines = [told.body] if isinstance(told.body, dict) else map(json.loads, told.body.splitlines())
        changes = [(each.get("type", ""), each.get("object", each)) for each in lines]
        return [(what, obj) for what, obj in changes if obj.get("metadata", {}).get("name") != _GIVEN]

    def collection(self, obj: Obj) -> str:
        place = built_in(obj["apiVersion"], obj["kind"])
        assert place is not None
        return place.collection(obj.get("metadata", {}).get("namespace", self.space))

    def path(self, obj: Obj) -> str:
        return f"{self.collection(obj)}/{obj['metadata']['name']}"


Both = tuple[Server, Server]  # in memory, real


def config_map(name: str = "settings", **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str = "web", **container: Any) -> Obj:
    """Of no pods."""
    labels = {"app": name}
    containers = [{"name": "app", "image": "example/app:1"} | container]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def _reaches(fields: Any, path: tuple[str, ...]) -> bool:
    for step in path:
        if step not in fields:
            return False
        fields = fields[step]
    return True


def told(value: Any) -> Any:
    """Without what a server chooses, and without a status, which is the controllers'."""
    if isinstance(value, list):
        return [told(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: told(each) for name, each in value.items() if name not in _CHOSEN | {"status"}}


def held(obj: Obj) -> dict[str, list[tuple[str, ...]]]:
    """Manager -> leaves that it holds."""
    found = {}
    for entry in obj["metadata"].get("managedFields", ()):
        paths = decode(entry["fieldsV1"])
        inner = {path[:length] for path in paths for length in range(1, len(path))}
        found[entry["manager"]] = sorted(paths - inner)
    return found
