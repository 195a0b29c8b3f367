"""A small asyncio client of the sandbox's own API server, for the supervisor and its plug-ins.

Raw dicts in and out. `follow` is a list-watch that loses nothing: bookmarks keep its place, and after a 410 or a broken
connection it lists again and tells what went away meanwhile. The product has its own client; this one only ever talks
to a sandbox, as its administrator.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx2
import yaml

Object = dict[str, Any]

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
PAGE = 500


class KubeError(Exception):
    """The API server said no: `status` is the HTTP code, `reason` Kubernetes' word for it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason = status, reason


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a followed collection. SYNCED (object empty) says that all of a first list has been told."""

    kind: Literal["ADDED", "MODIFIED", "DELETED", "SYNCED"]
    object: Object


class Kube:
    """One kept-alive client; `kubeconfig` names certificate files (the inside kubeconfig does)."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        tls.load_cert_chain(user["client-certificate"], user["client-key"])
        self._http = httpx2.AsyncClient(
            base_url=cluster["server"],
            verify=tls,
            trust_env=False,
            timeout=httpx2.Timeout(30.0),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def request(
        self, method: str, path: str, body: Object | None = None, content_type: str = "application/json"
    ) -> Object:
        """Send and return the decoded answer. Raises KubeError, or httpx2.TransportError when nobody answers."""
        answer = await self._http.request(
            method,
            path,
            content=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": content_type},
        )
        if answer.status_code >= 400:
            raise _error(answer.status_code, answer.content)
        return dict(answer.json())

    async def ready(self) -> bool:
        """True when /readyz says ok, False for any other answer or none."""
        try:
            return (await self._http.get("/readyz", timeout=2.0)).status_code == 200
        except httpx2.TransportError:
            return False

    async def follow(self, path: str, query: str = "") -> AsyncIterator[Change]:
        """Everything that is and becomes of a collection (`path`, e.g. /api/v1/pods), for ever.

        `query` is a URL query without `?`, e.g. a labelSelector. After a lost watch the list is told again as ADDED,
        and DELETED for what is gone (of which only name, namespace and uid are left): a consumer must be idempotent.
        """
        known: dict[str, Object] = {}  # stubs: ten thousand injected pods whole would be half a gigabyte
        while True:
            try:
                version, seen = "", set()
                async for page in self._pages(path, query):
                    version = page["metadata"]["resourceVersion"]
                    for item in page["items"]:
                        seen.add(_remember(known, item))
                        yield Change("ADDED", item)
                for uid in known.keys() - seen:
                    yield Change("DELETED", known.pop(uid))
                yield Change("SYNCED", {})
                async for change in self._watch(path, query, version):
                    uid = _remember(known, change.object)
                    if change.kind == "DELETED":
                        del known[uid]
                    yield change
            except (httpx2.TransportError, KubeError, json.JSONDecodeError):  # the last: an answer cut in the middle
                await asyncio.sleep(0.5)

    async def _pages(self, path: str, query: str) -> AsyncIterator[Object]:
        token = ""
        while True:
            page = await self.request("GET", f"{path}?{query}&limit={PAGE}&continue={token}")
            yield page
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def _watch(self, path: str, query: str, version: str) -> AsyncIterator[Change]:
        """Events after `version`, until the API server has forgotten where we are."""
        while True:
            url = f"{path}?{query}&watch=1&allowWatchBookmarks=true&resourceVersion={version}"
            timeout = httpx2.Timeout(10.0, read=None)
            async with self._http.stream("GET", url, timeout=timeout) as stream:
                if stream.status_code >= 400:
                    raise _error(stream.status_code, await stream.aread())
                async for line in stream.aiter_lines():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return  # 410: the place is too old, list again
                    item = event["object"]
                    version = item["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        yield Change(event["type"], item)


def _remember(known: dict[str, Object], item: Object) -> str:
    """Note that an object exists, and return its uid."""
    meta = item["metadata"]
    stub = {key: meta[key] for key in ("uid", "name", "namespace") if key in meta}
    known[meta["uid"]] = {"metadata": stub}
    return str(meta["uid"])


def _error(code: int, content: bytes) -> KubeError:
    try:
        status = json.loads(content)
        return KubeError(code, str(status.get("reason", "")), str(status.get("message", "")))
    except (ValueError, AttributeError):
        return KubeError(code, "", content[:200].decode(errors="replace"))
