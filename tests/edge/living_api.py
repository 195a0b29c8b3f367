"""Collections that change while they are watched, for a `serving` API server: lists, watches, GET, apply and DELETE."""

import json
import threading
from collections.abc import Iterator
from typing import Any

from loopback_api import Asked, Reply, status

Obj = dict[str, Any]


class Living:
    """Objects by the path of their collection over all namespaces. Everything else is empty and quiet.

    `held_back`: what is written is not told to watches until `let_go`. `refused`: paths that answer with this instead.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._objects: dict[str, dict[tuple[str, str], Obj]] = {}
        self._log: list[tuple[int, str, str, Obj]] = []  # version, collection, type, object
        self._version = 1
        self._told = 1  # watches are told up to this version
        self.held_back = False
        self.refused: dict[str, Reply] = {}
        self.groups: list[Obj] = []  # as discovery tells them
        self.asked: list[str] = []  # paths of lists and GETs
        self.over = False

    def put(self, collection: str, name: str, namespace: str = "", **more: Any) -> Obj:
        """Creates or changes; `labels` go into the metadata."""
        with self._changed:
            self._version += 1
            known = self._objects.setdefault(collection, {})
            change = "MODIFIED" if (namespace, name) in known else "ADDED"
            meta = {"name": name, "resourceVersion": str(self._version), "labels": more.pop("labels", {})}
            obj = {"metadata": meta | ({"namespace": namespace} if namespace else {}), **more}
            known[namespace, name] = obj
            self._tell(collection, change, obj)
            return obj

    def get(self, collection: str, name: str, namespace: str = "") -> Obj | None:
        return self._objects.get(collection, {}).get((namespace, name))

    def remove(self, collection: str, name: str, namespace: str = "") -> None:
        with self._changed:
            self._version += 1
            gone = self._objects[collection].pop((namespace, name))
            version = {"resourceVersion": str(self._version)}
            self._tell(collection, "DELETED", {**gone, "metadata": gone["metadata"] | version})

    def let_go(self) -> None:
        with self._changed:
            self.held_back, self._told = False, self._version
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self.over = True
            self._changed.notify_all()

    def respond(self, asked: Asked) -> Reply:
        if asked.path == "/apis":
            self.asked.append(asked.path)
            return Reply({"groups": self.groups})
        if asked.path == "/version":
            return Reply({"gitVersion": "v1.36.3"})
        if asked.path in self.refused:
            return self.refused[asked.path]
        if "watch" in asked.query:
            return Reply(events=self._watch(asked))
        collection, namespace, name = _place(asked.path)
        if asked.method == "GET":
            self.asked.append(asked.path)
            return self._get(collection, namespace, name) if name else self._list(collection, namespace, asked)
        if asked.method == "DELETE":
            self.remove(collection, name, namespace)
            return Reply({"kind": "Status", "status": "Success"})
        body = asked.json
        if asked.query.get("dryRun"):
            return Reply(body)
        labels = body["metadata"].get("labels", {})
        return Reply(self.put(collection, name, namespace, labels=labels, spec=body.get("spec")))

    def _tell(self, collection: str, change: str, obj: Obj) -> None:
        self._log.append((self._version, collection, change, obj))
        if not self.held_back:
            self._told = self._version
        self._changed.notify_all()

    def _list(self, collection: str, namespace: str, asked: Asked) -> Reply:
        with self._changed:
            kept = self._objects.get(collection, {})
            items = [kept[key] for key in sorted(kept, key=lambda key: "/".join(filter(None, key)))]  # as etcd's keys
            chosen = [obj for obj in items if _chosen(obj, namespace, asked)]
            return Reply({"items": chosen, "metadata": {"resourceVersion": str(self._version)}})

    def _get(self, collection: str, namespace: str, name: str) -> Reply:
        with self._changed:
            obj = self._objects.get(collection, {}).get((namespace, name))
        return Reply(obj) if obj else status(404, "NotFound", "not found")

    def _watch(self, asked: Asked) -> Iterator[bytes]:
        """What happens after the version that is asked for, until the path is refused or all is over."""
        collection, namespace, _ = _place(asked.path)
        since = int(asked.query["resourceVersion"])
        while True:
            with self._changed:
                while not self._ends(asked) and self._told <= since:
                    self._changed.wait()
                if self._ends(asked):
                    return
                news = [entry for entry in self._log if since < entry[0] <= self._told and entry[1] == collection]
                since = self._told
            for _, _, change, obj in news:
                if _chosen(obj, namespace, asked):
                    yield json.dumps({"type": change, "object": obj}).encode() + b"\n"

    def _ends(self, asked: Asked) -> bool:
        return self.over or asked.path in self.refused


def _place(path: str) -> tuple[str, str, str]:
    """`/api/v1/namespaces/shop/pods/cart` -> `/api/v1/pods`, shop, cart."""
    root, _, rest = path.partition("/namespaces/")
    if rest and "/" in rest:
        namespace, plural, *name = rest.split("/")
        return f"{root}/{plural}", namespace, name[0] if name else ""
    parts = path.split("/")
    length = 4 if parts[1] == "api" else 5
    return "/".join(parts[:length]), "", parts[length] if len(parts) > length else ""


def _chosen(obj: Obj, namespace: str, asked: Asked) -> bool:
    label, _, value = asked.query.get("labelSelector", "").partition("=")
    labels = obj["metadata"]["labels"]
    return obj["metadata"].get("namespace", "").startswith(namespace) and (not label or labels.get(label) == value)
