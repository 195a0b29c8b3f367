"""The files of a real pod: its volumes, filled from the API server and kept fresh, as the kubelet does it.

Called by `podrun`. Every volume becomes a folder of its own under the pod's private one; `podnet` mounts them where the
container wants them, so a file replaced here changes for the running process. A projected volume with a ServiceAccount
token, the cluster's root and the namespace is how every pod gets `/var/run/secrets/kubernetes.io/serviceaccount`.
"""

import base64
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from pilotage_sandbox import podspec
from pilotage_sandbox.kube import Kube, KubeError, Object
from pilotage_sandbox.podspec import ConfigError, Sources

_RENEW_AT = 0.8  # of a token's life, as the kubelet does
_TOKEN_SECONDS = 3600


@dataclass
class PodFiles:
    """The volumes of one pod below `folder` (made here, mode 0700); `fill` may be called again at any time."""

    kube: Kube
    pod: Object
    folder: Path
    _renew: dict[Path, float] = field(default_factory=dict)  # token file -> when to ask for a new one, epoch seconds

    async def sources(self, container: Object) -> Sources:
        """The ConfigMaps and Secrets that the container's environment names and that exist."""
        config_maps, secrets = set(), set()
        for entry in container.get("env", []):
            source = entry.get("valueFrom") or {}
            config_maps.add(source.get("configMapKeyRef", {}).get("name"))
            secrets.add(source.get("secretKeyRef", {}).get("name"))
        for entry in container.get("envFrom", []):
            config_maps.add(entry.get("configMapRef", {}).get("name"))
            secrets.add(entry.get("secretRef", {}).get("name"))
        return Sources(
            {name: _text(data) for name in config_maps if name and (data := await self._data("configmaps", name))},
            {name: _text(data) for name in secrets if name and (data := await self._data("secrets", name))},
        )

    async def fill(self) -> None:
        """Write every volume's files as they should be now; raises ConfigError where a required source is missing."""
        for volume in self.pod["spec"].get("volumes", []):
            folder = self.volume(volume["name"])
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if "emptyDir" in volume:
                continue
            wanted: dict[str, bytes] = {}
            for source in _sources_of(volume):
                wanted |= await self._files(source, folder)
            _write(folder, wanted)

    def system(self, address: str, gateway: str) -> list[tuple[Path, str]]:
        """The files that every pod has in /etc, and where they go. The sandbox's resolver knows Services."""
        meta = self.pod["metadata"]
        domains = f"{meta['namespace']}.svc.cluster.local svc.cluster.local cluster.local"
        wanted = {
            "hosts": f"127.0.0.1\tlocalhost\n{address}\t{meta['name']}\n",
            "resolv.conf": f"search {domains}\nnameserver {gateway}\noptions ndots:5\n",
        }
        folder = self.folder / "etc"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder, {name: text.encode() for name, text in wanted.items()})
        return [(folder / name, f"/etc/{name}") for name in wanted]

    def volume(self, name: str) -> Path:
        """The folder of a volume."""
        return self.folder / "volumes" / name

    async def _files(self, source: Object, folder: Path) -> dict[str, bytes]:
        if "serviceAccountToken" in source:
            return await self._token(source["serviceAccountToken"], folder)
        if "downwardAPI" in source:
            items = source["downwardAPI"].get("items", [])
            return {item["path"]: self._downward(item) for item in items}
        for kind, plural in (("configMap", "configmaps"), ("secret", "secrets")):
            if kind in source:
                return await self._object(source[kind], plural)
        return {}  # clusterTrustBundle and hosts' volumes: an empty folder, as for an optional source that is missing

    async def _object(self, ref: Object, plural: str) -> dict[str, bytes]:
        name = ref.get("name") or ref.get("secretName", "")
        data = await self._data(plural, name)
        if data is None:
            if ref.get("optional"):
                return {}
            raise ConfigError(f'{plural.removesuffix("s")} "{name}" not found')
        if "items" not in ref:
            return data
        return {item["path"]: data[item["key"]] for item in ref["items"] if item["key"] in data}

    async def _data(self, plural: str, name: str) -> dict[str, bytes] | None:
        path = f"/api/v1/namespaces/{self.pod['metadata']['namespace']}/{plural}/{quote(name)}"
        try:
            found = await self.kube.request("GET", path)
        except KubeError as error:
            if error.status == 404:
                return None
            raise
        binary = found.get("binaryData", {}) if plural == "configmaps" else found.get("data", {})
        text = found.get("data", {}) if plural == "configmaps" else {}
        return {key: value.encode() for key, value in text.items()} | {
            key: base64.b64decode(value) for key, value in binary.items()
        }

    async def _token(self, ref: Object, folder: Path) -> dict[str, bytes]:
        """The pod's own ServiceAccount token, bound to the pod; the one in place while it is young enough."""
        target = folder / ref["path"]
        if time.time() < self._renew.get(target, 0) and target.exists():
            return {ref["path"]: target.read_bytes()}
        meta = self.pod["metadata"]
        account = quote(self.pod["spec"].get("serviceAccountName", "default"))
        seconds = int(ref.get("expirationSeconds", _TOKEN_SECONDS))
        bound = {"kind": "Pod", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]}
        audiences = [ref["audience"]] if ref.get("audience") else []
        body = {"spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": bound}}
        path = f"/api/v1/namespaces/{meta['namespace']}/serviceaccounts/{account}/token"
        answer = await self.kube.request("POST", path, {"kind": "TokenRequest", **_AUTHENTICATION, **body})
        self._renew[target] = time.time() + seconds * _RENEW_AT
        return {ref["path"]: answer["status"]["token"].encode()}

    def _downward(self, item: Object) -> bytes:
        if "fieldRef" in item:
            return podspec.field(self.pod, item["fieldRef"]["fieldPath"]).encode()
        ref = item["resourceFieldRef"]
        container = next(c for c in self.pod["spec"]["containers"] if c["name"] == ref["containerName"])
        return podspec.resource_field(container, ref).encode()


_AUTHENTICATION = {"apiVersion": "authentication.k8s.io/v1"}


def _sources_of(volume: Object) -> list[Object]:
    if "projected" in volume:
        return list(volume["projected"].get("sources", []))
    return [volume]


def _text(data: dict[str, bytes]) -> dict[str, str]:
    return {key: value.decode(errors="replace") for key, value in data.items()}


def _write(folder: Path, wanted: dict[str, bytes]) -> None:
    """Make the folder hold exactly `wanted`; each file is replaced in one step, so a reader never sees half of one."""
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if str(path.relative_to(folder)) not in wanted:
            path.unlink()
    for name, content in wanted.items():
        target = folder / name
        if target.exists() and target.read_bytes() == content:
            continue
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.new")
        fresh.touch(mode=0o600)
        fresh.write_bytes(content)
        fresh.rename(target)
