"""Who we are to the API server: token, token file, basic, exec plug-in, kept fresh. Used by `line`."""

import base64
import threading
import time
from pathlib import Path

from pilotage.domain.errors import Refused
from pilotage.edge.kubeconfig import Target
from pilotage.edge.tls import ClientCertificate, client_certificate

_REREAD = 60.0  # seconds; kubelets renew a mounted token long before it expires


class Credentials:
    """Thread-safe. `header` and `certificate` ask the plug-in when there is one and its answer is not fresh."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._token = target.user.token
        self._fresh_until = 0.0  # time.time()
        self._certificate = client_certificate(target.user)

    def certificate(self) -> ClientCertificate | None:
        with self._lock:
            self._refresh()
            return self._certificate

    def header(self) -> dict[str, str]:
        """`Authorization`, or nothing where a client certificate is all."""
        user = self._target.user
        with self._lock:
            self._refresh()
            if self._token:
                return {"Authorization": f"Bearer {_sendable(self._token)}"}
        if user.username:
            pair = base64.b64encode(f"{user.username}:{user.password}".encode()).decode()
            return {"Authorization": f"Basic {pair}"}
        return {}

    def refused(self) -> bool:
        """Call after a 401. True if it is worth trying again: the next header is read anew."""
        user = self._target.user
        with self._lock:
            self._fresh_until = 0.0
        return bool(user.token_file or user.exec)

    def _refresh(self) -> None:
        user = self._target.user
        if time.time() < self._fresh_until:
            return
        if user.token_file:  # the file wins over `token`, as in client-go
            try:
                self._token = Path(user.token_file).read_text().strip()
            except OSError as error:
                raise Refused(
                    f"tokenFile {user.token_file} cannot be read: {error.strerror}", fix="kubectl config view"
                ) from None
            self._fresh_until = time.time() + _REREAD
        elif user.exec and not self._token_is_static():
            from pilotage.edge.execplugin import ask

            given = ask(user.exec, self._target.cluster)
            self._token, self._fresh_until = given.token, given.expires
            self._certificate = given.certificate or self._certificate

    def _token_is_static(self) -> bool:
        return bool(self._target.user.token)


def _sendable(token: str) -> str:
    """Raises Refused for what no header can hold, such as two lines."""
    if not (token.isascii() and token.isprintable()):
        words = "the token has characters that no token has, such as a line's end"
        raise Refused(words, fix="kubectl config view --raw")
    return token
