"""Foreign errors become ours here and nowhere else: the API server's Status answers, and broken connections."""

import http.client
import re
import socket
import ssl
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from pilotage.domain.errors import Denied, MeshError, Refused, Retry, Unreachable
from pilotage.domain.roles import Right, role_with
from pilotage.edge.connections import ConnectTimeout, NotConnected, ProxyFailed

_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]*)")?'
)


class Conflict(Retry):
    """409: the object changed since it was read, or another manager owns a field. Read again, decide again."""


class AlreadyThere(Conflict):
    """409 on create: an object of that name exists."""


class Gone(Retry):
    """410: a list or watch older than what the API server remembers. `resume` continues a list, "" if it cannot."""

    def __init__(self, message: str, *, resume: str = "") -> None:
        super().__init__(message, after=0)
        self.resume = resume


class NotThere(Retry):
    """404: the object, its kind or its namespace."""


class _Cause(msgspec.Struct, frozen=True):
    field: str = ""
    message: str = ""


class _Details(msgspec.Struct, frozen=True):
    causes: list[_Cause] = []


class _ListMeta(msgspec.Struct, frozen=True, rename={"resume": "continue"}):
    resume: str = ""


class Status(msgspec.Struct, frozen=True):
    """What the API server says when it says no."""

    code: int = 0
    message: str = ""
    reason: str = ""
    details: _Details = _Details()
    metadata: _ListMeta = _ListMeta()


_STATUS: Final = msgspec.json.Decoder(Status)  # made once, before threads: msgspec crashes where two make it at once


class Answer(NamedTuple):
    """An answer of 400 or more. `what` says what was asked (`get Pod shop/cart`), `after` is Retry-After in seconds."""

    what: str
    code: int
    status: Status
    after: float


def parse_status(body: bytes) -> Status:
    """The Status in an answer; a proxy's HTML or plain text becomes its message, on one line, cut to 300 characters."""
    try:
        return _STATUS.decode(body)
    except msgspec.MsgspecError:
        return Status(message=" ".join(body.decode(errors="replace").split())[:300])


def answered(answer: Answer) -> MeshError:
    """Our error for an answer of the API server. First row that fits, else Refused (4xx) or Retry (5xx)."""
    for code, make in _ANSWERS:
        if code == answer.code:
            return make(answer)
    text = _text(answer)
    return Refused(text) if answer.code < 500 else Retry(text, after=answer.after)


def _text(answer: Answer) -> str:
    causes = [f"{cause.field}: {cause.message}" for cause in answer.status.details.causes if cause.message]
    said = answer.status.message or f"the API server answered {answer.code}"
    missing = [cause for cause in causes if cause.split(": ", 1)[1] not in said]
    return f"{answer.what}: " + "; ".join([said, *missing])


def _unauthorized(answer: Answer) -> MeshError:
    """Not Denied: where nothing can be read, that one fact is unknown would be half the truth."""
    said = f" ({answer.status.message})" if answer.status.message not in ("", "Unauthorized") else ""
    return Refused(
        f"{answer.what}: the API server does not accept your credentials{said}; they may have expired",
        fix="log in to the cluster again; `kubectl auth whoami` tells whether it worked",
    )


def _forbidden(answer: Answer) -> MeshError:
    found = _FORBIDDEN.search(answer.status.message)
    if found is None:  # quota, PodSecurity, admission: their own words are the best
        return Denied(_text(answer))
    kind = ".".join(part for part in (found["resource"], found["group"]) if part)
    place = f" in namespace {found['namespace']}" if found["namespace"] else " in the whole cluster"
    option = f" -n {found['namespace']}" if found["namespace"] else " --all-namespaces"
    role = role_with(Right(found["verb"], found["group"], found["resource"]))
    wanted = f"have ClusterRole {role} bound to you" if role else "ask for that permission"
    return Denied(
        f"{found['user']} may not {found['verb']} {kind}{place}",
        fix=f"{wanted}; `kubectl auth can-i {found['verb']} {kind}{option}` tells when it is there",
    )


def _conflict(answer: Answer) -> MeshError:
    return (AlreadyThere if answer.status.reason == "AlreadyExists" else Conflict)(_text(answer))


_ANSWERS: tuple[tuple[int, Callable[[Answer], MeshError]], ...] = (
    (401, _unauthorized),
    (403, _forbidden),
    (404, lambda answer: NotThere(_text(answer))),
    (409, _conflict),
    (410, lambda answer: Gone(_text(answer), resume=answer.status.metadata.resume)),
    (429, lambda answer: Retry(_text(answer), after=answer.after)),
)


class Peer(NamedTuple):
    """Whom a request went to, for the words of an error. `deadline` in seconds."""

    server: str
    context: str
    deadline: float

    def __str__(self) -> str:
        return f"{self.server} (context {self.context})" if self.context else self.server


_LISTENS = "check that it is the API server that listens there"
_BROKEN: tuple[tuple[type[Exception], str, str], ...] = (
    (socket.gaierror, "its name does not resolve", "check the server in the kubeconfig, DNS and VPN"),
    (ConnectTimeout, "no connection within {deadline:g} s", "check network, VPN and firewall"),
    (ProxyFailed, "the proxy does not let us through: {cause}", "check proxy-url and HTTPS_PROXY"),
    (NotConnected, "{cause}", "check that the cluster runs and that the kubeconfig names its address"),
    (TimeoutError, "no answer within {deadline:g} s", "check the API server's load and health"),
    (ssl.SSLError, "TLS failed: {cause}", "check certificate-authority and client-certificate in the kubeconfig"),
    (http.client.HTTPException, "the connection broke: {cause}", _LISTENS),
    (ConnectionError, "the connection broke: {cause}", _LISTENS),
)


def broken(error: Exception, peer: Peer) -> Unreachable:
    """Our error for an exchange that ended without an answer. First row that fits."""
    cause = _innermost(error)
    for kind, words, hint in _BROKEN:
        if isinstance(error, kind):
            said = words.format(cause=cause, deadline=peer.deadline)
            return Unreachable(f"cannot reach the API server {peer}: {said}; {hint}")
    return Unreachable(f"cannot reach the API server {peer}: {cause}")


def _innermost(error: BaseException) -> str:
    """What the operating system or OpenSSL said, without the wrapping."""
    while True:
        inner = (
            error.__cause__ or error.__context__ or next((a for a in error.args if isinstance(a, BaseException)), None)
        )
        if inner is None:
            break
        error = inner
    said = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error) or type(error).__name__
    return str(said).splitlines()[0].lower()
