"""Credentials and kept connections to one server, shared by every `Transport` to it."""

import ssl
import threading

from pilotage.edge.connections import Place, Pool
from pilotage.edge.credentials import Credentials
from pilotage.edge.kubeconfig import Target
from pilotage.edge.proxies import proxy_for
from pilotage.edge.tls import ClientCertificate, context_for


class Line:
    """Thread-safe. Nothing is read or opened before it is asked for."""

    def __init__(self, target: Target) -> None:
        self.credentials = Credentials(target)
        self._cluster = target.cluster
        self._server = target.cluster.server.rstrip("/")
        self._lock = threading.Lock()
        self._kept: Pool | None = None
        self._tls: ssl.SSLContext | None = None
        self._shown: ClientCertificate | None = None

    def tls(self) -> ssl.SSLContext | None:
        self.pool()
        return self._tls

    def pool(self) -> Pool:
        """Built once, and again when a plug-in gave another client certificate."""
        certificate = self.credentials.certificate()
        with self._lock:
            if self._kept is None or certificate is not self._shown:
                cluster = self._cluster
                self._tls = context_for(cluster, certificate) if self._server.startswith("https:") else None
                self._kept = Pool(Place(self._server, self._tls, cluster.tls_server_name, proxy_for(cluster)))
                self._shown = certificate
            return self._kept
