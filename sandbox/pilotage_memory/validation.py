"""What an API server refuses in built-in objects, as far as Pilotage can meet it. Used by `lifecycle`. Pure."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from pilotage_memory.errors import Cause
from pilotage_memory.kinds import Kind, Obj

_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_LABEL: Final = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
_PATHLIKE: Final = frozenset({"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"})  # as in system:node
_SELECTING: Final = frozenset({"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"})
_IMMUTABLE: Final = {kind: ("spec", "selector") for kind in _SELECTING - {"ReplicaSet"}} | {
    "ReplicaSet": ("spec", "selector"),
    "Job": ("spec", "selector"),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
}


def wrong(kind: Kind, obj: Obj, old: Obj | None) -> Iterator[Cause]:
    """All that is wrong with `obj`, which replaces `old`."""
    yield from _metadata(kind, obj["metadata"])
    if old is not None and kind.kind in _IMMUTABLE:
        path = _IMMUTABLE[kind.kind]
        if _at(obj, path) != _at(old, path):
            yield _cause("FieldValueInvalid", ".".join(path), "Invalid value: field is immutable")
    check = _CHECKS.get(kind.kind)
    if check is not None:
        yield from check(obj, old)


def _metadata(kind: Kind, meta: Obj) -> Iterator[Cause]:
    name = meta["name"]
    if kind.kind not in _PATHLIKE and (len(name) > 253 or not _SUBDOMAIN.match(name)):
        words = f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric'
        yield _cause("FieldValueInvalid", "metadata.name", f"{words} characters, '-' or '.'")
    for label, value in (meta.get("labels") or {}).items():
        if len(value) > 63 or not _LABEL.match(value):
            words = f'Invalid value: "{value}": a valid label must be an empty string or consist of alphanumeric'
            yield _cause("FieldValueInvalid", "metadata.labels", f"{words} characters ({label})")


def _selecting(obj: Obj, _old: Obj | None) -> Iterator[Cause]:
    wanted = obj["spec"].get("selector", {}).get("matchLabels") or {}
    labels = obj["spec"]["template"].get("metadata", {}).get("labels") or {}
    if not obj["spec"].get("selector"):
        yield _cause("FieldValueRequired", "spec.selector", "Required value")
    elif not wanted.items() <= labels.items():
        words = "Invalid value: `selector` does not match template `labels`"
        yield _cause("FieldValueInvalid", "spec.template.metadata.labels", words)
    yield from _containers(obj["spec"]["template"]["spec"], "spec.template.spec.containers")


def _job(obj: Obj, _old: Obj | None) -> Iterator[Cause]:
    yield from _containers(obj["spec"]["template"]["spec"], "spec.template.spec.containers")


def _cron_job(obj: Obj, _old: Obj | None) -> Iterator[Cause]:
    path = "spec.jobTemplate.spec.template.spec"
    yield from _containers(obj["spec"]["jobTemplate"]["spec"]["template"]["spec"], f"{path}.containers")


def _pod(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    yield from _containers(obj["spec"], "spec.containers")
    if old is not None and _fixed(obj["spec"]) != _fixed(old["spec"]):
        words = "Forbidden: pod updates may not change fields other than images, deadlines and tolerations"
        yield _cause("FieldValueForbidden", "spec", words)


def _fixed(spec: Obj) -> Obj:
    changeable = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName")
    kept = {name: value for name, value in spec.items() if name not in changeable}
    for place in ("containers", "initContainers"):
        kept[place] = [{**container, "image": ""} for container in spec.get(place) or ()]
    return kept


def _containers(spec: Obj, path: str) -> Iterator[Cause]:
    if not spec.get("containers"):
        yield _cause("FieldValueRequired", path, "Required value")
    for at, container in enumerate(spec.get("containers") or ()):
        for field in ("name", "image"):
            if not container.get(field):
                yield _cause("FieldValueRequired", f"{path}[{at}].{field}", "Required value")
        for number, variable in enumerate(container.get("env") or ()):
            if not variable.get("name"):
                yield _cause("FieldValueRequired", f"{path}[{at}].env[{number}].name", "Required value")


def _webhooks(obj: Obj, _old: Obj | None) -> Iterator[Cause]:
    for at, webhook in enumerate(obj.get("webhooks") or ()):
        for field in ("sideEffects", "admissionReviewVersions", "clientConfig"):
            if field not in webhook:
                yield _cause("FieldValueRequired", f"webhooks[{at}].{field}", "Required value")


def _config_map(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    if old is not None and old.get("immutable"):
        for field in ("immutable", "data", "binaryData"):
            if obj.get(field) != old.get(field):
                words = "Forbidden: field is immutable when `immutable` is set"
                yield _cause("FieldValueForbidden", field, words)


_CHECKS: Final[dict[str, Callable[[Obj, Obj | None], Iterator[Cause]]]] = dict.fromkeys(_SELECTING, _selecting) | {
    "Pod": _pod,
    "Job": _job,
    "CronJob": _cron_job,
    "MutatingWebhookConfiguration": _webhooks,
    "ValidatingWebhookConfiguration": _webhooks,
    "ConfigMap": _config_map,
}


def _at(obj: Obj, path: tuple[str, ...]) -> Any:
    here: Any = obj
    for name in path:
        here = here.get(name) if isinstance(here, dict) else None
    return here


def _cause(reason: str, field: str, message: str) -> Cause:
    return {"reason": reason, "message": message, "field": field}
