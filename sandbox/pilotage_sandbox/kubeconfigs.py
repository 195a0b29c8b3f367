"""The kubeconfigs of a sandbox: one for the user, whole in one file, and those that its own components use inside."""

import base64
from pathlib import Path

import yaml

from pilotage_sandbox.layout import write


def outside(path: Path, server: str, pki: Path, name: str) -> None:
    """For the user, mode 0600: certificates embedded, so the file can be copied or merged. Context `pilotage-NAME`."""
    context = f"pilotage-{name}"
    cluster = {"server": server, "certificate-authority-data": _encoded(pki / "ca.crt")}
    user = {
        "client-certificate-data": _encoded(pki / "admin.crt"),
        "client-key-data": _encoded(pki / "admin.key"),
    }
    _write(path, context, cluster, user)


def inside(path: Path, server: str, pki: Path, user: str) -> None:
    """For a component: names the files of certificate `user` instead of holding them."""
    cluster = {"server": server, "certificate-authority": str(pki / "ca.crt")}
    _write(
        path,
        user,
        cluster,
        {"client-certificate": str(pki / f"{user}.crt"), "client-key": str(pki / f"{user}.key")},
    )


def _write(path: Path, context: str, cluster: dict[str, str], user: dict[str, str]) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": context, "cluster": cluster}],
        "users": [{"name": context, "user": user}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
    }
    write(path, yaml.safe_dump(document, sort_keys=False))


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
