"""Credential plug-ins of kubeconfigs (`aws eks get-token`, `kubelogin`, …). Used by `credentials`.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

import os
import subprocess
import sys
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from pilotage.domain.errors import Refused
from pilotage.edge.kubeconfig import Cluster, Exec
from pilotage.edge.tls import ClientCertificate

_QUIET: Final = 60.0  # seconds a plug-in may take that asks nobody
_ASKING: Final = 300.0  # seconds a person may take to log in


_TRY: Final = "run the plug-in by hand: kubectl get namespaces uses it too"


class Given(NamedTuple):
    """What the plug-in gave. `expires`: seconds of `time.time()`, infinite where it did not say."""

    token: str
    certificate: ClientCertificate | None
    expires: float


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: datetime | None = None


class _Credential(msgspec.Struct, frozen=True):
    status: _Status


def ask(plugin: Exec, cluster: Cluster) -> Given:
    """Run the plug-in. Raises Refused, in one line with its own last words, when it gives nothing."""
    asking = plugin.interactive_mode != "Never" and sys.stdin.isatty()
    if plugin.interactive_mode == "Always" and not asking:
        raise Refused(f"{plugin.command} must ask you to log in, and there is no terminal here", fix=_TRY)
    try:
        done = subprocess.run(
            [plugin.command, *(plugin.args or ())],
            env=_environment(plugin, cluster, asking),
            stdin=None if asking else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if asking else subprocess.PIPE,
            timeout=_ASKING if asking else _QUIET,
            check=False,
        )
    except FileNotFoundError:
        hint = " ".join(plugin.install_hint.split()) or f"install {plugin.command}"
        raise Refused(f"the kubeconfig's credential plug-in {plugin.command} is not on PATH", fix=hint) from None
    except OSError as error:
        raise Refused(f"the credential plug-in {plugin.command} cannot be run: {error.strerror}", fix=_TRY) from None
    except subprocess.TimeoutExpired as late:
        raise Refused(f"the credential plug-in {plugin.command} gave nothing in {late.timeout:g} s", fix=_TRY) from None
    if done.returncode:
        words = (done.stderr or b"").decode(errors="replace").strip().splitlines() or ["it says nothing"]
        raise Refused(f"the credential plug-in {plugin.command} failed ({done.returncode}): {words[-1]}", fix=_TRY)
    return _given(plugin, done.stdout)


def _environment(plugin: Exec, cluster: Cluster, asking: bool) -> dict[str, str]:
    spec: dict[str, Any] = {"interactive": asking}
    if plugin.provide_cluster_info:
        spec["cluster"] = {
            "server": cluster.server,
            "tls-server-name": cluster.tls_server_name,
            "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
            "certificate-authority-data": cluster.certificate_authority_data,
            "proxy-url": cluster.proxy_url,
        }
    info = {"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec}
    added = {entry.name: entry.value for entry in plugin.env or ()}
    return {**os.environ, **added, "KUBERNETES_EXEC_INFO": msgspec.json.encode(info).decode()}


def _given(plugin: Exec, output: bytes) -> Given:
    try:
        status = msgspec.json.decode(output, type=_Credential).status
    except msgspec.MsgspecError as error:
        raise Refused(f"the credential plug-in {plugin.command} printed no ExecCredential: {error}", fix=_TRY) from None
    certificate = None
    if status.client_certificate_data:
        certificate = ClientCertificate(status.client_certificate_data.encode(), status.client_key_data.encode())
    if not status.token and certificate is None:
        raise Refused(f"the credential plug-in {plugin.command} gave neither token nor certificate", fix=_TRY)
    expires = status.expiration_timestamp
    return Given(status.token, certificate, expires.timestamp() if expires else float("inf"))
