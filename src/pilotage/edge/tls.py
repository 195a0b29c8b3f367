"""The TLS side of a kubeconfig: whom to trust, what to show. Used by `line` and `credentials`."""

import base64
import binascii
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from pilotage.domain.errors import Refused
from pilotage.edge.kubeconfig import Cluster, User

_VIEW: Final = "kubectl config view shows what is set"


class ClientCertificate(NamedTuple):
    """PEM text of a certificate (with its chain) and its key."""

    certificate: bytes
    key: bytes


def client_certificate(user: User) -> ClientCertificate | None:
    """The user's certificate, from data or file. Raises Refused for a half or unreadable pair."""
    certificate = _pem(user.client_certificate_data, user.client_certificate, "client-certificate")
    key = _pem(user.client_key_data, user.client_key, "client-key")
    if not certificate and not key:
        return None
    if not certificate or not key:
        raise Refused("the kubeconfig has one of client-certificate and client-key, not both", fix=_VIEW)
    return ClientCertificate(certificate, key)


def context_for(cluster: Cluster, client: ClientCertificate | None) -> ssl.SSLContext:
    """Trust the cluster's authority (the system's where none is named), show `client`. Raises Refused for bad PEM."""
    authority = _pem(cluster.certificate_authority_data, cluster.certificate_authority, "certificate-authority")
    try:
        context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    except (ssl.SSLError, ValueError) as error:
        raise Refused(f"certificate-authority in the kubeconfig is not a PEM certificate: {error}", fix=_VIEW) from None
    # Many private authorities lack a key usage extension, which Go does not ask for either.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if cluster.insecure_skip_tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client is not None:
        _show(context, client)
    return context


def _show(context: ssl.SSLContext, client: ClientCertificate) -> None:
    try:
        with _briefly_a_file(client.certificate + b"\n" + client.key) as path:
            context.load_cert_chain(path, password=_no_password)
    except ssl.SSLError as error:
        raise Refused(
            f"client certificate or key in the kubeconfig cannot be used: {error.reason}", fix=_VIEW
        ) from None


def _no_password() -> bytes:
    """Instead of OpenSSL's own question on the terminal."""
    words = "client-key in the kubeconfig is encrypted, and a kubeconfig has no place for a passphrase"
    raise Refused(words, fix="write it without one: openssl pkey -in KEY -out KEY.plain")


@contextmanager
def _briefly_a_file(content: bytes) -> Iterator[str]:
    """OpenSSL reads keys from paths only: anonymous memory where there is such, else a 0600 file, removed at once."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("client", os.MFD_CLOEXEC)
        path = f"/proc/self/fd/{descriptor}"
    else:
        import tempfile  # half as slow to import as all of this file

        descriptor, path = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            yield path
    finally:
        if not path.startswith("/proc/"):
            Path(path).unlink()


def _pem(data: str, path: str, what: str) -> bytes:
    try:
        return (
            base64.b64decode("".join(data.split()), validate=True) if data else Path(path).read_bytes() if path else b""
        )
    except binascii.Error as error:
        raise Refused(f"{what}-data in the kubeconfig is not base64: {error}", fix=_VIEW) from None
    except OSError as error:
        raise Refused(f"{what} of the kubeconfig cannot be read: {error.strerror} ({path})", fix=_VIEW) from None
