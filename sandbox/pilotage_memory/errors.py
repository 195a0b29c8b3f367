"""What an API server answers when it says no: a Status. Raised everywhere here, put on the wire by `server`."""

from collections.abc import Sequence
from typing import Any, Final

Cause = dict[str, str]  # reason, message, field

_CODES: Final = {
    "BadRequest": 400,
    "NotFound": 404,
    "MethodNotAllowed": 405,
    "AlreadyExists": 409,
    "Conflict": 409,
    "Forbidden": 403,
    "Expired": 410,
    "UnsupportedMediaType": 415,
    "Invalid": 422,
    "NotImplemented": 501,
}


class ApiError(Exception):
    """`status` is the HTTP code. Admission may raise any, such as ApiError(403, "Forbidden", "no quota left")."""

    def __init__(self, status: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message
        self.details = details or {}
        self.resume = ""  # token that continues an expired list

    def body(self) -> dict[str, Any]:
        """As in https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/"""
        told: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        if self.resume:
            told["metadata"] = {"continue": self.resume}
        told |= {"message": self.message, "reason": self.reason, "code": self.status}
        return told | ({"details": self.details} if self.details else {})


class PageNotFound(ApiError):
    """404 without a Status: nothing at all is served at the path."""

    def __init__(self) -> None:
        super().__init__(404, "NotFound", "404 page not found")


def refusal(reason: str, message: str, **details: Any) -> ApiError:
    """The error that Kubernetes gives for `reason`."""
    return ApiError(_CODES[reason], reason, message, details)


def about(plural: str, group: str) -> str:
    """`deployments.apps`, as messages name a resource."""
    return f"{plural}.{group}" if group else plural


def not_found(plural: str, group: str, name: str) -> ApiError:
    message = f'{about(plural, group)} "{name}" not found'
    return refusal("NotFound", message, name=name, group=group, kind=plural)


def already_exists(plural: str, group: str, name: str) -> ApiError:
    message = f'{about(plural, group)} "{name}" already exists'
    return refusal("AlreadyExists", message, name=name, group=group, kind=plural)


def stale(plural: str, group: str, name: str) -> ApiError:
    """The resourceVersion that was sent is not the newest."""
    message = (
        f'Operation cannot be fulfilled on {about(plural, group)} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return refusal("Conflict", message, name=name, group=group, kind=plural)


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """422 with all that is wrong."""
    told = [f"{cause['field']}: {cause['message']}" for cause in causes]
    words = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    message = f'{about(kind, group)} "{name}" is invalid: {words}'
    return refusal("Invalid", message, name=name, group=group, kind=kind, causes=list(causes))


def gone(message: str, resume: str = "") -> ApiError:
    """410: older than what is remembered. `resume` continues a list with what is there now."""
    error = refusal("Expired", message)
    error.resume = resume
    return error


def unsupported(what: str) -> ApiError:
    """501: this server does not know, and does not guess."""
    return refusal("NotImplemented", f"the in-memory cluster does not do this: {what}")
