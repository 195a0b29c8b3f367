"""Does injection work, end to end? A pod is created in a server-side dry-run, and nothing of it stays.

Called after an install, and before and after a namespace is moved. Istio's webhooks declare no side effects, so a
dry-run calls them.
"""

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeGuard, TypeVar

from pilotage.domain.errors import Denied, Refused, Retry, Unreachable
from pilotage.domain.findings import Finding
from pilotage.domain.names import DEFAULT_REVISION, GROUP, INJECT, PROXY_CONTAINER, REV
from pilotage.domain.objects import Obj, annotations_of
from pilotage.edge.kube import Kube

Found = TypeVar("Found")
UNTRIED: Final = "HealthUnknown"
_PAUSE: Final = 0.2  # seconds between tries
# What the strictest PodSecurity level asks for, so that only injection is tested.
_SECURITY: Final[dict[str, Any]] = {
    "runAsNonRoot": True,
    "runAsUser": 65534,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_CONTAINER: Final[dict[str, Any]] = {
    "name": "probe",
    "image": "never-pulled",
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}},
}


def selecting(revision: str) -> dict[str, str]:
    """Pod labels that ask for a revision (or tag) where the namespace asks for none."""
    return {INJECT: "true"} if revision == DEFAULT_REVISION else {INJECT: "true", REV: revision}


class Trial(NamedTuple):
    """What a new pod in `namespace` is to get: a proxy of `revision` (not a tag) and, where given, of `image`.

    `labels`: `selecting(revision)` in the mesh's namespace; none where the namespace's own label is on trial.
    """

    namespace: str
    labels: dict[str, str]
    revision: str
    image: str = ""


def settled_proof(kube: Kube, trial: Trial, patience: float) -> Finding | None:
    """`injection_proof`, tried again for `patience` seconds while something else is injected.

    An API server answers that a label or a webhook is written before its admission knows: that reads its own watch of
    namespaces and configurations, some milliseconds late, more under load, and each replica by itself.
    """
    return _settled(lambda: injection_proof(kube, trial), fails, patience)


def settles(kube: Kube, trial: Trial, patience: float) -> bool | None:
    """Whether a new pod gets a proxy of the trial's revision ("" for no proxy), awaited for `patience` seconds.

    None where none can be created: by rights, a quota, a policy, a webhook, an API server that is away.
    """
    final = (trial.revision, None)
    given = _settled(lambda: _revision_given(kube, trial), lambda given: given not in final, patience)
    return None if given is None else given == trial.revision


def _settled(look: Callable[[], Found], wrong: Callable[[Found], bool], patience: float) -> Found:
    """The first answer that is not `wrong`, or the last of `patience` seconds."""
    deadline = time.monotonic() + patience
    while wrong(found := look()) and time.monotonic() <= deadline:
        time.sleep(_PAUSE)
    return found


def _revision_given(kube: Kube, trial: Trial) -> str | None:
    try:
        pod = kube.create(dry_run_pod(trial.namespace, trial.labels), dry_run=True)
    except (Refused, Retry, Unreachable):
        return None
    return annotations_of(pod).get(REV, "") if proxy_of(pod) else ""


def fails(finding: Finding | None) -> TypeGuard[Finding]:
    """Whether injection was tried and failed."""
    return finding is not None and finding.code != UNTRIED


def injection_proof(kube: Kube, trial: Trial) -> Finding | None:
    """None if a new pod would get the proxy. InjectionNotProven says what it got instead.

    HealthUnknown: it could not be tried (403: rights, quota, PodSecurity).
    """
    namespace, labels, revision, image = trial
    place = f"namespace {namespace}"
    try:
        pod = kube.create(dry_run_pod(namespace, labels), dry_run=True)
    except Denied as denied:
        return Finding(UNTRIED, f"injection could not be tried: {denied}", place, denied.fix)
    except (Refused, Retry) as failed:
        return _unproven(place, revision, f"a pod could not be created: {failed}")
    proxy = proxy_of(pod)
    if proxy is None:
        return _unproven(place, revision, "a new pod got no proxy")
    actual = annotations_of(pod).get(REV, "")
    if actual != revision:
        return _unproven(place, revision, f"a new pod got the proxy of {actual or 'an unnamed revision'}")
    if image and proxy.get("image") != image:
        return _unproven(place, revision, f"a new pod got the proxy image {proxy.get('image')} instead of {image}")
    return None


def _unproven(place: str, revision: str, message: str) -> Finding:
    fix = f"pilotage check; then look at the webhooks: kubectl get mutatingwebhookconfigurations -l {REV}={revision}"
    return Finding("InjectionNotProven", f"{place}, revision {revision}: {message}", place, fix)


def dry_run_pod(namespace: str, labels: dict[str, str]) -> Obj:
    """A pod that the strictest PodSecurity level lets in, to be created as a dry run."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": f"{GROUP.partition('.')[0]}-dry-run-", "namespace": namespace, "labels": labels},
        "spec": {"automountServiceAccountToken": False, "securityContext": _SECURITY, "containers": [_CONTAINER]},
    }


def proxy_of(pod: Obj) -> dict[str, Any] | None:
    """istio-proxy in `containers` or, as a native sidecar, in `initContainers`."""
    spec = pod["spec"]
    both = (*spec.get("containers", ()), *(spec.get("initContainers") or ()))
    return next((container for container in both if container["name"] == PROXY_CONTAINER), None)
